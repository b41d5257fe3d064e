"""What the two documents print, to stand beside our figures.

The article's numbers are of HOOKUSDT perpetual, 2023-01-27, tick 0.001, buys, from aggTrades. The slides' are
of BTCUSDT perpetual, June 2024.
"""

from __future__ import annotations

from math import log

HIT_RATES = {5: (0.605, 0.723), 10: (0.611, 0.639), 15: (0.553, 0.620)}  # linear regression, LASSO
CHANGE_1S_USDT = 8.0  # standard deviation of 1 s mid changes
TIER_DISTANCES_USDT = (0.1, 21.4)
WINS, TRADES = 10, 25  # of the trade history shown
THRESHOLD_USDT = 6.0  # TH of its simulation
SIZE_BTC = 0.01
PERIOD_S = 10

SHOCK_SHARES = (
    0.769965,
    0.165527,
    0.037826,
    0.012546,
    0.005986,
    0.003173,
    0.001964,
    0.001036,
    0.000795,
    0.000474,
    0.000227,
    0.000187,
    0.000087,
    0.000080,
)
CHANGE_COUNTS = {
    1: 7176,
    -1: 3665,
    2: 3069,
    -2: 1536,
    3: 1260,
    4: 692,
    -3: 608,
    5: 391,
    -4: 322,
    6: 259,
    -5: 192,
    7: 146,
    -6: 112,
    8: 82,
    9: 75,
    -7: 75,
    -8: 65,
    10: 51,
    11: 41,
    -10: 31,
}
GROUP_CHANGES = (
    -0.000302,
    -0.000124,
    -0.000068,
    -0.000017,
    -0.000048,
    0.000098,
    0.000006,
    0.000261,
    0.000186,
    0.000299,
)
IMPACT_SLOPE, IMPACT_INTERCEPT = 1 / 2e6, -0.000352  # of the price for a quantity of one
TICK = 0.001
OPTIMUM_QUANTITY = 2500.0
OPTIMUM_MEANS = 2.5  # times the mean of windows of 1 s with a trade
BREAK_EVEN_QUANTITY = 704.0
QUANTITY_PER_TICK = 1000.0  # of one order
QUANTITY_PER_TICK_2S = 2000.0
D_2S_MS = 2620.0


def hit_rate(horizon_s: int, kind: str) -> float | None:
    """The slides' hit rate of a kind of model; None where they have none."""
    known = HIT_RATES.get(horizon_s)
    place = {"linear": 0, "lasso": 1}.get(kind)
    return None if known is None or place is None else known[place]


def alpha_of(share_above_mean: float) -> float:
    """The article's alpha of P(q > m)."""
    return log(share_above_mean) / log(2.05)
