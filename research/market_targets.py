"""What the synthetic market is held to: the recorded statistics, the tolerances, the limits on skill.

Measured on 345 s of each symbol around 2024-08-09 00:00 UTC: magnitudes of one evening, not constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SECONDS = 344.8  # of the recordings in which orders were counted

# name: (BTCUSDT, ETHUSDT, kind, tolerance); `of` is a share of the target, `points` absolute, `factor` a
# ratio, `range` from the tolerance's first to its second value, `errors` two standard errors of BTC and ETH
# where 15 % is less.
Row = tuple[float, float, str, tuple[float, ...]]
TARGETS: dict[str, Row] = {
    "depth_updates_per_s": (19.0, 19.1, "of", (0.05,)),
    "level_changes_per_update": (68, 65, "of", (0.15,)),
    "spread_one_tick_share": (0.992, 0.991, "points", (0.015,)),
    "spread_ticks_mean": (1.20, 1.06, "of", (0.10,)),
    "change_1s_std": (8.01, 0.328, "of", (0.15,)),
    "change_1s_kurtosis": (23, 8, "factor", (2,)),
    "change_1s_zero_share": (0.47, 0.36, "points", (0.05,)),
    "variance_ratio_10s": (0.81, 0.77, "range", (0.65, 1.05)),
    "tier20_distance": (7.4, 0.415, "of", (0.15,)),
    "tier1_size": (3.56, 21.1, "of", (0.25,)),
    "tier5_size": (0.95, 1.9, "of", (0.25,)),
    "tier10_size": (0.61, 2.0, "of", (0.25,)),
    "tier20_size": (0.18, 3.1, "of", (0.25,)),
    "buy_orders_per_s": (2781 / SECONDS, 1671 / SECONDS, "of", (0.10,)),
    "buy_size_mean": (0.450, 2.97, "errors", (0.101, 0.93)),
    "buy_interval_ms": (124, 205, "of", (0.10,)),
    "buy_agg_orders_per_s": (1531 / SECONDS, 1206 / SECONDS, "of", (0.10,)),
    "buy_agg_size_mean": (0.817, 4.11, "errors", (0.23, 1.33)),
    "sell_orders_per_s": (2655 / SECONDS, 1841 / SECONDS, "of", (0.10,)),
    "sell_size_mean": (0.444, 2.28, "errors", (0.112, 0.51)),
    "sell_interval_ms": (129, 187, "of", (0.10,)),
    "buy_alpha": (-2.84, -2.82, "points", (0.3,)),
    "sell_alpha": (-2.83, -2.47, "points", (0.3,)),
    "buy_interval_cv": (1.55, 1.45, "points", (0.15,)),
    "buy_shock_0": (0.890, 0.833, "points", (0.03,)),
    "buy_shock_1": (0.016, 0.021, "points", (0.01,)),
    "buy_shock_2": (0.008, 0.017, "points", (0.01,)),
    "buy_shock_3": (0.004, 0.016, "points", (0.01,)),
    "buy_shock_more": (0.083, 0.1125, "points", (0.03,)),
    "taker_side_autocorrelation": (0.20, 0.32, "points", (0.07,)),
    "order_flow_r2": (0.43, 0.52, "points", (0.10,)),
    "imbalance5_correlation_1s": (0.21, 0.19, "range", (0.15, 0.25)),
}
# Name: the most it may be. Of correlations the absolute value counts.
LIMITS = {
    "imbalance5_correlation_5s": 0.15,
    "imbalance5_correlation_10s": 0.08,
    "imbalance5_correlation_15s": 0.06,
    "imbalance1_correlation_1s": 0.25,
    "imbalance1_correlation_5s": 0.15,
    "imbalance1_correlation_10s": 0.08,
    "imbalance1_correlation_15s": 0.06,
    "hit_rate_5s": 0.58,
    "hit_rate_10s": 0.55,
    "hit_rate_15s": 0.54,
    "r2_5s": 0.03,
    "r2_10s": 0.015,
    "r2_15s": 0.01,
    "taker_net_bps_5s": 0.0,
    "taker_net_bps_10s": 0.0,
    "taker_net_bps_15s": 0.0,
}


class Line(NamedTuple):
    """One statistic held against its target; `low` to `high` is what passes."""

    name: str
    target: float | None  # None for a limit
    value: float
    low: float | None
    high: float

    @property
    def passes(self) -> bool:
        """Whether the value is within its tolerance."""
        if self.low is None:
            value = abs(self.value) if "correlation" in self.name else self.value
            return value <= self.high
        return self.low <= self.value <= self.high


def compare(symbol: str, values: Mapping[str, float]) -> list[Line]:
    """Every line of the table for a symbol that has targets; empty for another."""
    if symbol not in ("BTCUSDT", "ETHUSDT"):
        return []
    lines = []
    for name, (btc, eth, kind, tolerance) in TARGETS.items():
        target = btc if symbol == "BTCUSDT" else eth
        if kind == "range":
            low, high = tolerance
        elif kind == "factor":
            low, high = target / tolerance[0], target * tolerance[0]
        elif kind == "errors":
            width = max(tolerance[symbol == "ETHUSDT"], 0.15 * target)
            low, high = target - width, target + width
        else:
            width = tolerance[0] * (target if kind == "of" else 1.0)
            low, high = target - width, target + width
        lines.append(Line(name, target, values[name], low, high))
    lines += [Line(name, None, values[name], None, most) for name, most in LIMITS.items()]
    return lines
