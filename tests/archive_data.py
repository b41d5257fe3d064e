"""A small archive of the recorder, drawn: books of symbols that wander, no trades."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.recorder.archive import Archive
from services.recorder.core import Limits
from shared import codec
from shared.messages import Lob
from shared.units import MS

START_MS = 1_723_161_255_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def archived(
    run: Path, start_ms: int, count: int, symbols: Sequence[str] = SYMBOLS, seed: int = 0, step_ms: int = 200
) -> Path:
    """A folder as the recorder writes it, `count` books of each symbol. Returns `run`."""
    with Archive(run, Limits()) as writer:
        for number, symbol in enumerate(symbols):
            label = f"market:{{{symbol}}}"
            writer.resume(label)
            writer.add(label, books(seed + number, count, start_ms, step_ms), 0.0)
    return run


def books(seed: int, count: int, start_ms: int = START_MS, step_ms: int = 200) -> list[tuple[bytes, bytes]]:
    draw = np.random.default_rng(seed)
    bids = 600_000 + np.cumsum(draw.integers(-20, 21, count))
    entries = []
    for at in range(count):
        sizes = draw.integers(1, 5000, (2, 20)).tolist()
        bid, recv_ms = int(bids[at]), start_ms + step_ms * at
        book = Lob(
            seq=at,
            epoch=1,
            exchange_ns=0,
            recv_ns=recv_ms * MS,
            update_id=at,
            tick_e9=100_000_000,
            lot_e9=1_000_000,
            bids=codec.pack_tiers([part for i in range(20) for part in (bid - i, sizes[0][i])]),
            asks=codec.pack_tiers([part for i in range(20) for part in (bid + 1 + i, sizes[1][i])]),
        )
        entries.append((f"{recv_ms}-0".encode(), codec.encode(book)))
    return entries
