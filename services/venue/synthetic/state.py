"""What the synthetic market of one symbol remembers, and the buffers it writes to: arrays, nothing else."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

GRID = 1 << 17  # ticks on the grid: levels further than half of it from each other never coexist
ORDERS = 1 << 16  # orders that may rest at once
DIRTY = 1 << 14  # levels that may change between two diffs
TIERS = 20
ROW = 4 * TIERS
SLOTS = 2  # metaorders under way at once

EVENTS = 1 << 16  # room of one block of output
LEVELS = 1 << 17
DIFFS = 1 << 10
ROOM = 1 << 15  # events and levels that one step may add; a block ends where less is left

# Columns of `Book.orders`.
LOTS, NEXT, PREVIOUS, OWNER, PRICE = range(5)
# Places in `Book.marks`.
BID, ASK, FREE, DIRTY_COUNT, UPDATE_ID, DIFF, LAST_DIFF_ID, OWN, TRADE_ID, VOLUME = range(10)
# Kinds of rows in `Output.events`; the columns after kind and time_ns.
DEPTH = 1  # U, u, pu, first level, end of bids, end of levels; its tiers are the next row of `rows`
TICKER = 2  # u, bid, bid lots, ask, ask lots
TRADE = 3  # id, price, lots, taker's side
OWN_FILL = 4  # owner, price, lots, is_maker, lots left, trade id
OWN_EXPIRED = 5  # owner, lots left: it met an order of ours
MARK = 6  # mark price and index price in 1e-3 ticks, funding rate in 1e-8
COLUMNS = 8
# Places in `Output.counts`.
N_EVENTS, N_LEVELS, N_ROWS = range(3)


class Book(NamedTuple):
    """Queues on a ring of ticks: a price lives at `price & (GRID - 1)`.

    head, tail: (GRID,) first and last order of each level, -1 for none. total: (GRID,) its lots. stamp:
    (GRID,) the diff in which it last changed; was: (GRID,) the sides it was on since, as bits. orders:
    (ORDERS, 5) linked both ways, free ones by NEXT. dirty: (DIRTY,) prices changed since the last diff.
    """

    head: Ints
    tail: Ints
    total: Ints
    stamp: Ints
    was: Ints
    orders: Ints
    dirty: Ints
    marks: Ints


class Output(NamedTuple):
    """events: (n, 8). levels: (m, 3) side, price, lots. rows: (k, 80) the best tiers after each diff."""

    events: Ints
    levels: Ints
    rows: Ints
    counts: Ints


class Flow(NamedTuple):
    """The state of the order flow: `times` in ns, `values` as `flow.py` names them, the metaorders' sides
    and lengths, the last ticker (4,), and the state of the generator."""

    times: Ints
    values: Floats
    metaorders: Ints
    ticker: Ints
    seeds: NDArray[np.uint64]


def new_book() -> Book:
    """An empty book."""
    orders = np.zeros((ORDERS, 5), np.int64)
    orders[:, NEXT] = np.arange(1, ORDERS + 1)
    orders[-1, NEXT] = -1
    return Book(
        head=np.full(GRID, -1, np.int64),
        tail=np.full(GRID, -1, np.int64),
        total=np.zeros(GRID, np.int64),
        stamp=np.full(GRID, -1, np.int64),
        was=np.zeros(GRID, np.int64),
        orders=orders,
        dirty=np.zeros(DIRTY, np.int64),
        marks=np.zeros(10, np.int64),
    )


def new_output() -> Output:
    """Empty buffers."""
    return Output(
        events=np.zeros((EVENTS, COLUMNS), np.int64),
        levels=np.zeros((LEVELS, 3), np.int64),
        rows=np.zeros((DIFFS, ROW), np.int64),
        counts=np.zeros(3, np.int64),
    )


def new_flow(name: str, seed: int, start_ns: int) -> Flow:
    """The flow before its first event. Another name or seed is another market altogether."""
    start = hashlib.sha256(f"{name} {seed}".encode()).digest()[:8]
    return Flow(
        times=np.full(4, start_ns, np.int64),
        values=np.zeros(17, np.float64),
        metaorders=np.zeros((SLOTS, 2), np.int64),
        ticker=np.zeros(4, np.int64),
        seeds=np.array([int.from_bytes(start, "little")], np.uint64),
    )
