"""How far a law is from what was seen: the Kolmogorov-Smirnov distance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.features.flow.law import Floats, Ints


def distance(values: Ints | Floats, survival: Callable[[Floats], Floats]) -> float:
    """The largest difference between the share of `values` above d and P(q > d), over all d.

    The law is one of a continuous size, the values are whole lots: at each value both sides of the step
    count.
    """
    found, counts = np.unique(np.asarray(values, np.float64), return_counts=True)
    at = np.cumsum(counts) / len(values)  # share at or below
    below = at - counts / len(values)
    law = 1.0 - survival(found)
    return float(max(np.max(np.abs(at - law)), np.max(np.abs(below - law))))
