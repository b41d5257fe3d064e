"""Is the predicted fill rate right? Predicted and realized by probe, and the prediction recalibrated.

All is fitted on the first half of the probes and judged on the second: Brier scores (mean squared error;
lower is better) of the prediction as it is, with law, replenishment and cancels of the first half;
recalibrated by isotonic regression; and of each depth's own share in the first half, which is what anything
cleverer must beat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.isotonic import IsotonicRegression

from services.features.flow import probe as p
from services.features.flow.law import Floats, Ints

FEWEST = 60  # probes in each half


class Calibration(NamedTuple):
    """Brier scores on `probes` that the calibration did not see."""

    probes: int
    realized: float
    predicted: float
    brier_predicted: float
    brier_recalibrated: float
    brier_depth_share: float


Foretell = Callable[[Ints, Ints], Floats]  # (probes known, probes): the chance of each of the latter


def calibration_of(records: Ints, foretell: Foretell, whole_ns: int) -> Calibration | None:
    """Of finished probes of one side in their order, each done `whole_ns` after it was placed. `foretell` is
    given those of the first half that are done before the second begins. None for too few."""
    middle = len(records) // 2
    if middle < FEWEST:
        return None
    first = records[:middle, p.PLACED] < records[middle, p.PLACED] - whole_ns
    chances = foretell(records[:middle][first], records)
    is_filled = (records[:, p.STATE] == p.MARKED).astype(np.float64)
    known, told = is_filled[:middle][first], chances[:middle][first]
    after, now = is_filled[middle:], chances[middle:]
    if len(known) < FEWEST or known.min() == known.max():
        return None
    fitted = IsotonicRegression(out_of_bounds="clip").fit(told, known)
    depths = records[:middle, p.DEPTH][first]
    shares = np.array([known[depths == each].mean() for each in range(int(records[:, p.DEPTH].max()) + 1)])
    return Calibration(
        len(after),
        float(after.mean()),
        float(now.mean()),
        _brier(now, after),
        _brier(fitted.predict(now), after),
        _brier(shares[records[middle:, p.DEPTH]], after),
    )


def _brier(chances: Floats, outcomes: Floats) -> float:
    return float(np.mean((chances - outcomes) ** 2))
