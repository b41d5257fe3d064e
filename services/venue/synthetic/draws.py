"""Random draws and the functions they need, compiled. The same on every machine, to the bit.

The generator is SplitMix64 (Steele, Lea, Flood 2014). Logarithm and exponential are written with addition,
multiplication and division alone, which IEEE 754 fixes; the library's are not the same everywhere.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64 as f64
from numba import uint64
from numpy.typing import NDArray

from services.venue.synthetic.compiled import compiled

Seeds = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
S11, S27, S30, S31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
LN_2 = 0.6931471805599453

_SEEDS = uint64[::1]


@compiled(f64(_SEEDS))
def uniform(seeds: Seeds) -> float:
    """A number above 0 and below 1. `seeds` is (1,), the state."""
    seeds[0] += GOLDEN
    z = seeds[0]
    z = (z ^ (z >> S30)) * MIX_1
    z = (z ^ (z >> S27)) * MIX_2
    z = z ^ (z >> S31)
    return (float(z >> S11) + 0.5) / 9007199254740992.0


@compiled(f64(f64))
def log(x: float) -> float:
    """The natural logarithm of x > 0, to about 1e-12: halved or doubled into [0.7, 1.4], then by atanh."""
    halvings = 0
    while x < 0.70710678:
        x *= 2.0
        halvings -= 1
    while x > 1.41421357:
        x *= 0.5
        halvings += 1
    z = (x - 1.0) / (x + 1.0)
    y = z * z
    series = 1.0 + y * (
        1 / 3 + y * (1 / 5 + y * (1 / 7 + y * (1 / 9 + y * (1 / 11 + y * (1 / 13 + y * (1 / 15))))))
    )
    return halvings * LN_2 + 2.0 * z * series


@compiled(f64(f64))
def exp(x: float) -> float:
    """The exponential, to about 1e-12; |x| above 60 is taken as 60."""
    x = min(max(x, -60.0), 60.0)
    y = x / 256.0
    series = 1.0 + y * (
        1.0
        + y
        * (1 / 2 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120 + y * (1 / 720 + y * (1 / 5040 + y / 40320))))))
    )
    for _ in range(8):
        series *= series
    return series


@compiled(f64(_SEEDS))
def exponential(seeds: Seeds) -> float:
    """An exponential draw of mean 1."""
    return -log(uniform(seeds))


@compiled(f64(_SEEDS))
def normal(seeds: Seeds) -> float:
    """A standard normal draw: the inverse of its distribution (Acklam's approximation, error 1e-9)."""
    p = uniform(seeds)
    if 0.02425 <= p <= 0.97575:
        q = p - 0.5
        r = q * q
        top = (
            (((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.3577518672690)
            * r
            - 30.66479806614716
        ) * r + 2.506628277459239
        bottom = (
            (((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972)
            * r
            - 13.28068155288572
        ) * r + 1.0
        return top * q / bottom
    tail = min(p, 1.0 - p)
    q = math.sqrt(-2.0 * log(tail))
    top = (
        (((-0.007784894002430293 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734)
        * q
        + 4.374664141464968
    ) * q + 2.938163982698783
    bottom = (
        ((0.007784695709041462 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416
    ) * q + 1.0
    value = top / bottom
    return value if p < 0.5 else -value


@compiled(f64(_SEEDS, f64, f64))
def lognormal(seeds: Seeds, log_median: float, sigma: float) -> float:
    """A log-normal draw."""
    return exp(log_median + sigma * normal(seeds))
