"""Rows of the tape, and the taker orders they are parts of.

Rows of one side with the same transaction time are one order: sizes are summed, its price goes from that of
the first row to that of the last. Prices of sells are turned round, so that `up` is always the way the taker
pushes and every formula is written once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.features.flow.law import Ints


class Tape(NamedTuple):
    """(n,) each, ascending in time. `sides` are the takers', +1 for a buy."""

    times_ms: Ints
    prices_ticks: Ints
    sizes_lots: Ints
    sides: Ints


class Orders(NamedTuple):
    """Taker orders of one side, (n,) each; prices are times the side."""

    times_ms: Ints
    sizes_lots: Ints
    first_ticks: Ints
    last_ticks: Ints
    rows: Ints  # how many rows each was

    @property
    def shocks_ticks(self) -> Ints:
        """How far each order moved the price from its first row to its last, without sign."""
        return np.asarray(np.abs(self.last_ticks - self.first_ticks))

    def between(self, from_ms: int, until_ms: int) -> Orders:
        """Those at `from_ms` <= t < `until_ms`."""
        left, right = np.searchsorted(self.times_ms, (from_ms, until_ms))
        return Orders(*(column[left:right] for column in self))


def orders_of(tape: Tape, side: int) -> Orders:
    """The orders of takers who bought (+1) or sold (-1)."""
    chosen = tape.sides == side
    times, sizes = tape.times_ms[chosen], tape.sizes_lots[chosen]
    prices = tape.prices_ticks[chosen] * side
    if not len(times):
        return Orders(times, sizes, prices, prices, times)
    starts = np.flatnonzero(np.diff(times, prepend=times[0] - 1))
    ends = np.append(starts[1:], len(times)) - 1
    return Orders(
        times[starts], np.add.reduceat(sizes, starts), prices[starts], prices[ends], ends - starts + 1
    )
