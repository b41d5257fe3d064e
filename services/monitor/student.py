"""Quantiles of Student's t for whole degrees of freedom: exact finite sums (Abramowitz and Stegun 26.7.3 and
26.7.4), and from 200 degrees on the normal quantile with its expansion (26.7.5). Pure."""

from __future__ import annotations

from math import atan, cos, pi, sin, sqrt
from statistics import NormalDist

MANY = 200
STEPS = 60  # halvings: to the last bits


def between(t: float, freedom: int) -> float:
    """P(|T| <= t) for t >= 0."""
    angle = atan(t / sqrt(freedom))
    term = total = cos(angle) if freedom % 2 else 1.0
    first = 3 if freedom % 2 else 2
    for below in range(first, freedom - 1, 2):
        term *= cos(angle) ** 2 * (below - 1) / below
        total += term
    if freedom % 2 == 0:
        return sin(angle) * total
    return 2.0 / pi * (angle + (sin(angle) * total if freedom > 1 else 0.0))


def quantile(p: float, freedom: int) -> float:
    """The t with P(T <= t) = p, for 0.5 <= p < 1 and freedom >= 1."""
    if freedom >= MANY:
        z = NormalDist().inv_cdf(p)
        return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    low, high = 0.0, 1.0
    while 0.5 + between(high, freedom) / 2.0 < p:
        low, high = high, 2.0 * high
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        if 0.5 + between(middle, freedom) / 2.0 < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
