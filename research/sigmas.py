"""What moves are scaled by, of sigma and slow sigma: see `research.estimators.VolatilityTarget`."""

from __future__ import annotations

import numpy as np

from research.labels import Floats

SIGMAS = 2  # columns behind the features where a target is scaled: sigma, slow sigma


def scales(sigmas: Floats, horizon_s: int, power: float = 1.0) -> Floats:
    """What a move is divided by to make the target, (n,), of sigma and slow sigma, (n, 2)."""
    scaled: Floats = np.sqrt(float(horizon_s)) * sigmas[:, 0] * calm(sigmas, power)
    return scaled


def calm(sigmas: Floats, power: float) -> Floats:
    """(n,): by how much more than sigma the expected move is where it goes with sigma^power; 1 where the last
    half minute was as wild as ten minutes are."""
    more: Floats = np.power(sigmas[:, 1] / sigmas[:, 0], 1.0 - power)
    return more


def row_weights(sigmas: Floats, power: float) -> Floats:
    """Weights (n,) of mean one under which squared errors of the target count in units of sigma."""
    weights: Floats = np.square(calm(sigmas, power))
    weights /= weights.mean()
    return weights
