"""Whether a new model is at least as good as the one that serves, on the same rows at equal coverage.

The one that serves was fitted on other data and predicts as served; the new one walks forward, each block
predicted by a fit on the blocks before it alone. What decides is the mean, over horizons and coverages, of
the hit rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from research.table import COVERAGES
from research.train import AUTO, rival_name
from services.model.manifest import Horizon

Row = Mapping[str, str | int | float | bool | None]  # `Score.plain`


class Contest(NamedTuple):
    """`rates` has, by horizon and selection, the hit rates (new, serving), 0 to 1."""

    rates: dict[str, tuple[float, float]]

    @property
    def means(self) -> tuple[float, float]:
        """Mean hit rates: new, serving."""
        new, old = np.array(list(self.rates.values())).mean(axis=0)
        return float(new), float(old)

    @property
    def is_passed(self) -> bool:
        """Whether the new model is not worse."""
        new, old = self.means
        return new >= old

    @property
    def sentence(self) -> str:
        """Both, in words."""
        new, old = self.means
        return (
            f"mean hit rate at equal coverage {100 * new:.2f} % walking forward, {100 * old:.2f} % by the "
            "model that serves, same rows"
        )


def contest(horizons: Sequence[Horizon], serving: str) -> Contest | None:
    """From the scores of a training with version `serving` as its rival; None where it had none.

    A horizon for which the model that serves has none is left out.
    """
    rates: dict[str, tuple[float, float]] = {}
    for row in horizons:
        for coverage in COVERAGES:
            selection = f"{100 * coverage:g} %"
            new = _hit_rate(row.scores, AUTO, selection)
            old = _hit_rate(row.scores, rival_name(serving), selection)
            if new is not None and old is not None:
                rates[f"{row.horizon_s} s, {selection}"] = (new, old)
    return Contest(rates) if rates else None


def _hit_rate(rows: Sequence[Row], name: str, selection: str) -> float | None:
    for row in rows:
        if row["name"] == name and row["selection"] == selection:
            rate = row["hit_rate"]
            return None if rate is None else float(rate)
    return None
