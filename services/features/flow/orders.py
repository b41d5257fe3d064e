"""Rows of the tape, and the taker orders they are parts of.

Rows of one side with the same transaction time are one order: sizes are summed, its price goes from that of
the first row to that of the last. Prices of sells are turned round, so that `up` is always the way the taker
pushes and every formula is written once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.features.flow.law import Ints

NO_HOLES: Ints = np.empty((0, 2), np.int64)


class Tape(NamedTuple):
    """(n,) each, ascending in time. `sides` are the takers', +1 for a buy. `holes_ms` (k, 2): from when until
    when trades are missing; that is not the same as no trade."""

    times_ms: Ints
    prices_ticks: Ints
    sizes_lots: Ints
    sides: Ints
    holes_ms: Ints = NO_HOLES


class Orders(NamedTuple):
    """Taker orders of one side, (n,) each; prices are times the side."""

    times_ms: Ints
    sizes_lots: Ints
    first_ticks: Ints
    last_ticks: Ints
    rows: Ints  # how many rows each was
    holes_ms: Ints = NO_HOLES  # of the tape
    tape_ms: tuple[int, int] | None = None  # the tape's first and last; None: those of the orders

    @property
    def shocks_ticks(self) -> Ints:
        """How far each order moved the price from its first row to its last, without sign."""
        return np.asarray(np.abs(self.last_ticks - self.first_ticks))

    def between(self, from_ms: int, until_ms: int) -> Orders:
        """Those at `from_ms` <= t < `until_ms`."""
        chosen = slice(*np.searchsorted(self.times_ms, (from_ms, until_ms)))
        return Orders(
            self.times_ms[chosen],
            self.sizes_lots[chosen],
            self.first_ticks[chosen],
            self.last_ticks[chosen],
            self.rows[chosen],
            self.holes_ms,
            None if self.tape_ms is None else (max(from_ms, self.tape_ms[0]), min(until_ms, self.tape_ms[1])),
        )

    @property
    def intervals_ms(self) -> Ints:
        """From each order to the next, those left out in which trades are missing."""
        after = np.searchsorted(self.times_ms, self.holes_ms[:, 0], "right")
        inside = after[(after > 0) & (after < len(self.times_ms))]
        return np.asarray(np.delete(np.diff(self.times_ms), np.unique(inside) - 1))

    @property
    def seen_ms(self) -> Ints:
        """The times, with the holes cut out."""
        lost = np.concatenate([[0], np.cumsum(self.holes_ms[:, 1] - self.holes_ms[:, 0])])
        return np.asarray(self.times_ms - lost[np.searchsorted(self.holes_ms[:, 1], self.times_ms, "right")])


def orders_of(tape: Tape, side: int) -> Orders:
    """The orders of takers who bought (+1) or sold (-1)."""
    chosen = tape.sides == side
    times, sizes = tape.times_ms[chosen], tape.sizes_lots[chosen]
    prices = tape.prices_ticks[chosen] * side
    tape_ms = (int(tape.times_ms[0]), int(tape.times_ms[-1])) if len(tape.times_ms) else None
    if not len(times):
        return Orders(times, sizes, prices, prices, times, tape.holes_ms, tape_ms)
    starts = np.flatnonzero(np.diff(times, prepend=times[0] - 1))
    ends = np.append(starts[1:], len(times)) - 1
    return Orders(
        times[starts],
        np.add.reduceat(sizes, starts),
        prices[starts],
        prices[ends],
        ends - starts + 1,
        tape.holes_ms,
        tape_ms,
    )
