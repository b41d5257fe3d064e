"""Prior and fit mixed: yhat = w prior + (1 - w) fit, the fit a ridge regression through zero.

Penalty and w are chosen inside the training data by purged blocks. Among weights whose squared error on rows
held out is within one standard error of the least, the one nearest the prior is taken; with fewer blocks than
an interval needs to be reliable it is the prior alone. Minutes of data do not tell a fit from chance, hours
may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from research.blocks import RELIABLE_BLOCKS
from research.labels import Floats, Ints
from research.prior import slope
from research.splits import Split, edges

WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the prior, from the one that is taken without evidence
PENALTIES = (0.03, 0.3, 3.0)  # per row, beside features of mean square one
MIN_ROWS = 10  # of training and of test in a fold


class ShrunkRegression(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A linear model without intercept: `weight` parts prior, the rest ridge. `coef_` is (k,)."""

    def __init__(
        self, directions: Sequence[float], weight: float, penalty: float, independent: float
    ) -> None:
        self.directions = directions
        self.weight = weight
        self.penalty = penalty
        self.independent = independent

    def fit(self, X: Floats, y: Floats, sample_weight: Floats | None = None) -> ShrunkRegression:
        """X of shape (n, k), y and weights of shape (n,)."""
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        way = np.asarray(self.directions, dtype=np.float64)
        prior = slope(X @ way, y, weights, self.independent) * way
        fitted = ridge(X, y, weights, self.penalty) if self.weight < 1.0 else prior
        self.coef_ = self.weight * prior + (1.0 - self.weight) * fitted
        self.intercept_ = 0.0
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Floats) -> Floats:
        """The scaled target, (n,)."""
        predicted: Floats = X @ self.coef_
        return predicted


def ridge(X: Floats, y: Floats, weights: Floats, penalty: float) -> Floats:
    """Weights (k,) of a regression through zero; each feature is penalized as if its mean square were one."""
    size = np.average(np.square(X), axis=0, weights=weights)
    total = float(weights.sum())
    weighted = X * weights[:, None]
    system = X.T @ weighted + total * penalty * np.diag(np.where(size > 0.0, size, 1.0))
    solved: Floats = np.linalg.solve(system, weighted.T @ y).astype(np.float64, copy=False)
    return solved


class Chosen(NamedTuple):
    """The weight of the prior and the penalty of the rest."""

    weight: float
    penalty: float


def choose(
    X: Floats,
    target: Floats,
    weights: Floats,
    recv_ns: Ints,
    splits: Iterable[Split],
    directions: Floats,
    independent: float,
    block_ns: int,
) -> Chosen:
    """Weight and penalty by the squared error on rows held out, in blocks of `block_ns`. X of shape (n, k),
    the rest (n,). The prior alone where fewer than 30 blocks are tested."""
    tested = np.zeros(len(target), dtype=np.bool_)
    prior, fits = np.zeros(len(target)), np.zeros((len(PENALTIES), len(target)))
    for training, test in splits:
        if training.sum() < MIN_ROWS or test.sum() < MIN_ROWS:
            continue
        tested |= test
        part = X[training], target[training], weights[training]
        share = independent * float(training.mean())
        prior[test] = slope(part[0] @ directions, part[1], part[2], share) * (X[test] @ directions)
        for row, penalty in enumerate(PENALTIES):
            fits[row, test] = X[test] @ ridge(*part, penalty)
    starts = edges(recv_ns[tested], block_ns) if tested.any() else np.empty(0, np.int64)
    if len(starts) < RELIABLE_BLOCKS:
        return Chosen(WEIGHTS[0], PENALTIES[-1])
    losses: dict[Chosen, Floats] = {}
    for weight in WEIGHTS:
        for row in reversed(range(len(PENALTIES))):
            mixed = weight * prior[tested] + (1.0 - weight) * fits[row, tested]
            loss = weights[tested] * np.square(target[tested] - mixed)
            losses[Chosen(weight, PENALTIES[row])] = np.add.reduceat(loss, starts)
    return nearest_prior(losses)


def nearest_prior(losses: Mapping[Chosen, Floats]) -> Chosen:
    """The mixture nearest the prior whose losses, (b,) by block, are within a standard error of the least."""
    least = min(losses, key=lambda one: losses[one].sum())
    for weight in WEIGHTS:
        mine = min((one for one in losses if one.weight == weight), key=lambda one: losses[one].sum())
        more = losses[mine] - losses[least]
        if more.sum() <= np.sqrt(len(more)) * more.std(ddof=1):
            return mine
    return least
