"""Probes: virtual orders rested each second at several depths of both sides, and what became of each.

They are rows of whole numbers in a ring; `queue.py` moves them on. Keys are prices times -side, so that for
both sides a lower key is nearer to the other side of the book and a taker who reaches a probe comes from
below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.features.flow.law import Ints
from shared.units import MS, SECOND

# Columns of a probe.
PLACED, SIDE, DEPTH, KEY = 0, 1, 2, 3  # when; +1 a bid, -1 an ask; which of the depths; price times -side
STATE = 4
ARRIVED_AT = 5  # the book's exchange time when it arrived
AHEAD, LEVEL = 6, 7  # lots in front of it; lots at its price in the last book
TRADED = 8  # at its price since the last book, told of after it
FILLED_EXCHANGE = 9  # the exchange time of the book or trade that filled it
BETTER, QUEUE = 10, 11  # lots displayed at better prices, and at its own, when it arrived
THROUGH = 12  # lots traded at better prices from its arrival to its fill
CANCELED = 13  # lots in front of it that were canceled
FILLED_AT = 14
AFTERWARD = 15  # twice the mid, times -side, one horizon after the fill
RECENT = 16  # books that trades may still be told of: the tape is up to 100 ms late, books come every 10
CREDITS = 16  # from here on, by book: lots it took off `AHEAD` before the trades that did it were told
COLUMNS = CREDITS + RECENT

# States. A probe is done when it is none of the first three.
PENDING, RESTING, FILLED = 0, 1, 2
EXPIRED, MARKED, REJECTED, VOID = 3, 4, 5, 6  # not filled; filled and marked; would have taken; a gap

TICKS = (0, 1, 2, 5, 10, 20)  # depths behind the best price of its side
RISK_AVERSE, LOGARITHMIC, LINEAR = 0, 1, 2  # where in the queue cancels happen

# Places in `Marks`.
HEAD, TAIL, NEXT_SECOND, HAS_BOOK, BOOK_EXCHANGE, BOOK_AT = 0, 1, 2, 3, 4, 5
BOOKS = 6  # seen so far; the place of one among the recent is its number modulo RECENT
BOOK_TIMES = 7  # from here on: the exchange times of the recent
MARKS = BOOK_TIMES + RECENT


class Setup(NamedTuple):
    """What is fixed. `cancels`: of a decrease by x that no trade explains, x (1 - pi) was in front of us, pi
    = f(B) / (f(B) + f(A)) with B behind and A in front; f is ln(1 + x) or x, and risk-averse is pi = 1."""

    latency_ns: int = 100 * MS
    lifetime_ns: int = 5 * SECOND
    horizon_ns: int = 5 * SECOND
    cancels: int = RISK_AVERSE

    @property
    def whole_ns(self) -> int:
        """From the placing of a probe until all is known of it."""
        return self.latency_ns + self.lifetime_ns + self.horizon_ns

    def packed(self) -> Ints:
        """For the kernel."""
        return np.array(self, np.int64)


class Probes(NamedTuple):
    """The state of one symbol. records: (capacity, COLUMNS), a ring; capacity is a power of two; depths: (2,
    d) ticks of bids, then of asks, negative for none; marks: (MARKS,); row: (80,), the last book."""

    records: Ints
    depths: Ints
    marks: Ints
    row: Ints


def new_probes(capacity: int, ticks: tuple[int, ...] = TICKS) -> Probes:
    """No probes yet. `capacity` is a power of two."""
    return Probes(
        np.zeros((capacity, COLUMNS), np.int64),
        np.array([ticks, ticks], np.int64),
        np.zeros(MARKS, np.int64),
        np.zeros(80, np.int64),
    )


def capacity_for(seconds: float, depths: int) -> int:
    """The least power of two that holds the probes of so many seconds."""
    return 1 << max(4, int(np.ceil(np.log2((seconds + 2.0) * 2 * depths))))


def between(probes: Probes, from_ns: int, until_ns: int) -> Ints:
    """The records placed at `from_ns` <= t < `until_ns`, (n, COLUMNS), in their order."""
    head, capacity = int(probes.marks[HEAD]), len(probes.records)
    rows = probes.records[np.arange(max(0, head - capacity), head) % capacity]
    return np.asarray(rows[(rows[:, PLACED] >= from_ns) & (rows[:, PLACED] < until_ns)])
