"""What the kernel remembers of the past of one symbol, and how its rings grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

RING = 1024  # events a ring holds at first
LEVELS = 5  # of the order flow imbalance
CHANGES = 30  # one-second changes of the mid in sigma
MARKS = 7
LOB_HEAD, TRADE_HEAD = 0, 1  # places in `State.marks`: events ever put into each ring


class State(NamedTuple):
    """Arrays of int64 alone; what lies at which place is the kernel's business.

    windows_ns: (w,) ascending. sums: (w, 6). tails: (2, w), the first event inside each window, per ring.
    lob_ring: (capacity, 4), time, e of the best level, e and |e| of five levels. trade_ring: (capacity, 2),
    time and signed size. previous: (20,), the best five tiers of the last Lob, bids then asks. changes:
    (30,), the one-second changes of twice the mid, in ticks. Capacities are powers of two.
    """

    windows_ns: Ints
    marks: Ints
    sums: Ints
    tails: Ints
    lob_ring: Ints
    trade_ring: Ints
    previous: Ints
    changes: Ints


def new_state(windows_ns: Sequence[int], capacity: int = RING) -> State:
    """The state of a symbol of which nothing is known. `capacity` is a power of two."""
    count = len(windows_ns)
    return State(
        windows_ns=np.array(windows_ns, np.int64),
        marks=np.zeros(MARKS, np.int64),
        sums=np.zeros((count, 6), np.int64),
        tails=np.zeros((2, count), np.int64),
        lob_ring=np.zeros((capacity, 4), np.int64),
        trade_ring=np.zeros((capacity, 2), np.int64),
        previous=np.zeros(4 * LEVELS, np.int64),
        changes=np.zeros(CHANGES, np.int64),
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
