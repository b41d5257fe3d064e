"""The gate by known answers: what is shown, what is not enough, and what several tries cost."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from services.monitor.gate import SHOWN, UNDETERMINED, judge, lower_bound
from services.monitor.student import quantile
from shared.messages import TradedDay


def days_of(*nets: list[float]) -> list[TradedDay]:
    return [
        TradedDay(20_000 + at, len(day), float(sum(day)), float(sum(x * x for x in day)))
        for at, day in enumerate(nets)
    ]


def alike(mean: float, spread: float, trades: int = 40, days: int = 5) -> list[TradedDay]:
    """Days that are all the same: half of the trades above the mean, half below."""
    return days_of(*[[mean - spread, mean + spread] * (trades // 2)] * days)


@given(
    p=st.sampled_from([0.5, 0.6, 0.9, 0.95, 0.975, 0.99, 0.999, 0.9999]),
    freedom=st.integers(1, 3000),
)
def test_quantiles_are_those_of_scipy(p: float, freedom: int) -> None:
    assert quantile(p, freedom) == pytest.approx(float(stats.t.ppf(p, freedom)), rel=1e-5, abs=1e-9)


def test_a_clear_edge_is_shown_and_the_bound_is_students() -> None:
    verdict = judge(alike(2.0, 5.0), 1, 0.95)
    assert (verdict.verdict, verdict.trades, verdict.days, verdict.mean_bps) == (SHOWN, 200, 5, 2.0)
    error = sqrt(25.0 * 200 / 199 / 200)
    assert verdict.lower_bps == pytest.approx(2.0 - stats.t.ppf(0.95, 199) * error, rel=1e-5)
    assert "200 trades on 5 days earn +2.000 bps each after costs, at least +1.4" in verdict.why
    assert verdict.is_shown


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        ([], "0 of at least 200 trades on 0 of at least 5 days"),
        (alike(50.0, 1.0, trades=38), "190 of at least 200 trades on 5 of at least 5 days"),
        (alike(50.0, 1.0, trades=100, days=4), "400 of at least 200 trades on 4 of at least 5 days"),
        ([*alike(50.0, 1.0, trades=100, days=4), TradedDay(1, 0, 0.0, 0.0)], "on 4 of at least 5 days"),
        (alike(0.0, 5.0), "earn +0.000 bps"),
        (alike(-10.0, 5.0), "earn -10.000 bps"),
        (alike(0.5, 5.0), "earn +0.500 bps"),  # positive, and its bound is not
    ],
)
def test_everything_else_is_undetermined(evidence: list[TradedDay], why: str) -> None:
    verdict = judge(evidence, 1, 0.95)
    assert verdict.verdict == UNDETERMINED
    assert not verdict.is_shown
    assert why in verdict.why


def test_each_further_try_costs() -> None:
    evidence = alike(0.65, 5.0)
    assert judge(evidence, 1, 0.95).is_shown
    assert not judge(evidence, 2, 0.95).is_shown
    assert not judge(evidence, 1, 0.99).is_shown
    # Bonferroni: two at 95 % are each at 97.5 %.
    assert judge(evidence, 2, 0.95).lower_bps == judge(evidence, 1, 0.975).lower_bps
    assert judge(evidence, 0, 0.95) == judge(evidence, 1, 0.95)


def test_one_lucky_day_shows_nothing() -> None:
    lucky = [TradedDay(1, 400, 4000.0, 41_000.0)] + [TradedDay(2 + at, 40, 0.0, 40.0) for at in range(4)]
    verdict = judge(lucky, 1, 0.95)
    assert verdict.mean_bps is not None
    assert verdict.mean_bps > 7.0
    assert not verdict.is_shown


def test_the_bound_covers_as_often_as_it_says() -> None:
    """Trades drawn around zero pass in at most the share that the confidence leaves."""
    draw = np.random.default_rng(5)
    passed = sum(
        judge(days_of(*draw.normal(0.0, 8.0, (6, 50)).tolist()), 1, 0.95).is_shown for _ in range(400)
    )
    assert passed / 400 < 0.05 + 2.5 * sqrt(0.05 * 0.95 / 400)


def test_too_little_for_a_bound_has_none() -> None:
    assert lower_bound(days_of([1.0, 2.0, 3.0]), 0.95) is None
    assert lower_bound(days_of([1.0], [2.0]), 0.95) is None
