"""What rows weigh where several symbols are fitted together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.labels import Floats, Ints


class Pool(NamedTuple):
    """Whose each of the rows is."""

    owners: Ints  # (n,), the number of each row's symbol
    grid_ns: int  # step of the grid of time that all symbols have their rows on

    def weights(self, uneven: Floats | None = None) -> Floats:
        """(n,), under which each symbol that has rows counts as much as another. `uneven`, (n,), is what the
        rows weigh besides, to be multiplied with.

        >>> Pool(np.array([0, 0, 0, 2]), 1).weights().round(3).tolist()
        [0.667, 0.667, 0.667, 2.0]
        """
        counts = np.bincount(self.owners)
        share = len(self.owners) / np.count_nonzero(counts)
        totals = counts if uneven is None else np.bincount(self.owners, weights=uneven)
        weights: Floats = share / totals[self.owners]
        return weights

    def step_ns(self, recv_ns: Ints) -> int:
        """The median time from a row to the next of its symbol.

        >>> Pool(np.array([0, 1, 0, 1, 0]), 10).step_ns(np.array([3, 9, 13, 20, 23]))
        10
        """
        steps = [np.diff(recv_ns[self.owners == owner]) for owner in np.unique(self.owners)]
        found = np.concatenate(steps)
        return int(np.median(found)) if len(found) else self.grid_ns

    def times(self, recv_ns: Ints) -> int:
        """At how many points of the grid there is a row: rows lie less than a step before theirs.

        >>> Pool(np.array([0, 1, 0, 1]), 10).times(np.array([3, 9, 20, 21]))
        3
        """
        return len(np.unique(-(-recv_ns // self.grid_ns)))
