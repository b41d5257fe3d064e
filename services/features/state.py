"""What the kernel remembers of the past of one symbol, where it lies, and how its rings grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

RING = 1024  # book events a ring holds at first: a minute and a half of diffs
TRADES_PER_LOB = 4  # times as many trades
LEVELS = 5  # of the order flow imbalance
CHANGES = 30  # one-second changes of the mid in `sigma_30s`
SLOW_CHANGES = 600  # and in `sigma_600s`

# Columns of the rings. Behind the time stand running totals, over all events before the one at this place.
TIME = 0
E1, ABS_E1, E5, ABS_E5 = 1, 2, 3, 4  # order flow of the best level and of five
MOVE, SQUARES = 5, 6  # changes of twice the mid, in ticks, and their squares
LOB_COLUMNS = 8  # one is not used: a row is a cache line
SIGNED, VOLUME, NOTIONAL = 1, 2, 3  # lots bought less lots sold, lots, ticks times lots
TRADE_COLUMNS = 4

# Places in `State.marks`.
LOB_HEAD, TRADE_HEAD = 0, 1  # events ever put into each ring
HAS_PREVIOUS = 2  # 1 once `previous` holds a Lob
MID2 = 3  # bid plus ask of the last Lob, which is twice the mid, in ticks
NEXT_SECOND = 4  # the next full second whose mid is not yet known
SECOND_MID2 = 5  # twice the mid at the full second before it
CLOSED = 6  # full seconds known since the reset
CHANGE_SQUARES = 7  # the sum of the squares of the newest 30 of `changes`
SLOW_SQUARES = 8  # of all of them
MARKS = 9


class State(NamedTuple):
    """Arrays of int64 alone; what lies at which place is said above.

    windows_ns: (w,) ascending. tails: (2, w), the first event inside each window, per ring. lob_ring:
    (capacity, 8). trade_ring: (4 capacity, 4). lob_totals: (8,) and trade_totals: (4,), the running totals
    over all events, in the rings' columns. previous: (20,), the best five tiers of the last Lob, bids then
    asks. changes: (600,), the one-second changes of twice the mid, in ticks, by full second modulo 600; 0 for
    none. Capacities are powers of two.

    The sum over a window is the difference of two totals. They may overflow, after years: differences of
    int64 are right all the same.
    """

    windows_ns: Ints
    marks: Ints
    tails: Ints
    lob_ring: Ints
    trade_ring: Ints
    lob_totals: Ints
    trade_totals: Ints
    previous: Ints
    changes: Ints


def new_state(windows_ns: Sequence[int], capacity: int = RING) -> State:
    """The state of a symbol of which nothing is known. `capacity` is a power of two."""
    return State(
        windows_ns=np.array(windows_ns, np.int64),
        marks=np.zeros(MARKS, np.int64),
        tails=np.zeros((2, len(windows_ns)), np.int64),
        lob_ring=np.zeros((capacity, LOB_COLUMNS), np.int64),
        trade_ring=np.zeros((capacity * TRADES_PER_LOB, TRADE_COLUMNS), np.int64),
        lob_totals=np.zeros(LOB_COLUMNS, np.int64),
        trade_totals=np.zeros(TRADE_COLUMNS, np.int64),
        previous=np.zeros(4 * LEVELS, np.int64),
        changes=np.zeros(SLOW_CHANGES, np.int64),
    )


def grown(state: State) -> State:
    """The same state with rings of twice the size: what a full ring asks for."""
    return state._replace(
        lob_ring=_doubled(state.lob_ring, int(state.marks[LOB_HEAD])),
        trade_ring=_doubled(state.trade_ring, int(state.marks[TRADE_HEAD])),
    )


def _doubled(ring: Ints, head: int) -> Ints:
    capacity = len(ring)
    kept = np.arange(max(0, head - capacity), head)
    wider = np.zeros((2 * capacity, ring.shape[1]), np.int64)
    wider[kept % (2 * capacity)] = ring[kept % capacity]
    return wider
