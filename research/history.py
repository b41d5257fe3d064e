"""Synthetic history to a dataset: the market's blocks go as arrays into the compiled loop of the features.

No JSON, no messages, and the same numbers: the vectors equal, bit for bit, what collector and features make
of the same market's frames. Blocks are folded one by one and only what a dataset needs is kept, so that six
hours take little more memory than one.

Of a collector's entries only books and trades reach the features; heartbeats and mark prices change none, as
the market never leaves a second without an entry of another kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from research.aggregates import Aggregates
from research.dataset import Books, Dataset, Origin, dataset
from research.labels import Flags, Floats, Ints
from services.features import kernel, schema
from services.features.batch import fold
from services.features.continuity import CLEAN_LIMIT_NS, QUIET_NS
from services.features.state import new_state
from services.features.tiers import check_touch
from services.venue.synthetic.market import Block, SyntheticMarket
from services.venue.synthetic.markets import check_symbols, opened
from services.venue.synthetic.state import DEPTH, TRADE
from shared.units import MS, SECOND

HOUR_NS = 3600 * SECOND
# Histories end before the venue listed its first future, so before whatever a model may be asked to predict:
# a model says nothing inside the time it was fitted on.
END_NS = 1_546_300_800 * SECOND  # 2019-01-01 00:00 UTC

Progress = Callable[[float], None]  # share done


class Vectors(NamedTuple):
    """The books of one block and what the features are after each."""

    recv_ns: Ints  # (n,)
    touch: Ints  # (n, 2) best bid and ask, ticks
    clean_ns: Ints  # (n,)
    values: Floats  # (n, `schema.WIDTH`)
    trades: int  # aggTrades of the block


class Chain:
    """Blocks of one symbol to vectors, in order; its first book has no predecessor."""

    def __init__(self, market: SyntheticMarket) -> None:
        self.digest = hashlib.sha256()  # of what entered the kernel
        self._state = new_state(schema.WINDOWS_NS)
        self._aggregates = Aggregates()
        self._scale = (market.scale.tick_e9, market.scale.lot_e9)
        self._start_ns: int | None = None  # of the chain's first book, as `features.continuity` has it
        self._last_ns = 0  # of the last book

    def fold(self, block: Block, until_ns: int) -> Vectors:
        """The vectors of a block of the market, which has come to `until_ns`."""
        times = block.events[:, 1]
        sold = np.flatnonzero(block.events[:, 0] == TRADE)
        closed = self._aggregates.of(times, sold, block.events[sold][:, [1, 3, 4, 5]], until_ns)
        books = np.flatnonzero(block.events[:, 0] == DEPTH)
        recv_ns = times[books]
        is_first, clean_ns = self._follow(recv_ns)
        kinds = np.where(is_first, kernel.FIRST_LOB, kernel.LOB)
        told = np.column_stack((kinds, recv_ns, np.arange(len(books)), np.zeros_like(books)))
        trades = np.column_stack(
            (
                np.full(len(closed.recv_ns), kernel.TRADE),
                closed.recv_ns,
                closed.signed_lots,
                closed.price_ticks,
            )
        )
        # An aggregate goes before the event at its place.
        order = np.argsort(np.concatenate((2 * books + 1, 2 * closed.places)), kind="stable")
        events = np.ascontiguousarray(np.concatenate((told, trades))[order])
        touch = block.rows[:, [0, kernel.ASKS]]
        for place in np.flatnonzero(touch[:, 0] >= touch[:, 1]):
            check_touch(int(place), int(touch[place, 0]), int(touch[place, 1]))
        scales = np.tile(np.array(self._scale, np.int64), (len(books), 1))
        self.digest.update(events.tobytes())
        self.digest.update(block.rows.tobytes())
        self._state, values = fold(self._state, events, block.rows, scales)
        return Vectors(recv_ns, touch, clean_ns, values, len(trades))

    def _follow(self, recv_ns: Ints) -> tuple[Flags, Ints]:
        """Which books begin a chain, and how long each chain has lasted: `Continuity` for books alone."""
        if len(recv_ns) == 0:
            return np.zeros(0, np.bool_), recv_ns
        is_first = np.diff(recv_ns, prepend=self._last_ns) > QUIET_NS
        is_first[0] |= self._start_ns is None
        starts = np.where(is_first, recv_ns, 0 if self._start_ns is None else self._start_ns)
        starts = np.maximum.accumulate(starts)
        self._start_ns, self._last_ns = int(starts[-1]), int(recv_ns[-1])
        return is_first, np.minimum(recv_ns - starts, CLEAN_LIMIT_NS)


def history(
    symbol: str,
    seed: int,
    hours: float,
    end_ns: int = END_NS,
    sample_ms: int = 1000,
    progress: Progress = lambda share: None,
) -> Dataset:
    """The last `hours` before `end_ns` of a synthetic market of `symbol`. Raises BadSetting where there is no
    such market."""
    check_symbols([symbol])
    span_ns = round(hours * HOUR_NS)
    from_ns = end_ns - span_ns
    market = opened(symbol, seed, from_ns)
    chain = Chain(market)
    (one,) = schema.indices(["imbalance_1"])
    found: list[tuple[Ints, Ints, Ints, Floats]] = []
    kept: list[Ints] = []
    values: list[Floats] = []
    count = trades = 0
    for block in market.advance(end_ns):
        told = chain.fold(block, market.now_ns)
        rows = _candidates(told.recv_ns, sample_ms * MS)
        found.append((told.recv_ns, told.touch, told.clean_ns, told.values[:, one].copy()))
        kept.append(rows + count)
        values.append(told.values[rows])
        count += len(told.recv_ns)
        trades += told.trades
        progress((market.now_ns - from_ns) / span_ns)
    recv_ns, touch, clean_ns, imbalance_1 = (np.concatenate(part) for part in zip(*found, strict=True))
    books = Books(
        recv_ns=recv_ns,
        bid_ticks=touch[:, 0],
        ask_ticks=touch[:, 1],
        tick_e9=np.full(count, market.scale.tick_e9, np.int64),
        clean_ns=clean_ns,
        breaks_before=np.zeros(count, np.int64),
        imbalance_1=imbalance_1,
        kept=np.concatenate(kept),
        values=np.concatenate(values),
    )
    digest = chain.digest.hexdigest()
    origin = Origin(from_ns, end_ns, np.empty(0, np.int64), count + trades, digest, trades)
    return dataset(symbol, books, origin, sample_ms)


def _candidates(recv_ns: Ints, step_ns: int) -> Ints:
    """The books that may be rows: the last before a point of the grid, and the last of the block, after
    which that is not known."""
    if len(recv_ns) == 0:
        return recv_ns
    point = -(-recv_ns // step_ns) * step_ns
    return np.flatnonzero(np.append(point[:-1] < recv_ns[1:], True))
