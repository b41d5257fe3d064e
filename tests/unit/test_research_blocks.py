"""Block lengths, paired differences and circular shifts, on series whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from research.blocks import Blocks, automatic_length, block_length
from research.labels import Floats, Ints
from research.pairs import pair
from research.permutation import permuted
from research.scores import Outcomes, at_coverage, score
from shared.units import SECOND


def times(count: int) -> Ints:
    return np.arange(count, dtype=np.int64) * SECOND


def wandering(count: int, memory: float, seed: int = 1) -> Floats:
    draw = np.random.default_rng(seed)
    series = np.zeros(count)
    for at in range(1, count):
        series[at] = memory * series[at - 1] + draw.normal()
    return series


def outcomes(moves: Floats) -> Outcomes:
    count = len(moves)
    return Outcomes(5, times(count), moves, moves.copy(), np.full(count, 60_000.0), np.full(count, 0.1))


def test_the_automatic_length_grows_with_memory_and_with_the_sample() -> None:
    lengths = [automatic_length(wandering(2000, memory)) for memory in (0.0, 0.5, 0.9)]
    assert lengths[0] < 4.0
    assert lengths[0] < lengths[1] < lengths[2]
    assert automatic_length(wandering(20_000, 0.9)) > automatic_length(wandering(1000, 0.9))


def test_the_automatic_length_of_an_autoregression_is_the_published_one() -> None:
    """For AR(1) with coefficient r the optimal length is (6 r^2 / (1 - r^2)^2)^(1/3) n^(1/3): g and D follow
    from the spectrum of the process."""
    count, memory = 40_000, 0.7
    expected = (6.0 * memory**2 / (1.0 - memory**2) ** 2) ** (1 / 3) * count ** (1 / 3)
    found = [automatic_length(wandering(count, memory, seed)) for seed in range(4)]
    assert np.mean(found) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("series", [np.ones(100), np.arange(5.0), np.empty(0)])
def test_what_cannot_tell_a_length_has_none(series: Floats) -> None:
    assert automatic_length(series) == 1.0


def test_a_block_is_never_shorter_than_thirty_seconds_or_two_horizons() -> None:
    flat = np.random.default_rng(0).normal(size=500)
    assert block_length(times(500), 5, flat) == 30 * SECOND
    assert block_length(times(500), 20, flat) == 40 * SECOND
    long = block_length(times(20_000), 5, wandering(20_000, 0.99))
    assert long > 100 * SECOND


def test_blocks_of_one_length_resample_the_same_rows() -> None:
    marks = np.random.default_rng(3).random((2, 400))
    first, again = Blocks(times(400), 30 * SECOND), Blocks(times(400), 30 * SECOND)
    assert first.sums(marks).tolist() == again.sums(marks).tolist()
    assert first.count == 13
    counted = first.sums(np.ones((1, 400)))
    assert set(counted[0].tolist()) == {14 * 30.0}


def test_a_hole_holds_no_blocks() -> None:
    """Two files of a capture, a day apart: as much is known as of the same rows without the day between."""
    draw = np.random.default_rng(8)
    moves = draw.choice([-1.0, 1.0], 800)
    signal = np.where(draw.random(800) < 0.6, moves, -moves)
    every = np.ones(800, dtype=np.bool_)
    whole = outcomes(moves)
    apart = replace(whole, recv_ns=times(800) + np.repeat([0, 86_400 * SECOND], 400))
    together, parted = (score("model", "100 %", signal, every, one, is_move=False) for one in (whole, apart))
    assert (together.blocks, parted.blocks) == (26, 26)
    assert not parted.is_reliable
    assert parted.low < parted.hit_rate < parted.high
    assert parted.high - parted.low == pytest.approx(together.high - together.low, rel=0.2)
    other = draw.choice([-1.0, 1.0], 800)
    pairs = [pair(("a", "b"), "100 %", (signal, other), (every, every), one) for one in (whole, apart)]
    assert pairs[1].error == pytest.approx(pairs[0].error, rel=0.2)
    counted = Blocks(apart.recv_ns, 30 * SECOND).sums(np.ones((1, 800)))
    assert set(counted[0].tolist()) == {27 * 30.0}


def test_runs_shorter_than_a_block_are_blocks_of_their_own() -> None:
    recv_ns = times(100) + np.repeat(np.arange(10), 10) * 3600 * SECOND
    blocks = Blocks(recv_ns, 30 * SECOND)
    assert blocks.count == 10
    assert set(blocks.sums(np.ones((1, 100)))[0].tolist()) == {100.0}


def test_one_block_has_no_interval() -> None:
    draw = np.random.default_rng(9)
    moves, signal, every = draw.normal(size=50), draw.normal(size=50), np.ones(50, dtype=np.bool_)
    row = score("model", "100 %", signal, every, outcomes(moves), is_move=True)
    assert (row.blocks, row.is_reliable) == (1, False)
    assert np.isnan([row.low, row.high, row.skill_low]).all()
    assert row.plain()["low"] is None
    found = pair(("a", "b"), "100 %", (signal, -signal), (every, every), outcomes(moves))
    assert np.isnan([found.difference, found.low, found.error]).tolist() == [False, True, True]


def test_a_predictor_and_itself_do_not_differ() -> None:
    draw = np.random.default_rng(4)
    y, signal = outcomes(draw.normal(size=900)), draw.normal(size=900)
    chosen = at_coverage(signal, 0.5)
    found = pair(("a", "b"), "50 %", (signal, signal), (chosen, chosen), y)
    assert (found.difference, found.low, found.high, found.error) == (0.0, 0.0, 0.0, 0.0)
    assert not found.is_reliable


def test_a_paired_difference_is_tighter_than_two_intervals_and_holds_the_truth() -> None:
    draw = np.random.default_rng(5)
    moves = draw.choice([-1.0, 1.0], 6000)
    better = np.where(draw.random(6000) < 0.60, moves, -moves)
    # Worse only on a tenth of the rows, where it guesses: they share nine tenths of their errors.
    worse = np.where(draw.random(6000) < 0.1, draw.choice([-1.0, 1.0], 6000), better)
    every = np.ones(6000, dtype=np.bool_)
    found = pair(("better", "worse"), "100 %", (better, worse), (every, every), outcomes(moves))
    assert found.low < 0.01 < found.high
    assert found.error < 0.5 * np.sqrt(2.0 * 0.24 / 6000)
    assert found.is_reliable


def test_a_pair_of_nothing_has_no_value() -> None:
    nothing = np.zeros(50)
    found = pair(("a", "b"), "50 %", (nothing, nothing), (nothing > 0, nothing > 0), outcomes(np.ones(50)))
    assert isnan(found.difference)
    assert found.plain()["low"] is None


def test_shifts_are_counted_and_their_center_is_chance() -> None:
    draw = np.random.default_rng(6)
    moves = draw.choice([-1.0, 1.0], 500)
    signal = np.where(draw.random(500) < 0.65, moves, -moves)
    every = np.ones(500, dtype=np.bool_)
    null = permuted(signal, every, moves, times(500), 11 * SECOND)
    assert null.shifts == 500 - 2 * 12 + 1
    assert null.center == pytest.approx(0.5, abs=0.01)
    assert null.p_value == pytest.approx(1 / (1 + null.shifts))
    noise = permuted(draw.normal(size=500), every, moves, times(500), 11 * SECOND)
    assert noise.p_value > 0.01


def test_each_shift_is_the_rotated_series() -> None:
    draw = np.random.default_rng(7)
    moves, signal = draw.choice([-1.0, 0.0, 1.0], 60), draw.normal(size=60)
    chosen = at_coverage(signal, 0.5)
    rates = []
    for shift in range(8, 60 - 8 + 1):
        turned = np.roll(moves, -shift)
        decided = chosen & (turned != 0.0)
        rates.append((np.sign(signal[decided]) == np.sign(turned[decided])).mean())
    null = permuted(signal, chosen, moves, times(60), 7 * SECOND)
    assert null.shifts == len(rates)
    assert null.center == pytest.approx(np.mean(rates))


def test_a_market_that_falls_is_hit_by_chance() -> None:
    """Always down in a falling market: every shift hits as often."""
    moves = np.where(np.random.default_rng(8).random(400) < 0.8, -1.0, 1.0)
    null = permuted(-np.ones(400), np.ones(400, dtype=np.bool_), moves, times(400), 11 * SECOND)
    assert null.center == pytest.approx((moves < 0).mean())
    assert null.p_value == 1.0


@pytest.mark.parametrize("count", [2, 20])
def test_too_short_to_shift(count: int) -> None:
    null = permuted(np.ones(count), np.ones(count, dtype=np.bool_), np.ones(count), times(count), 15 * SECOND)
    assert null.shifts == 0
    assert isnan(null.p_value)
