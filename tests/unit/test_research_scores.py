"""Scores with answers known beforehand."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from research.scores import Outcomes, at_coverage, at_threshold, score, skill
from shared.units import SECOND


def outcomes(moves: list[float], horizon_s: int = 5) -> Outcomes:
    y = np.array(moves)
    count = len(y)
    times = np.arange(count, dtype=np.int64) * SECOND
    return Outcomes(horizon_s, times, y, y.copy(), np.full(count, 60_000.0), np.full(count, 0.1))


def test_hits_zeros_and_coverage() -> None:
    y = outcomes([1.0, -1.0, 0.0, 2.0, -2.0])
    signal = np.array([0.6, 0.7, 0.8, 0.1, -0.9])
    row = score("x", "c", signal, at_threshold(signal, 0.5), y, is_move=True)
    assert (row.rows, row.selected, row.coverage) == (5, 4, 0.8)
    assert row.zero_share == 0.25
    assert row.hit_rate == pytest.approx(2 / 3)
    assert row.hit_rate_with_zeros == 0.5
    assert row.gross_edge == pytest.approx((1.0 - 1.0 + 0.0 + 2.0) / 4)
    assert row.net_edge == pytest.approx(row.gross_edge - 60.1)


def test_always_down_in_a_falling_market_has_no_skill() -> None:
    y = outcomes([-1.0] * 70 + [1.0] * 30)
    signal = np.full(100, -1.0)
    row = score("down", "100 %", signal, at_coverage(signal, 1.0), y, is_move=False)
    assert row.hit_rate == pytest.approx(0.7)
    assert row.skill == pytest.approx(0.0)
    assert skill(0.0, 0.3, 0.7) == pytest.approx(0.0)


def test_a_perfect_forecast() -> None:
    y = outcomes([1.0, -2.0] * 50)
    row = score("y", "100 %", y.moves, at_coverage(y.moves, 1.0), y, is_move=True)
    assert (row.hit_rate, row.skill, row.r2, row.low, row.high) == (1.0, 0.5, 1.0, 1.0, 1.0)
    assert row.ic == pytest.approx(1.0)


def test_no_signal_is_no_selection() -> None:
    y = outcomes([1.0, -1.0] * 10)
    row = score("none", "100 %", np.zeros(20), at_coverage(np.zeros(20), 1.0), y, is_move=True)
    assert (row.selected, row.coverage, row.r2) == (0, 0.0, 0.0)
    assert isnan(row.hit_rate)
    assert row.plain()["hit_rate"] is None


def test_equal_coverage_takes_the_largest() -> None:
    signal = np.array([0.1, -0.9, 0.5, -0.2, 0.0])
    assert at_coverage(signal, 0.4).tolist() == [False, True, True, False, False]
    assert at_coverage(signal, 1.0).tolist() == [True, True, True, True, False]


def test_ties_are_not_broken_by_time() -> None:
    chosen = np.flatnonzero(at_coverage(np.ones(1000), 0.2))
    assert len(chosen) == 200
    assert 400 < chosen.mean() < 600


def test_an_interval_of_few_blocks_is_called_unreliable() -> None:
    draw = np.random.default_rng(1)
    for count, is_reliable in ((300, False), (901, True)):
        y = outcomes(draw.choice([-1.0, 1.0], count).tolist())
        signal = draw.choice([-1.0, 1.0], count)
        row = score("coin", "100 %", signal, at_coverage(signal, 1.0), y, is_move=False)
        assert row.is_reliable is is_reliable
        assert row.low < row.hit_rate < row.high
        assert row.skill_low < row.skill < row.skill_high


def test_blocks_widen_the_interval_of_outcomes_that_last() -> None:
    draw = np.random.default_rng(2)
    lasting = np.repeat(draw.choice([-1.0, 1.0], 60), 25)
    mixed = draw.permutation(lasting)
    up = np.ones(1500)
    wide, narrow = (
        score("up", "100 %", up, at_coverage(up, 1.0), outcomes(y.tolist()), is_move=False)
        for y in (lasting, mixed)
    )
    assert wide.high - wide.low > 2.0 * (narrow.high - narrow.low)
