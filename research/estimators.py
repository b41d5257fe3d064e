"""Scikit-learn parts of our own. They live in a module of this name because joblib files refer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from research.boosting import MirroredBoosting
from research.labels import Floats
from research.shrinkage import ShrunkRegression
from research.sigmas import SIGMAS, row_weights, scales

SPARSE = {"lasso": 1.0, "elastic-net": 0.5, "lasso-nonnegative": 1.0}  # the share of the penalty on |weight|
PRIORS = ("prior", "shrunk")  # of set `flow` only
LINEAR = ("linear", "ridge", *SPARSE, *PRIORS)
TREES = "boosting"
KINDS = (*LINEAR, TREES)
LASSO_ITERATIONS = 20_000

# The expected move goes with this power of sigma, and with that power of the slow sigma which makes them one
# together: so it is as large as the market is wild over ten minutes, but no larger in its wild half minutes,
# rather less. On recordings an imbalance is worth no more there: see docs/science.md.
SIGMA_POWER = dict.fromkeys(PRIORS, -0.5)


class SymmetricClip(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Clips each feature to plus and minus the largest absolute value seen in training.

    Symmetric about zero, so that a mirrored book still gives the mirrored prediction.
    """

    def fit(self, X: Floats, y: Floats | None = None) -> SymmetricClip:
        """X of shape (n, k)."""
        self.bound_ = np.abs(X).max(axis=0)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Floats) -> Floats:
        """The same shape, clipped."""
        return np.clip(X, -self.bound_, self.bound_)


class RootMeanSquareScaler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Divides each feature by its root mean square and never centers: a mean learned over an hour of one
    direction is that hour's drift."""

    def fit(self, X: Floats, y: Floats | None = None) -> RootMeanSquareScaler:
        """X of shape (n, k). A feature that is zero throughout is left as it is."""
        size = np.sqrt(np.mean(np.square(X), axis=0))
        self.scale_ = np.where(size > 0.0, size, 1.0)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Floats) -> Floats:
        """The same shape, scaled."""
        scaled: Floats = X / self.scale_
        return scaled


class VolatilityTarget(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Fits in units of sigma sqrt(h), so that one fit serves calm and wild hours, and multiplies back.

    The last columns of X are sigma and the slow sigma (quote currency per square root of a second, above
    zero); `regressor` sees the others only. With a `power` p other than one the expected move is
    slow^(1-p) sigma^p sqrt(h) times what the regressor says: it grows as prices do, whatever p. Errors still
    count in units of sigma, which are weights of the rows.
    """

    def __init__(self, regressor: Any, horizon_s: int, power: float = 1.0) -> None:
        self.regressor = regressor
        self.horizon_s = horizon_s
        self.power = power

    def fit(self, X: Floats, y: Floats) -> VolatilityTarget:
        """X of shape (n, k + 2), y of shape (n,) in quote currency."""
        weights = {}
        if self.power != 1.0:
            weights["regress__sample_weight"] = row_weights(X[:, -SIGMAS:], self.power)
        self.regressor_ = clone(self.regressor).fit(X[:, :-SIGMAS], y / self.scale(X), **weights)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Floats) -> Floats:
        """Expected change of the mid, shape (n,), quote currency."""
        predicted: Floats = self.regressor_.predict(X[:, :-SIGMAS]) * self.scale(X)
        return predicted

    def scale(self, X: Floats) -> Floats:
        """What the move of each row is divided by."""
        return scales(X[:, -SIGMAS:], self.horizon_s, self.power)


def preparation(is_scaled: bool) -> list[tuple[str, Any]]:
    """The steps before the regression: of set `flow` (scaled target) or of raw units."""
    if is_scaled:
        return [("clip", SymmetricClip()), ("scale", RootMeanSquareScaler())]
    return [("scale", StandardScaler())]


@dataclass(frozen=True)
class Believed:
    """What a kind of `PRIORS` is made of: see `research.prior` and `research.shrinkage`."""

    directions: tuple[float, ...]
    independent: float
    weight: float = 1.0


def estimator(
    kind: str,
    horizon_s: int,
    is_scaled: bool,
    alpha: float | None = None,
    believed: Believed | None = None,
) -> Any:
    """An unfitted model that predicts quote currency: X has shape (n, k), or (n, k + 2) with the sigmas last.

    `alpha` is the penalty, where the kind has one; `believed` is for `PRIORS`. Raises ValueError where what
    the kind needs is missing.
    """
    steps = preparation(is_scaled)
    regression: Any
    if kind == TREES:
        steps, regression = [], MirroredBoosting()
    elif kind in PRIORS:
        if believed is None or not is_scaled:
            raise ValueError(f"{kind} needs a prior and a scaled target")
        steps = steps[:1]  # weights are of the raw, bounded features
        regression = ShrunkRegression(
            believed.directions, believed.weight, 0.0 if alpha is None else alpha, believed.independent
        )
    elif kind == "linear":
        regression = LinearRegression(fit_intercept=not is_scaled)
    elif alpha is None:
        raise ValueError(f"{kind} needs a penalty")
    elif kind == "ridge":
        regression = Ridge(alpha=alpha, fit_intercept=not is_scaled)
    elif kind == "elastic-net":
        regression = ElasticNet(
            alpha=alpha, l1_ratio=SPARSE[kind], fit_intercept=not is_scaled, max_iter=LASSO_ITERATIONS
        )
    else:
        regression = Lasso(
            alpha=alpha,
            fit_intercept=not is_scaled,
            max_iter=LASSO_ITERATIONS,
            positive=kind == "lasso-nonnegative",
        )
    pipeline = Pipeline([*steps, ("regress", regression)])
    return VolatilityTarget(pipeline, horizon_s, SIGMA_POWER.get(kind, 1.0)) if is_scaled else pipeline
