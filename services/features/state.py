"""What the kernel remembers of the past of one symbol, and how its rings grow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

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
