"""Whether a model that was fitted anew takes the place of the one that serves. Pure.

Both predict the newest quarter of the data, which neither was fitted on, as they would serve. The new one
must be better by more than a standard error of the paired difference, in the mean over horizons and
coverages: each change of the version begins the gate's evidence anew, so there must be a reason for one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.comparison import Comparison


class Contest(NamedTuple):
    """The mean paired difference of hit rates, its standard error, and the fewest blocks it rests on."""

    difference: float
    error: float
    blocks: int
    is_reliable: bool

    @property
    def is_won(self) -> bool:
        """Whether the new version is to serve."""
        return self.is_reliable and self.difference > self.error

    @property
    def sentence(self) -> str:
        """In words."""
        return (
            f"hit rate at equal coverage {100 * self.difference:+.2f} points against the one that serves, "
            f"standard error {100 * self.error:.2f}, on {self.blocks} blocks that neither was fitted on"
            + ("" if self.is_reliable else ", too few")
        )


def contest(found: Comparison, fresh: str, serving: str) -> Contest | None:
    """Of version `fresh` against `serving`; None where they share no horizon."""
    pairs = [row for row in found.pairs if (row.name, row.against) == (fresh, serving)]
    pairs = [row for row in pairs if np.isfinite([row.difference, row.error]).all()]
    if not pairs:
        return None
    return Contest(
        difference=float(np.mean([row.difference for row in pairs])),
        error=float(np.mean([row.error for row in pairs])),  # they overlap: no less than one of them
        blocks=min(row.blocks for row in pairs),
        is_reliable=all(row.is_reliable for row in pairs),
    )
