"""Recorded market entries of one symbol to a table of features, by the kernel that serves live.

Rows equal, bit for bit, what `FeaturesCore` says of the same entries one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from services.features import kernel
from services.features.continuity import MARKET_KINDS, Continuity
from services.features.schema import WIDTH, WINDOWS_NS
from services.features.state import RING, Floats, Ints, State, grown, new_state
from services.features.tiers import check_touch, row_bytes
from shared.messages import AggTrade, Lob, Message

BLOCK = 8192  # events given to the compiled loop at once: about 5 MB


class Batch(NamedTuple):
    """One row per Lob. `values` is (n, `WIDTH`) in the order of `schema.NAMES`, the others are (n,)."""

    ids: list[str]
    recv_ns: Ints
    bid_ticks: Ints
    ask_ticks: Ints
    tick_e9: Ints
    clean_ns: Ints
    epoch: Ints
    values: Floats


def fold(state: State, events: Ints, rows: Ints, scales: Ints) -> tuple[State, Floats]:
    """A block through the compiled loop: shapes as of `kernel.run`. Returns the state after it, which is
    another where a ring had to grow, and the values, (m, `WIDTH`)."""
    values = np.empty((len(rows), WIDTH), np.float64)
    done = kernel.run(state, 0, events, rows, scales, values)
    while done < len(events):
        state = grown(state)
        done = kernel.run(state, done, events, rows, scales, values)
    return state, values


class _Block:
    """Events on their way to the kernel, and the facts of their Lobs."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int, int, int]] = []  # kind, recv_ns, signed size and price, or row
        self.rows: list[bytes] = []
        self.scales: list[tuple[int, int]] = []  # tick_e9, lot_e9 of each row
        self.facts: list[tuple[int, int, int]] = []  # recv_ns, clean_ns, epoch of each row

    def add_lob(self, lob: Lob, is_first: bool, clean_ns: int) -> None:
        self.events.append((kernel.FIRST_LOB if is_first else kernel.LOB, lob.recv_ns, len(self.rows), 0))
        self.rows.append(row_bytes(lob))
        self.scales.append((lob.tick_e9, lob.lot_e9))
        self.facts.append((lob.recv_ns, clean_ns, lob.epoch))

    def add_trade(self, trade: AggTrade) -> None:
        signed_lots = trade.side * trade.size_lots
        self.events.append((kernel.TRADE, trade.recv_ns, signed_lots, trade.price_ticks))

    def run(self, state: State) -> tuple[State, Ints, Floats]:
        """The state after the block; per Lob recv_ns, clean_ns, epoch, bid, ask, tick_e9; and the values."""
        count = len(self.rows)
        events = np.array(self.events, np.int64).reshape(-1, 4)
        rows = np.frombuffer(bytearray().join(self.rows), np.int64).reshape(count, kernel.ROW)
        scales = np.array(self.scales, np.int64).reshape(-1, 2)
        touch = np.stack([rows[:, 0], rows[:, kernel.ASKS]], axis=1)
        for place in np.flatnonzero(touch[:, 0] >= touch[:, 1]):
            check_touch(int(place), int(touch[place, 0]), int(touch[place, 1]))
        state, values = fold(state, events, rows, scales)
        facts = np.array(self.facts, np.int64).reshape(-1, 3)
        return state, np.concatenate([facts, touch, scales[:, :1]], axis=1), values


def blocks(entries: Iterable[tuple[str, Message]], ring: int = RING, block: int = BLOCK) -> Iterator[Batch]:
    """The features of (entry id, market entry) pairs of one symbol, in their order, block by block: no more
    than a block is held, however many entries come.

    `ring` and `block` trade memory for speed and change no value. Raises ValueError as `FeaturesCore` does.
    """
    continuity, state = Continuity(), new_state(WINDOWS_NS, ring)
    ids: list[str] = []
    pending = _Block()
    for entry_id, entry in entries:
        if not isinstance(entry, MARKET_KINDS):
            raise ValueError(f"{entry_id}: {type(entry).__name__} is no market entry")
        is_first = continuity.follow(entry)
        if isinstance(entry, Lob):
            ids.append(entry_id)
            pending.add_lob(entry, is_first, continuity.clean_ns())
        elif isinstance(entry, AggTrade) and continuity.chain_ns is not None:
            pending.add_trade(entry)
        if len(pending.events) >= block:
            state, facts, values = pending.run(state)
            yield _batch(ids, facts, values)
            ids, pending = [], _Block()
    _, facts, values = pending.run(state)
    yield _batch(ids, facts, values)


def compute(entries: Iterable[tuple[str, Message]], ring: int = RING, block: int = BLOCK) -> Batch:
    """All of `blocks` as one."""
    ids, *columns = zip(*blocks(entries, ring, block), strict=True)
    return Batch([entry_id for part in ids for entry_id in part], *map(np.concatenate, columns))


def _batch(ids: list[str], facts: Ints, values: Floats) -> Batch:
    recv_ns, clean_ns, epoch, bid_ticks, ask_ticks, tick_e9 = facts.T.copy()
    return Batch(ids, recv_ns, bid_ticks, ask_ticks, tick_e9, clean_ns, epoch, values)
