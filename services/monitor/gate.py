"""The gate: whether a version has shown an edge after costs, a pure function of trades it would have made.

Shown is an edge whose one-sided lower bound is above zero, from at least 200 trades that do not overlap on at
least 5 days, after two fees and two half spreads, at a confidence that is shared among all versions tried
(Bonferroni: the best of several lucky ones is no evidence). The bound is the lower one of two: by trades, as
if these were independent, and by days, as the jackknife over days; one lucky day passes the first and not the
second. Everything else is undetermined, which counts as no where the gate is enforced.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import NamedTuple

from services.monitor.student import quantile
from shared.messages import TradedDay

FEWEST_TRADES = 200
FEWEST_DAYS = 5
SHOWN, UNDETERMINED = "shown", "undetermined"


class Verdict(NamedTuple):
    """What the gate says; `mean_bps` and `lower_bps` are None where there is nothing to compute them from."""

    verdict: str
    why: str
    trades: int
    days: int
    tried: int
    mean_bps: float | None
    lower_bps: float | None

    @property
    def is_shown(self) -> bool:
        """Whether positions may be opened on it."""
        return self.verdict == SHOWN


def judge(evidence: Iterable[TradedDay], tried: int, confidence: float) -> Verdict:
    """The verdict on one version from its days, each at most once, when `tried` versions were looked at."""
    days = [day for day in evidence if day.trades > 0]
    trades, tried = sum(day.trades for day in days), max(1, tried)
    mean = sum(day.sum_bps for day in days) / trades if trades else None
    lower = None if mean is None else lower_bound(days, 1.0 - (1.0 - confidence) / tried)

    def say(verdict: str, why: str) -> Verdict:
        return Verdict(verdict, why, trades, len(days), tried, mean, lower)

    if trades < FEWEST_TRADES or len(days) < FEWEST_DAYS:
        return say(
            UNDETERMINED,
            f"{trades} of at least {FEWEST_TRADES} trades on {len(days)} of at least {FEWEST_DAYS} days",
        )
    assert mean is not None
    bound = "none" if lower is None else f"{lower:+.3f}"
    what = (
        f"{trades} trades on {len(days)} days earn {mean:+.3f} bps each after costs, at least {bound} at "
        f"{confidence:.0%} for {tried} tried"
    )
    return say(SHOWN if lower is not None and lower > 0.0 else UNDETERMINED, what)


def lower_bound(days: list[TradedDay], confidence: float) -> float | None:
    """The one-sided lower bound of the mean per trade, basis points; None with fewer than two days."""
    trades = sum(day.trades for day in days)
    if len(days) < 2 or trades < 3:
        return None
    mean = sum(day.sum_bps for day in days) / trades
    spread = max(0.0, sum(day.squares for day in days) - trades * mean**2)
    by_trades = sqrt(spread / (trades - 1) / trades)
    # The jackknife over days: how much the mean owes to any one of them.
    without = [(mean * trades - day.sum_bps) / (trades - day.trades) for day in days if day.trades < trades]
    center = sum(without) / len(without)
    by_days = sqrt(sum((each - center) ** 2 for each in without) * (len(days) - 1) / len(days))
    return mean - max(
        by_trades * quantile(confidence, trades - 1), by_days * quantile(confidence, len(days) - 1)
    )
