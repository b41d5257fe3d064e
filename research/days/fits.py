"""Models fitted on compressed rows: scikit-learn's own solvers on triangles, put into the pipelines that fits
on all rows would give.

A triangle has few rows, m, in place of n. Sums of squares are the same, so least squares and ridge are;
solvers that minimize a mean over rows (LASSO and its kin) are given the penalty times n / m. Penalties are
chosen as in `research.penalty` and `research.shrinkage`, except that rows held out are not clipped to the
range of the training rows, and that losses are told apart by unit of time, not by blocks of half a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from research import penalty, prior, shrinkage
from research.blocks import RELIABLE_BLOCKS
from research.days.evidence import Evidence, Fold, varying, without_few
from research.days.units import Part
from research.estimators import PRIORS, SIGMA_POWER, SPARSE, Believed, estimator
from research.labels import Flags, Floats
from research.sigmas import SIGMAS
from research.walk import AUTO, SERVING
from shared.errors import BadInput


class Fit(NamedTuple):
    """One horizon's model; `model` is None where a sparse kind keeps no feature."""

    kind: str
    model: Any  # as `research.estimators.estimator` makes it, for the features of `used` and sigmas
    used: Flags  # (k,): the features that vary in the training rows
    alpha: float | None
    prior_weight: float | None
    rows: int  # fitted on

    def predict(self, X: Floats, sigmas: Floats | None) -> Floats:
        """Expected moves, (n,), quote currency; 0 (no signal) where there is no model. X of shape (n, k),
        sigmas of shape (n, 2)."""
        if self.model is None or len(X) == 0:
            return np.zeros(len(X))
        chosen = X[:, self.used]
        moves: Floats = self.model.predict(chosen if sigmas is None else np.column_stack([chosen, sigmas]))
        return moves


def serving(
    model: str,
    evidence: Evidence,
    names: Sequence[str],
    feature_set: str,
    is_scaled: bool,
    horizon_s: int,
    step_s: float,
) -> Fit:
    """What serves where `model` is asked for: that kind, or for `auto` the first with a model."""
    kinds = SERVING[feature_set] if model == AUTO else (model,)
    found = fit(kinds[0], evidence, names, is_scaled, horizon_s, step_s)
    for kind in kinds[1:]:
        if found.model is None:
            found = fit(kind, evidence, names, is_scaled, horizon_s, step_s)
    return found


class _Table(NamedTuple):
    """A triangle, ready for a solver: sums over its rows are sums over all rows."""

    X: Floats  # (m, k), scaled
    y: Floats  # (m,)
    scale: Floats  # (k,), what each feature was divided by
    mean: Floats  # (k,), what was subtracted before: 0 where the target is scaled
    center: float  # of y


def fit(
    kind: str, evidence: Evidence, names: Sequence[str], is_scaled: bool, horizon_s: int, step_s: float
) -> Fit:
    """Fit one linear kind on everything in `evidence`; `names` are those of its features, `step_s` is the
    time between two rows. Raises BadInput where no feature varies."""
    rows = evidence.everything
    used = varying(rows)
    if not used.any():
        raise BadInput("every feature is constant in the rows to fit on")
    if kind in PRIORS:
        chosen = [name for name, is_used in zip(names, used, strict=True) if is_used]
        return _believed(kind, evidence, used, prior.directions(chosen), horizon_s, step_s)
    table = _table(rows, 1.0, used, is_scaled)
    alpha = None
    if kind == "ridge" or kind in SPARSE:
        alpha = _penalty(kind, evidence.folds, table, used, is_scaled, rows.rows)
        if alpha is None:
            return Fit(kind, None, used, None, None, rows.rows)
    solver = estimator(kind, horizon_s, is_scaled, alpha)
    regression = clone((solver.regressor if is_scaled else solver)["regress"])
    told = {"alpha": alpha} if alpha is not None else {}
    share = rows.rows / len(table.y) if kind in SPARSE else 1.0
    regression.set_params(fit_intercept=False, **{name: value * share for name, value in told.items()})
    regression.fit(table.X, table.y).set_params(fit_intercept=not is_scaled, **told)
    regression.intercept_ = table.center
    model = _assembled(solver, regression, table, rows, used, is_scaled)
    kept = bool(np.count_nonzero(regression.coef_))
    return Fit(kind, model if kept else None, used, alpha, None, rows.rows)


def _table(rows: Part, power: float, used: Flags, is_scaled: bool) -> _Table:
    triangle = rows.triangles[power]
    if is_scaled:
        X, y, mean, center = triangle[:, :-1], triangle[:, -1], np.zeros(used.sum()), 0.0
    else:
        means = triangle[0, 1:] / triangle[0, 0]
        X, y, mean, center = triangle[1:, 1:-1], triangle[1:, -1], means[:-1][used], float(means[-1])
    X = X[:, used]
    size = np.sqrt(np.square(X).sum(axis=0) / rows.rows)
    scale = np.where(size > 0.0, size, 1.0)
    return _Table(X / scale, y, scale, mean, center)


def _penalty(
    kind: str, folds: Sequence[Fold], table: _Table, used: Flags, is_scaled: bool, rows: int
) -> float | None:
    """As `penalty.choose`."""
    is_sparse = kind in SPARSE
    grid: Floats = penalty.RIDGE_GRID
    if is_sparse:
        pull = table.X.T @ table.y
        most = pull.max() if kind == "lasso-nonnegative" else np.abs(pull).max()
        if most <= 0.0:
            return None
        grid = most / (rows * SPARSE[kind]) * np.geomspace(1.0, penalty.GRID_RATIO, penalty.GRID_SIZE)
    errors = np.zeros(len(grid))
    usable = without_few(folds, penalty.MIN_ROWS)
    for fold in usable:
        part = _table(fold.training, 1.0, used, is_scaled)
        share = fold.training.rows / len(part.y)
        if is_sparse:
            weights = penalty.sparse(part.X, part.y, grid * share, kind)
        else:
            weights = penalty.ridges(part.X, part.y, grid)
        errors += sum(_losses(one, 1.0, used, part, weights, is_scaled) for one in fold.held_out)
    best = int(np.argmin(errors)) if usable else 0
    if not is_sparse:
        return float(grid[best]) * rows
    return float(grid[best]) if best > 0 else None


def _losses(
    rows: Part, power: float, used: Flags, fitted: _Table, weights: Floats, is_scaled: bool
) -> Floats:
    """Squared errors, summed over `rows`, of each column of `weights`, (k, g), found on `fitted`: (g,)."""
    bare = weights / fitted.scale[:, None]
    triangle = rows.triangles[power]
    features = triangle[:, :-1] if is_scaled else triangle[:, 1:-1]
    residuals = triangle[:, -1:] - features[:, used] @ bare
    if not is_scaled:
        residuals = residuals - triangle[:, :1] * (fitted.center - fitted.mean @ bare)
    summed: Floats = np.square(residuals).sum(axis=0)
    return summed


def _assembled(solver: Any, regression: Any, table: _Table, rows: Part, used: Flags, is_scaled: bool) -> Any:
    """`solver` as if fitted on all rows, with `regression` as its last step."""
    pipeline = clone(solver.regressor) if is_scaled else solver
    width = int(used.sum())
    for name, step in pipeline.steps[:-1]:
        step.n_features_in_ = width
        if name == "clip":
            step.bound_ = np.maximum(np.abs(rows.low), np.abs(rows.high))[used]
            continue
        step.scale_ = table.scale
        if not is_scaled:
            step.mean_, step.var_ = table.mean, np.square(table.scale)
            step.n_samples_seen_ = rows.rows
    regression.n_features_in_ = width
    pipeline.steps[-1] = ("regress", regression)
    if not is_scaled:
        return pipeline
    solver.regressor_ = pipeline
    solver.n_features_in_ = width + SIGMAS
    return solver


def _believed(
    kind: str, evidence: Evidence, used: Flags, directions: Floats, horizon_s: int, step_s: float
) -> Fit:
    """The prior alone, or mixed with a fit as far as units held out ask for it."""
    rows, power = evidence.everything, SIGMA_POWER[kind]
    independent = rows.rows * min(1.0, step_s / horizon_s)
    chosen = shrinkage.Chosen(1.0, 0.0)
    if kind == "shrunk":
        chosen = _mixture(evidence, power, used, directions, independent)
    believed = Believed(tuple(directions.tolist()), independent, chosen.weight)
    alpha = chosen.penalty if chosen.weight < 1.0 else None
    solver = estimator(kind, horizon_s, True, alpha, believed)
    table = _table(rows, power, used, True)
    regression = clone(solver.regressor["regress"]).fit(table.X * table.scale, table.y)
    model = _assembled(solver, regression, table, rows, used, True)
    kept = bool(np.count_nonzero(regression.coef_))
    return Fit(kind, model if kept else None, used, alpha, chosen.weight, rows.rows)


def _mixture(
    evidence: Evidence, power: float, used: Flags, directions: Floats, independent: float
) -> shrinkage.Chosen:
    """As `shrinkage.choose`, with a loss for each unit held out."""
    mixtures = [
        shrinkage.Chosen(weight, ridge)
        for weight in shrinkage.WEIGHTS
        for ridge in reversed(shrinkage.PENALTIES)
    ]
    found: list[Floats] = []
    for fold in without_few(evidence.folds, shrinkage.MIN_ROWS):
        part = _table(fold.training, power, used, True)
        X, ones = part.X * part.scale, np.ones(len(part.y))
        share = independent * fold.training.rows / evidence.everything.rows
        believed = prior.slope(X @ directions, part.y, ones, share) * directions
        ridges = {ridge: shrinkage.ridge(X, part.y, ones, ridge) for ridge in shrinkage.PENALTIES}
        weights = np.stack(
            [one.weight * believed + (1.0 - one.weight) * ridges[one.penalty] for one in mixtures], axis=1
        )
        scaled = weights * part.scale[:, None]
        found += [_losses(unit, power, used, part, scaled, True) for unit in fold.held_out if unit.rows]
    if len(found) < RELIABLE_BLOCKS:
        return shrinkage.Chosen(shrinkage.WEIGHTS[0], shrinkage.PENALTIES[-1])
    return shrinkage.nearest_prior(dict(zip(mixtures, np.array(found).T, strict=True)))
