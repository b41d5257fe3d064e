"""The rows with the largest |signal|, of any number, day by day: two passes and a few thousand counters.

The absolute value of a double, read as an integer, keeps its order. A first pass counts by the leading bits,
a second the single values in the one bin where the cut falls. Rows that tie at the cut are drawn without
favor of any day, by a fixed seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from research.blocks import SEED
from research.labels import Flags, Floats, Ints

SHIFT = 46  # bits that the first pass leaves out: 2^17 bins, each at most 1.6 % of its value wide


class Ranking:
    """Counts |signal|; every day is shown twice: `count` for all, then, after `cut`, `refine` for all."""

    def __init__(self) -> None:
        self._bins: Ints = np.zeros(1 << (63 - SHIFT), np.int64)
        self.rows = 0
        self._cuts: list[_Cut] = []

    def count(self, signal: Floats) -> None:
        """First pass; (n,), finite."""
        self.rows += len(signal)
        self._bins += np.bincount(_bits(signal) >> SHIFT, minlength=len(self._bins))

    def cut(self, coverages: Sequence[float]) -> None:
        """Between the passes: which shares of the rows are wanted."""
        above = np.cumsum(self._bins[::-1])  # rows in this bin and all higher ones
        for coverage in coverages:
            wanted = round(self.rows * coverage)
            place = int(np.searchsorted(above, wanted, "left")) if wanted else -1
            bin_ = len(self._bins) - 1 - place
            self._cuts.append(_Cut(wanted, bin_, wanted - (int(above[place - 1]) if place > 0 else 0)))

    def refine(self, signal: Floats) -> None:
        """Second pass."""
        bits = _bits(signal)
        for cut in self._cuts:
            values, counts = np.unique(bits[bits >> SHIFT == cut.bin], return_counts=True)
            for value, count in zip(values.tolist(), counts.tolist(), strict=True):
                cut.seen[value] = cut.seen.get(value, 0) + count

    def selectors(self) -> list[Selector]:
        """One for each coverage."""
        return [cut.selector() for cut in self._cuts]


class _Cut:
    def __init__(self, wanted: int, bin_: int, inside: int) -> None:
        self.wanted = wanted  # rows
        self.bin = bin_
        self.inside = inside  # of them in this bin
        self.seen: dict[int, int] = {}  # rows by value in this bin

    def selector(self) -> Selector:
        left = self.inside
        if self.wanted == 0:
            return Selector((1 << 63) - 1, 0, 0)
        for value in sorted(self.seen, reverse=True):
            if left <= self.seen[value]:
                return Selector(value, left, self.seen[value])
            left -= self.seen[value]
        raise ValueError("the second pass did not see what the first one counted")


class Selector:
    """Selects rows, day by day: all above the cut, and as many at it as are still wanted."""

    def __init__(self, cut: int, wanted: int, tied: int) -> None:
        self._cut, self._wanted, self._tied = cut, wanted, tied
        self._draw = np.random.default_rng(SEED)

    def select(self, signal: Floats) -> Flags:
        """The next day's rows, (n,). A signal of 0 is none, and is never selected."""
        bits = _bits(signal)
        chosen: Flags = bits > self._cut
        ties = np.flatnonzero(bits == self._cut)
        if len(ties) and self._wanted:
            taken = int(self._draw.hypergeometric(self._wanted, self._tied - self._wanted, len(ties)))
            chosen[self._draw.permutation(ties)[:taken]] = True
            self._wanted -= taken
        self._tied -= len(ties)
        chosen &= signal != 0.0
        return chosen


def _bits(signal: Floats) -> Ints:
    return np.abs(signal).view(np.int64)
