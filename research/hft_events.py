"""Market entries as the events of hftbacktest 2 (`.npz`, field `data`): depth and trades with both clocks.

The format is that of https://hftbacktest.readthedocs.io/en/latest/data.html: 64 bytes an event, in the order
of both clocks. Where the two orders differ, an event is there twice, once for each clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.codec import unpack_tiers
from shared.errors import BadInput
from shared.messages import AggTrade, FeedStatus, Lob, Message
from shared.units import E9

DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
EXCHANGE, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
EVENT = np.dtype(
    [
        ("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"),
        ("qty", "<f8"), ("order_id", "<u8"), ("ival", "<i8"), ("fval", "<f8"),
    ],
    align=True,
)  # fmt: skip

Events: TypeAlias = NDArray[Any]  # (n,) of EVENT
Side = dict[int, int]  # price_ticks -> size_lots


class EventWriter:
    """Turns one symbol's entries, in their order, into events. A book is known 20 tiers deep: a level that is
    pushed out of them is deleted, and new when it comes back, so that the book is always that of the `Lob`.
    After a gap the book is cleared and given anew."""

    def __init__(self) -> None:
        self._whole = array("q")  # flags, exchange_ns, recv_ns of each event
        self._float = array("d")  # price, size of each event
        self._sides: dict[int, Side] = {}  # the book as told, by flag
        self._is_known = False  # whether what was told is the book

    def add(self, message: Message) -> None:
        """One entry."""
        if isinstance(message, Lob):
            self._book(message)
        elif isinstance(message, AggTrade):
            price = message.price_ticks * message.tick_e9 / E9
            size = message.size_lots * message.lot_e9 / E9
            times = message.exchange_ns, message.recv_ns
            self._tell(TRADE | (BUY if message.side > 0 else SELL), times, price, size)
        elif isinstance(message, FeedStatus) and message.state != "live":
            self._is_known = False

    @property
    def is_empty(self) -> bool:
        """Whether there was neither a book nor a trade."""
        return not self._whole

    def events(self) -> tuple[Events, int]:
        """All events in the order of both clocks, and what was added to the local clock, in ns, so that none
        arrives before it was sent (hftbacktest takes no such data; a recorder's clock may be behind).

        Raises BadInput where there is none.
        """
        if not self._whole:
            raise BadInput("no book and no trade to export")
        whole = np.frombuffer(self._whole, np.int64).reshape(-1, 3)
        exact = np.frombuffer(self._float, np.float64).reshape(-1, 2)
        rows = np.zeros(len(whole), EVENT)
        rows["ev"], rows["exch_ts"], rows["local_ts"] = whole[:, 0], whole[:, 1], whole[:, 2]
        rows["px"], rows["qty"] = exact[:, 0], exact[:, 1]
        behind_ns = max(0, int((rows["exch_ts"] - rows["local_ts"]).max()))
        rows["local_ts"] += behind_ns
        return in_both_orders(rows), behind_ns

    def _book(self, lob: Lob) -> None:
        times = lob.exchange_ns, lob.recv_ns
        price, size = lob.tick_e9 / E9, lob.lot_e9 / E9
        for flag, packed in ((BUY, lob.bids), (SELL, lob.asks)):
            now, before = _side(packed), self._sides.get(flag, {})
            if self._is_known:
                for ticks in before:
                    if ticks not in now:
                        self._tell(DEPTH | flag, times, ticks * price, 0.0)
            else:
                # Cleared is from the best tier up to this price, the worst that is or was known.
                worst = min if flag == BUY else max
                self._tell(CLEAR | flag, times, worst([*now, *before], default=0) * price, 0.0)
                before = {}
            kind = DEPTH if self._is_known else SNAPSHOT
            for ticks, lots in now.items():
                if before.get(ticks) != lots:
                    self._tell(kind | flag, times, ticks * price, lots * size)
            self._sides[flag] = now
        self._is_known = True

    def _tell(self, flags: int, times: tuple[int, int], price: float, size: float) -> None:
        self._whole.extend((flags, *times))
        self._float.extend((price, size))


def _side(packed: bytes) -> Side:
    flat: Iterable[int] = unpack_tiers(packed)
    return dict(zip(*[iter(flat)] * 2, strict=True))


def in_both_orders(rows: Events) -> Events:
    """Merge the order of the exchange and the local order: an event whose turn comes at once in both is one,
    any other is told once for each clock."""
    exchange_order = np.argsort(rows["exch_ts"], kind="stable").tolist()
    local_order = np.argsort(rows["local_ts"], kind="stable").tolist()
    exchange_ts, local_ts = rows["exch_ts"].tolist(), rows["local_ts"].tolist()
    count = e = at = 0
    places = np.zeros(2 * len(rows), np.int64)
    flags = np.zeros(2 * len(rows), np.uint64)
    while e < len(rows) or at < len(rows):
        mine = exchange_order[e] if e < len(rows) else -1
        other = local_order[at] if at < len(rows) else -1
        if mine == other:
            places[count], flags[count] = mine, EXCHANGE | LOCAL
            e, at = e + 1, at + 1
        elif other < 0 or (
            mine >= 0 and (exchange_ts[mine], local_ts[mine]) <= (exchange_ts[other], local_ts[other])
        ):
            places[count], flags[count] = mine, EXCHANGE
            e += 1
        else:
            places[count], flags[count] = other, LOCAL
            at += 1
        count += 1
    out: Events = rows[places[:count]]
    out["ev"] |= flags[:count]
    return out
