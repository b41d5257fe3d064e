"""A `Lob`'s packed tiers as the kernel's row, and the checks on them that are invariants of our own."""

from __future__ import annotations

from services.features.kernel import TIERS
from shared.messages import Lob

PAIR_BYTES = 16
SIDE_BYTES = PAIR_BYTES * TIERS


def row_bytes(lob: Lob) -> bytes:
    """Bids, then asks, each filled with zeros to 20 tiers: 640 bytes.

    Raises ValueError where a side is empty, is no whole tiers or is longer than 20: no collector of ours
    writes such a Lob.
    """
    bids, asks = lob.bids, lob.asks
    if len(bids) != SIDE_BYTES or len(asks) != SIDE_BYTES:
        for side in (bids, asks):
            if len(side) % PAIR_BYTES or not 0 < len(side) <= SIDE_BYTES:
                raise ValueError(f"Lob {lob.seq}: {len(side)} bytes are not 1 to {TIERS} tiers of a side")
        bids, asks = bids.ljust(SIDE_BYTES, b"\0"), asks.ljust(SIDE_BYTES, b"\0")
    return bids + asks


def check_touch(seq: int, bid_ticks: int, ask_ticks: int) -> None:
    """Raise ValueError where the book is crossed: the collector reports that and writes no Lob."""
    if bid_ticks >= ask_ticks:
        raise ValueError(f"Lob {seq} is crossed: bid {bid_ticks}, ask {ask_ticks}")
