"""How a model's features and residuals were distributed in training, for drift to be measured against."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from research.labels import Floats
from research.sigmas import SIGMAS, scales
from research.table import outcomes
from research.train import Training
from services.model.manifest import SIGMA_NAMES, Reference, residual_name

BINS = 10


def references(training: Training) -> tuple[Reference, ...]:
    """Of every feature used, of the sigmas where the target is scaled, and of each horizon's residuals in
    units of sigma, over the rows fitted on."""
    return tuple(histogram(name, values) for name, values in _quantities(training) if len(values))


def _quantities(training: Training) -> Iterator[tuple[str, Floats]]:
    data, features = training.data, training.features
    rows = data.rows(features.usable(data))
    for name, index in zip(features.names, features.indices, strict=True):
        yield name, rows.values[:, index]
    for name, index in zip(SIGMA_NAMES, features.scaled_by(), strict=False):
        yield name, rows.values[:, index]
    for row in training.horizons:
        if row.served.model is None:
            continue
        after, known = outcomes(rows, row.horizon_s)
        X = features.matrix(rows.rows(known))
        unit = scales(X[:, -SIGMAS:], row.horizon_s) if features.is_scaled else np.ones(len(X))
        yield residual_name(row.horizon_s), (after.moves - row.served.predict(X)) / unit


def histogram(name: str, values: Floats) -> Reference:
    """Bins of equal shares as far as ties allow; `values` of shape (n,), at least one."""
    levels = np.arange(1, BINS) / BINS
    edges = np.unique(np.quantile(values, levels))
    places = np.searchsorted(edges, values, "right")
    counts = np.bincount(places, minlength=len(edges) + 1)
    return Reference(name, tuple(edges.tolist()), tuple((counts / len(values)).tolist()))
