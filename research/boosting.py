"""Histogram gradient boosting that knows that the market has a mirror. Trees are too slow to serve: they are
evaluated, and run as shadows."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor

from research.labels import Floats

SEED = 20240808


class MirroredBoosting(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Trees fitted on each row and on its mirror, (-x, -y), and asked on both: f(-x) = -f(x) exactly, so the
    drift of the training hour cannot be learned. For features that change sign with the sides of the market.
    """

    def __init__(
        self, rounds: int = 60, rate: float = 0.05, leaves: int = 8, leaf_share: float = 0.05
    ) -> None:
        self.rounds = rounds
        self.rate = rate
        self.leaves = leaves
        self.leaf_share = leaf_share

    def fit(self, X: Floats, y: Floats, sample_weight: Floats | None = None) -> MirroredBoosting:
        """X of shape (n, k), y and weights of shape (n,)."""
        trees = HistGradientBoostingRegressor(
            max_iter=self.rounds,
            learning_rate=self.rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=max(20, round(2 * len(y) * self.leaf_share)),
            early_stopping=False,
            random_state=SEED,
        )
        both = None if sample_weight is None else np.concatenate([sample_weight, sample_weight])
        self.trees_ = trees.fit(np.concatenate([X, -X]), np.concatenate([y, -y]), sample_weight=both)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Floats) -> Floats:
        """The scaled target, (n,)."""
        predicted: Floats = (self.trees_.predict(X) - self.trees_.predict(-X)) / 2.0
        return predicted
