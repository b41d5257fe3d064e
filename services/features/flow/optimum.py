"""Where to rest, gross: the volume Q at which P(V > Q | N > 0) times the move dp(Q) = a Q + b is largest.

There may be none: with alpha >= -1 the product grows without end; where it is largest at the least volume
that moves the price at all, resting deeper only loses. Both are answers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from services.features.flow.law import PLAIN, SizeLaw

FOUND = "optimum"
UNBOUNDED = "unbounded"
NO_INTERIOR = "no interior optimum"
NO_IMPACT = "no impact"
FARTHEST = 1e9  # means beyond the least volume: the end of the search
POINTS = 1_001
ROUNDS = 4  # of the search, each between the neighbors of the best before


class Optimum(NamedTuple):
    """`answer` is `optimum`, `no interior optimum`, `unbounded` or `no impact` (volume does not push the
    price the taker's way). `quantity` and `gain` are NaN unless it is `optimum`; `break_even` is the volume
    at which the move is zero, at least 0, NaN without impact. Units are those of the law and the line."""

    answer: str
    quantity: float
    gain: float
    break_even: float

    @property
    def is_found(self) -> bool:
        """Whether there is a depth to rest at."""
        return self.answer == FOUND


def optimum_of(law: SizeLaw, slope: float, intercept: float) -> Optimum:
    """The largest expected gain, by the closed form for the plain law, else by search.

    >>> round(optimum_of(SizeLaw(1000.0, math.log(0.25) / math.log(2.05)), 1 / 2e6, -0.000352).quantity, -1)
    2550.0
    """
    if not slope > 0.0:
        return Optimum(NO_IMPACT, math.nan, math.nan, math.nan)
    least = max(0.0, -intercept / slope)
    if law.alpha >= -1.0:
        return Optimum(UNBOUNDED, math.nan, math.nan, least)
    quantity = (
        closed_form(law, slope, intercept) if law.form == PLAIN else _search(law, slope, intercept, least)
    )
    if not quantity > least:
        return Optimum(NO_INTERIOR, math.nan, math.nan, least)
    gain = float(law.survival(np.array([quantity]))[0]) * (slope * quantity + intercept)
    return Optimum(FOUND, quantity, gain, least)


def closed_form(law: SizeLaw, slope: float, intercept: float) -> float:
    """Q* = -(m + alpha b / a) / (1 + alpha) of the plain law; an optimum only where alpha < -1, a > 0 and Q*
    is above max(0, -b / a)."""
    return -(law.mean + law.alpha * intercept / slope) / (1.0 + law.alpha)


def _search(law: SizeLaw, slope: float, intercept: float, least: float) -> float:
    """Where the maximum of the article's law is: a grid even in ln(1 + x), then another about its best."""
    left, right = 0.0, math.log1p(FARTHEST)
    quantity = least
    for _ in range(ROUNDS):
        grid = np.linspace(left, right, POINTS)
        quantities = least + law.mean * np.expm1(grid)
        gains = law.survival(quantities) * (slope * quantities + intercept)
        best = int(np.argmax(gains))
        quantity = float(quantities[best])
        if best == 0:
            break
        left, right = float(grid[best - 1]), float(grid[min(best + 1, POINTS - 1)])
    return quantity
