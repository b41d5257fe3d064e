"""Boosted trees on a bounded sample of rows: they have no few numbers to be fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from research.days.fits import Fit
from research.estimators import TREES, estimator
from research.labels import Floats
from shared.errors import BadInput


def fit_trees(rows: Floats, names: Sequence[str], is_scaled: bool, horizon_s: int) -> Fit:
    """`rows` of shape (n, k + 3): the features `names`, the sigmas, the label in quote currency. Raises
    BadInput in raw units, whose features have no mirror."""
    if not is_scaled:
        raise BadInput(f"{TREES} is of feature set flow")
    used = np.ptp(rows[:, : len(names)], axis=0) > 0.0
    X = rows[:, [*np.flatnonzero(used).tolist(), *range(len(names), rows.shape[1] - 1)]]
    model = estimator(TREES, horizon_s, is_scaled).fit(X, rows[:, -1])
    return Fit(TREES, model, used, None, None, len(rows))
