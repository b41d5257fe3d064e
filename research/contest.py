"""Whether a new model is at least as good as the one that serves, on the same rows at equal coverage.

The one that serves was fitted on other data and predicts as served; the new one walks forward, each block
predicted by a fit on the blocks before it alone: a handicap, as what would serve is fitted on all of them.
Compared are the means, over horizons and coverages, of the hit rates. The new one is worse where it falls
short by more than one standard error, that of one such hit rate with labels that overlap; two models that
agree on most rows differ by less than that from chance alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from research.table import COVERAGES
from research.train import rival_name
from research.walk import AUTO
from services.model.manifest import Horizon

Row = Mapping[str, str | int | float | bool | None]  # `Score.plain`


Z = 1.96  # standard errors in half of a 95 % interval


class Pair(NamedTuple):
    """Hit rates of one horizon and selection, 0 to 1, and the standard error of the new one's."""

    new: float
    serving: float
    error: float


class Contest(NamedTuple):
    """By horizon and selection, such as `5 s, 20 %`."""

    pairs: dict[str, Pair]

    @property
    def means(self) -> Pair:
        """The means of all three."""
        new, serving, error = np.array(list(self.pairs.values())).mean(axis=0).tolist()
        return Pair(new, serving, error)

    @property
    def is_passed(self) -> bool:
        """Whether the new model is not worse."""
        new, serving, error = self.means
        return new >= serving - error

    @property
    def sentence(self) -> str:
        """Both, in words."""
        new, serving, error = self.means
        return (
            f"mean hit rate at equal coverage {100 * new:.2f} % walking forward, {100 * serving:.2f} % by "
            f"the model that serves, standard error {100 * error:.2f}"
        )


def contest(horizons: Sequence[Horizon], serving: str) -> Contest | None:
    """From the scores of a training with version `serving` as its rival; None where it had none.

    A horizon for which the model that serves has none is left out.
    """
    pairs: dict[str, Pair] = {}
    for row in horizons:
        for coverage in COVERAGES:
            selection = f"{100 * coverage:g} %"
            new = _span(row.scores, AUTO, selection)
            old = _span(row.scores, rival_name(serving), selection)
            if new is not None and old is not None:
                low, rate, high = new
                pairs[f"{row.horizon_s} s, {selection}"] = Pair(rate, old[1], (high - low) / (2.0 * Z))
    return Contest(pairs) if pairs else None


def _span(rows: Sequence[Row], name: str, selection: str) -> tuple[float, float, float] | None:
    """Low end, hit rate and high end of one row of the table."""
    for row in rows:
        if row["name"] == name and row["selection"] == selection:
            low, rate, high = (row[key] for key in ("low", "hit_rate", "high"))
            return (
                None
                if low is None or rate is None or high is None
                else (float(low), float(rate), float(high))
            )
    return None
