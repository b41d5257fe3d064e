"""Maximum likelihood of few positive parameters, with standard errors from the curvature at the maximum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from services.features.flow.law import Floats

STEP = 1e-3  # of a parameter's logarithm, for the curvature
ITERATIONS = 4_000


class Estimate(NamedTuple):
    """Parameters with their standard errors; NaN where the likelihood is too flat to tell."""

    values: tuple[float, ...]
    errors: tuple[float, ...]
    log_likelihood: float


def maximize(log_likelihood: Callable[[Floats], float], start: Sequence[float]) -> Estimate:
    """The parameters, all above 0, where `log_likelihood` is largest; searched in their logarithms."""

    def loss(logs: Floats) -> float:
        value = log_likelihood(np.exp(logs))
        return -value if np.isfinite(value) else 1e300

    found = minimize(
        loss,
        np.log(np.asarray(start, np.float64)),
        method="Nelder-Mead",
        options={"maxiter": ITERATIONS, "xatol": 1e-6, "fatol": 1e-6},
    )
    logs = np.asarray(found.x, np.float64)
    values = np.exp(logs)
    return Estimate(
        tuple(float(value) for value in values),
        tuple(float(error) for error in values * _log_errors(loss, logs)),
        -float(found.fun),
    )


def _log_errors(loss: Callable[[Floats], float], at: Floats) -> Floats:
    """Standard errors of the logarithms: the roots of the inverse curvature's diagonal."""
    count = len(at)
    steps = np.eye(count) * STEP
    curvature = np.empty((count, count))
    for i in range(count):
        for j in range(i, count):
            corners = [
                loss(at + a * steps[i] + b * steps[j]) * a * b for a in (1.0, -1.0) for b in (1.0, -1.0)
            ]
            curvature[i, j] = curvature[j, i] = sum(corners) / (4.0 * STEP**2)
    try:
        variances = np.diag(np.linalg.inv(curvature))
    except np.linalg.LinAlgError:
        return np.full(count, np.nan)
    return np.sqrt(np.where(variances > 0.0, variances, np.nan))
