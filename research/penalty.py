"""LASSO's penalty by blocked, purged cross-validation. The largest penalty of the grid keeps no feature;
where it wins, the data give no reason to predict anything."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.linear_model import lasso_path
from sklearn.pipeline import Pipeline

from research.estimators import LASSO_ITERATIONS, preparation
from research.labels import Floats
from research.splits import Split

GRID_SIZE = 20
GRID_RATIO = 1e-2  # smallest over largest penalty
MIN_ROWS = 10  # of training and of test in a fold


def choose(X: Floats, target: Floats, splits: Iterable[Split], is_scaled: bool) -> float | None:
    """The penalty with the least squared error on rows held out, or None where that is the empty model.

    X of shape (n, k) without sigma, `target` of shape (n,): already divided by sigma sqrt(h) for set `flow`.
    Each fold has preparation of its own. Ties go to the larger penalty.
    """
    largest = _largest(X, target, is_scaled)
    if largest <= 0.0:
        return None
    grid = largest * np.geomspace(1.0, GRID_RATIO, GRID_SIZE)
    errors = np.zeros(GRID_SIZE)
    folds = 0
    for training, test in splits:
        if training.sum() < MIN_ROWS or test.sum() < MIN_ROWS:
            continue
        folds += 1
        steps = Pipeline(preparation(is_scaled)).fit(X[training])
        center = 0.0 if is_scaled else float(target[training].mean())
        _, weights, _ = lasso_path(
            steps.transform(X[training]), target[training] - center, alphas=grid, max_iter=LASSO_ITERATIONS
        )
        residuals = target[test][:, None] - center - steps.transform(X[test]) @ weights
        errors += np.square(residuals).sum(axis=0)
    if folds == 0:
        return None
    best = int(np.argmin(errors))
    return float(grid[best]) if best > 0 else None


def _largest(X: Floats, target: Floats, is_scaled: bool) -> float:
    """The smallest penalty under which every weight is zero."""
    prepared = Pipeline(preparation(is_scaled)).fit_transform(X)
    centered = target if is_scaled else target - target.mean()
    return float(np.abs(prepared.T @ centered).max() / len(target))
