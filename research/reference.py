"""How a model's features and residuals were distributed in training, for drift to be measured against."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from research.labels import Floats
from research.table import outcomes
from research.train import Training
from services.model.manifest import Reference, residual_name

BINS = 10


def references(training: Training) -> tuple[Reference, ...]:
    """Of every feature used, of sigma where the target is scaled, and of each horizon's residuals in units of
    its scale, over the rows fitted on."""
    return tuple(histogram(name, values) for name, values in _quantities(training) if len(values))


def _quantities(training: Training) -> Iterator[tuple[str, Floats]]:
    data, features = training.data, training.features
    rows = data.rows(features.usable(data))
    for name, index in zip(features.names, features.indices, strict=True):
        yield name, rows.values[:, index]
    if features.sigma_index is not None:
        yield "sigma", rows.values[:, features.sigma_index]
    for row in training.horizons:
        if row.served.model is None:
            continue
        after, known = outcomes(rows, row.horizon_s)
        X = features.matrix(rows.rows(known))
        scale = X[:, -1] * np.sqrt(float(row.horizon_s)) if features.is_scaled else np.ones(len(X))
        yield residual_name(row.horizon_s), (after.moves - row.served.predict(X)) / scale


def histogram(name: str, values: Floats) -> Reference:
    """Bins of equal shares as far as ties allow; `values` of shape (n,), at least one."""
    levels = np.arange(1, BINS) / BINS
    edges = np.unique(np.quantile(values, levels))
    places = np.searchsorted(edges, values, "right")
    counts = np.bincount(places, minlength=len(edges) + 1)
    return Reference(name, tuple(edges.tolist()), tuple((counts / len(values)).tolist()))
