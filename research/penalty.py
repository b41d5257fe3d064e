"""Penalties by blocked, purged cross-validation. For the sparse kinds the largest penalty of the grid keeps
no feature; where it wins, the data give no reason to predict anything."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.linear_model import enet_path
from sklearn.pipeline import Pipeline

from research.estimators import LASSO_ITERATIONS, SPARSE, preparation
from research.labels import Floats
from research.shrinkage import ridge
from research.splits import Split

GRID_SIZE = 20
GRID_RATIO = 1e-2  # smallest over largest penalty
RIDGE_GRID = np.geomspace(100.0, 1e-3, 11)  # per row
MIN_ROWS = 10  # of training and of test in a fold


def choose(
    X: Floats,
    target: Floats,
    splits: Iterable[Split],
    is_scaled: bool,
    kind: str = "lasso",
    weights: Floats | None = None,
) -> float | None:
    """The penalty with the least squared error on rows held out; of a sparse kind None where that is the
    empty model, of `ridge` the largest where no fold has rows enough.

    X of shape (n, k) without sigma, `target` of shape (n,): already divided by sigma sqrt(h) for set `flow`.
    Each fold has preparation of its own. Ties go to the larger penalty. `weights` of the rows, (n,), are for
    scaled targets.
    """
    is_sparse = kind in SPARSE
    if is_sparse:
        largest = _largest(X, target, is_scaled, kind, weights)
        if largest <= 0.0:
            return None
        grid = largest * np.geomspace(1.0, GRID_RATIO, GRID_SIZE)
    else:
        grid = RIDGE_GRID
    errors = np.zeros(len(grid))
    folds = 0
    for training, test in splits:
        if training.sum() < MIN_ROWS or test.sum() < MIN_ROWS:
            continue
        folds += 1
        part = None if weights is None else weights[training] / weights[training].mean()
        steps = _prepared(X[training], is_scaled, part)
        center = 0.0 if is_scaled else float(target[training].mean())
        prepared, centered = _weighed(steps.transform(X[training]), target[training] - center, part)
        found = sparse(prepared, centered, grid, kind) if is_sparse else ridges(prepared, centered, grid)
        residuals = target[test][:, None] - center - steps.transform(X[test]) @ found
        squares = np.square(residuals)
        errors += (squares if weights is None else squares * weights[test][:, None]).sum(axis=0)
    best = int(np.argmin(errors)) if folds else 0
    if not is_sparse:
        return float(grid[best]) * len(target)
    return float(grid[best]) if best > 0 else None


def sparse(X: Floats, y: Floats, grid: Floats, kind: str) -> Floats:
    """Weights (k, g) along the grid."""
    _, weights, _ = enet_path(
        X,
        y,
        l1_ratio=SPARSE[kind],
        alphas=grid,
        max_iter=LASSO_ITERATIONS,
        positive=kind == "lasso-nonnegative",
    )
    found: Floats = weights
    return found


def ridges(X: Floats, y: Floats, grid: Floats) -> Floats:
    """The same of ridge regression."""
    rows = np.ones(len(y))
    return np.stack([ridge(X, y, rows, float(penalty)) for penalty in grid], axis=1)


def _prepared(X: Floats, is_scaled: bool, weights: Floats | None) -> Pipeline:
    """The steps before the regression, fitted."""
    asked = {} if weights is None else {"scale__sample_weight": weights}
    return Pipeline(preparation(is_scaled)).fit(X, **asked)


def _weighed(X: Floats, y: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """X and y whose squared errors count as the rows weigh."""
    if weights is None:
        return X, y
    roots = np.sqrt(weights)
    return X * roots[:, None], y * roots


def _largest(X: Floats, target: Floats, is_scaled: bool, kind: str, weights: Floats | None) -> float:
    """The smallest penalty under which every weight is zero."""
    steps = _prepared(X, is_scaled, weights)
    centered = target if is_scaled else target - target.mean()
    prepared, centered = _weighed(steps.transform(X), centered, weights)
    pull = prepared.T @ centered
    most = pull.max() if kind == "lasso-nonnegative" else np.abs(pull).max()
    return float(most) / (len(target) * SPARSE[kind])
