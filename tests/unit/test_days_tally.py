"""Selections and scores day by day are those of all rows at once."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from research.days.selection import Ranking
from research.days.tally import Frame, Moments, Tally, paired, scored
from research.pairs import pair
from research.scores import Outcomes, at_coverage, at_threshold, score
from shared.units import SECOND

COVERAGES = (1.0, 0.5, 0.2, 0.003, 0.0)


def selected(signal: np.ndarray, days: int, coverages: tuple[float, ...] = COVERAGES) -> list[np.ndarray]:
    parts = np.array_split(signal, days)
    ranking = Ranking()
    for part in parts:
        ranking.count(part)
    ranking.cut(coverages)
    for part in parts:
        ranking.refine(part)
    return [np.concatenate([one.select(part) for part in parts]) for one in ranking.selectors()]


@pytest.mark.parametrize("days", [1, 3, 10])
def test_without_ties_the_selection_is_that_of_all_rows(days: int) -> None:
    signal = np.random.default_rng(4).normal(0.0, 3.0, 5000)
    signal[:100] = 0.0
    for coverage, found in zip(COVERAGES, selected(signal, days), strict=True):
        np.testing.assert_array_equal(found, at_coverage(signal, coverage))


@pytest.mark.parametrize("values", [(1.0, -1.0), (0.5, -0.5, 0.0, 2.0, -2.0)])
def test_ties_are_drawn_without_favor_and_as_many_as_are_wanted(values: tuple[float, ...]) -> None:
    signal = np.random.default_rng(4).choice(values, 20_000)
    for coverage, found in zip(COVERAGES, selected(signal, 8), strict=True):
        expected = at_coverage(signal, coverage)
        size = np.abs(signal)
        above = size > np.min(size[expected], initial=np.inf)
        assert found[above].all()
        if coverage < 1.0:
            assert abs(int(found.sum()) - int(expected.sum())) <= 0.02 * len(signal) * (0.0 in values)
        shares = [part.mean() for part in np.array_split(found, 8)]
        assert max(shares) - min(shares) < 0.1


class Drawn:
    def __init__(self, rows: int = 4800) -> None:
        draw = np.random.default_rng(8)
        self.signal = draw.normal(0.2, 1.0, rows)
        self.other = self.signal + draw.normal(0.0, 1.0, rows)
        late = np.where(draw.random(rows) < 0.05, np.nan, draw.normal(0.0, 1.0, rows))
        moves = np.round(0.3 * self.signal + draw.normal(0.1, 1.0, rows), 0)
        times = np.sort(draw.choice(rows * 2, rows, replace=False)) * SECOND
        self.after = Outcomes(5, times, moves, late, np.full(rows, 60_000.0), draw.uniform(0.1, 0.3, rows))
        self.frame = Frame(int(times[0]), int(times[-1]) + 1)

    def tally(self, signal: np.ndarray, chosen: np.ndarray) -> tuple[Tally, Moments]:
        tally, moments = Tally(self.frame), Moments()
        for rows in np.array_split(np.arange(len(signal)), 5):
            mask = np.zeros(len(signal), dtype=bool)
            mask[rows] = True
            tally.add(signal[rows], chosen[rows], self.after.rows(mask))
            moments.add(signal[rows], self.after.moves[rows])
        return tally, moments


@pytest.mark.parametrize("threshold", [0.0, 1.0, 50.0])
def test_a_score_is_that_of_all_rows(threshold: float) -> None:
    drawn = Drawn()
    chosen = at_threshold(drawn.signal, threshold)
    tally, moments = drawn.tally(drawn.signal, chosen)
    found = scored("m", "s", 5, tally, moments, drawn.frame, is_move=True).plain()
    expected = score("m", "s", drawn.signal, chosen, drawn.after, is_move=True).plain()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, str) or value is None:
            assert found[name] == value
        elif name in ("low", "high", "skill_low", "skill_high"):  # blocks begin at cells here, at rows there
            assert found[name] == pytest.approx(value, abs=0.004)
        elif name in ("blocks", "block_s"):
            assert found[name] == pytest.approx(value, rel=0.2)
        else:
            assert found[name] == pytest.approx(value, rel=1e-9)


def test_a_signal_that_never_varies_has_no_correlation() -> None:
    drawn = Drawn()
    flat = np.full(len(drawn.signal), 1.0)
    _, moments = drawn.tally(flat, flat > 0.0)
    assert isnan(moments.correlation)


def test_a_difference_is_that_of_all_rows() -> None:
    drawn = Drawn()
    signals = (drawn.signal, drawn.other)
    chosen = tuple(at_coverage(signal, 0.5) for signal in signals)
    tallies = tuple(drawn.tally(signal, rows)[0] for signal, rows in zip(signals, chosen, strict=True))
    found = paired(("m", "o"), "50 %", 5, tallies, drawn.frame)  # type: ignore[arg-type]
    expected = pair(("m", "o"), "50 %", signals, chosen, drawn.after)  # type: ignore[arg-type]
    assert found.difference == pytest.approx(expected.difference, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.008)
    assert found.error == pytest.approx(expected.error, rel=0.15)


def test_cells_are_bounded_however_long_the_time() -> None:
    year = Frame(0, 365 * 86_400 * SECOND)
    assert year.cells <= 10_000
    blocks, block_s = year.blocks(15, np.zeros(year.cells), np.arange(year.cells))
    assert block_s >= 20 * year.cell_ns / SECOND
    assert 400 <= blocks.count <= 500
