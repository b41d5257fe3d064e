"""What leaving across the spread costs beyond the fee: half a spread, and what walking the book takes.

Both are means over the first book of each second, so that time counts and not how often a book is told.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from services.features.flow.law import Ints
from shared.rounding import rounded
from shared.units import SECOND

ASKS = 40  # where the asks of a row begin
DEEP = 0.5  # the share of the books that must hold a size
SIZES_LOTS = tuple(digit * 10**power for power in range(9) for digit in (1, 2, 5))


def first_of_seconds(rows: Ints, row_ns: Ints) -> Ints:
    """The books, (m, 80), that were the first of their second."""
    seconds = row_ns // SECOND
    return np.asarray(rows[np.flatnonzero(np.diff(seconds, prepend=seconds[:1] - 1))])


def spread_ticks(rows: Ints) -> float:
    """The mean spread; NaN without books. rows: (n, 80)."""
    return int((rows[:, ASKS] - rows[:, 0]).sum()) / len(rows) if len(rows) else math.nan


class Walk(NamedTuple):
    """What a taker meets: before (n, 19), lots at the best price and so on, up to each next tier; steps (n,
    19), how many ticks farther that tier is; held (n,), lots in all tiers."""

    before: Ints
    steps: Ints
    held: Ints

    @classmethod
    def of(cls, rows: Ints, side: int) -> Walk:
        """Through books (n, 80) by one who buys (+1) or sells."""
        start = ASKS if side > 0 else 0
        prices, sizes = rows[:, start : start + ASKS : 2], rows[:, start + 1 : start + ASKS : 2]
        reached = np.cumsum(sizes, axis=1)
        return cls(reached[:, :-1].copy(), side * np.diff(prices, axis=1), reached[:, -1])

    def slippage_ticks(self, lots: int) -> float:
        """How many ticks beyond the best price `lots` cost on average; NaN where half of the books hold less.
        The mean over books that are deep enough."""
        is_deep = self.held >= lots
        deep = int(np.count_nonzero(is_deep))
        if not deep or deep < DEEP * len(self.held):
            return math.nan
        # What is not met before a tier pays its step. Tiers that are not there lie behind all that is held.
        paid = np.maximum(lots - self.before, 0) * self.steps
        return int(paid.sum(axis=1)[is_deep].sum()) / (deep * lots)

    def slippages(self) -> tuple[tuple[int, float], ...]:
        """(lots, ticks) for sizes of 1, 2 and 5 times powers of ten, as far as the books hold them."""
        found = []
        for lots in SIZES_LOTS:
            ticks = self.slippage_ticks(lots)
            if math.isnan(ticks):
                break
            found.append((lots, rounded(ticks)))
        return tuple(found)
