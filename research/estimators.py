"""Scikit-learn parts of our own. They live in a module of this name because joblib files refer to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.linear_model import Lasso, LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from research.labels import Floats

KINDS = ("linear", "lasso")
LASSO_ITERATIONS = 20_000


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
    """Fits y / (sigma sqrt(h)) and multiplies back, so that one fit serves calm and wild hours.

    The last column of X is sigma (quote currency per square root of a second, above zero); `regressor` sees
    the others only.
    """

    def __init__(self, regressor: Any, horizon_s: int) -> None:
        self.regressor = regressor
        self.horizon_s = horizon_s

    def fit(self, X: Floats, y: Floats) -> VolatilityTarget:
        """X of shape (n, k + 1), y of shape (n,) in quote currency."""
        self.regressor_ = clone(self.regressor).fit(X[:, :-1], y / self.scale(X))
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Floats) -> Floats:
        """Expected change of the mid, shape (n,), quote currency."""
        predicted: Floats = self.regressor_.predict(X[:, :-1]) * self.scale(X)
        return predicted

    def scale(self, X: Floats) -> Floats:
        """sigma * sqrt(h) of each row."""
        scaled: Floats = X[:, -1] * np.sqrt(float(self.horizon_s))
        return scaled


def preparation(is_scaled: bool) -> list[tuple[str, Any]]:
    """The steps before the regression: of set `flow` (scaled target) or of raw units."""
    if is_scaled:
        return [("clip", SymmetricClip()), ("scale", RootMeanSquareScaler())]
    return [("scale", StandardScaler())]


def estimator(kind: str, horizon_s: int, is_scaled: bool, alpha: float | None = None) -> Any:
    """An unfitted model that predicts quote currency: X has shape (n, k), or (n, k + 1) with sigma last."""
    if kind == "linear":
        regression = LinearRegression(fit_intercept=not is_scaled)
    else:
        regression = Lasso(alpha=alpha, fit_intercept=not is_scaled, max_iter=LASSO_ITERATIONS)
    pipeline = Pipeline([*preparation(is_scaled), ("regress", regression)])
    return VolatilityTarget(pipeline, horizon_s) if is_scaled else pipeline
