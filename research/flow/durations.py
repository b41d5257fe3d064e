"""One law for windows of every length from the law of single orders, by a duration D_T.

With s = mean interval between orders / D_T: P(V_T > d) = (1 + (1 + 20^(-s d/m)) s d/m)^alpha, m and alpha of
single orders. The article fits D_T = 2,620 ms at T = 2 s and cannot explain it. If the means are to agree,
D_T = T / P(N_T > 0). Both are given, each with its Kolmogorov-Smirnov distance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from research.flow.distance import distance
from services.features.flow.law import SizeLaw
from services.features.flow.orders import Orders
from services.features.flow.windows import windows_of

FACTORS = (0.05, 20.0)  # of T, between which D_T is searched
POINTS = 80


class Duration(NamedTuple):
    """D_T in milliseconds for windows of `seconds`."""

    seconds: float
    windows: int
    filled_share: float
    derived_ms: float
    derived_distance: float
    fitted_ms: float
    fitted_distance: float


def duration_of(orders: Orders, of_orders: SizeLaw, seconds: float) -> Duration:
    """For at least two orders at different times."""
    windows = windows_of(orders, seconds)
    interval_ms = float(orders.intervals_ms.mean())

    def far(log_ms: float) -> float:
        scale = interval_ms / float(np.exp(log_ms))
        return distance(windows.volumes_lots, lambda volumes: of_orders.survival(volumes, scale))

    derived = seconds * 1000.0 / windows.filled_share
    logs = np.log(seconds * 1000.0) + np.linspace(np.log(FACTORS[0]), np.log(FACTORS[1]), POINTS)
    best = int(np.argmin([far(float(each)) for each in logs]))
    around = (float(logs[max(best - 1, 0)]), float(logs[min(best + 1, POINTS - 1)]))
    found = minimize_scalar(far, bounds=around, method="bounded")
    return Duration(
        seconds,
        len(windows.volumes_lots),
        windows.filled_share,
        derived,
        far(float(np.log(derived))),
        float(np.exp(found.x)),
        float(found.fun),
    )
