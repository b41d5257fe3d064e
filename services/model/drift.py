"""How far a version's features, and what its predictions leave over, lie from their distribution in training:
the population stability index of the newest rows. Pure.

Rules of thumb: below 0.1 nothing, 0.1 to 0.25 look at it, above the model sees another market. With 600 rows
in 10 bins chance alone gives about 0.015.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from math import isfinite, log

from services.model.manifest import Reference

ROWS = 3600  # the newest so many count
FEWEST = 300  # below, nothing is said
LEAST_SHARE = 1e-4  # of a bin: an empty one would make the index infinite


def psi(expected: Sequence[float], counts: Sequence[int]) -> float:
    """Sum over the bins of (a - e) ln(a / e): `expected` are shares, `counts` make up the other ones.

    >>> psi([0.5, 0.5], [50, 50])
    0.0
    """
    rows = sum(counts)
    total = 0.0
    for share, count in zip(expected, counts, strict=True):
        e, a = max(share, LEAST_SHARE), max(count / rows, LEAST_SHARE)
        total += (a - e) * log(a / e)
    return total


class Histogram:
    """The newest rows of one quantity beside its reference."""

    def __init__(self, reference: Reference, rows: int = ROWS) -> None:
        self.reference = reference
        self._counts = [0] * len(reference.shares)
        self._bins: deque[int] = deque()
        self._rows = rows

    def add(self, value: float) -> None:
        """Count one value; the oldest drops out. What is not finite is no value."""
        if not isfinite(value):
            return
        place = bisect_right(self.reference.edges, value)
        self._bins.append(place)
        self._counts[place] += 1
        if len(self._bins) > self._rows:
            self._counts[self._bins.popleft()] -= 1

    @property
    def rows(self) -> int:
        """How many are counted."""
        return len(self._bins)

    @property
    def psi(self) -> float | None:
        """The index; None below `FEWEST` rows."""
        return psi(self.reference.shares, self._counts) if self.rows >= FEWEST else None


class Drifts:
    """The histograms of one version, by the name of its reference."""

    def __init__(self, references: Sequence[Reference]) -> None:
        self._histograms = {one.name: Histogram(one) for one in references}

    def add(self, values: Mapping[str, float]) -> None:
        """Count what is known of one row."""
        for name, value in values.items():
            histogram = self._histograms.get(name)
            if histogram is not None:
                histogram.add(value)

    def indices(self) -> list[tuple[str, float, int]]:
        """Name, index and rows of each that has enough of them."""
        found = ((name, one.psi, one.rows) for name, one in self._histograms.items())
        return [(name, index, rows) for name, index, rows in found if index is not None]
