"""The first lines of a report: what the data are, whether there is an edge, and what a hit rate is worth."""

from __future__ import annotations

import numpy as np
import pytest

from research.report.verdict import KINDS, Origin, cost_line, edge_line, origin_lines

DAY_NS = 86_400 * 10**9


def origin(kind: str, gaps: int | None) -> Origin:
    return Origin(
        kind, "BTCUSDT", ("a.gz", "b.gz"), 19_000 * DAY_NS, 19_001 * DAY_NS, gaps, "ab" * 32, 12_345
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_line_says_what_the_data_are(kind: str) -> None:
    first, second, *rest = origin_lines(origin(kind, 2))
    assert first.startswith(kind.upper())
    assert "2022-01-08 00:00:00 to 2022-01-09 00:00:00 UTC (24.0 hours), 2 gaps, 12,345 entries" in first
    assert "sha256 abababababababab" in first
    assert second == "Files: a.gz, b.gz."
    assert rest == []


@pytest.mark.parametrize(("gaps", "words"), [(0, "no gap,"), (1, "1 gap,"), (None, "gaps cannot be seen")])
def test_gaps_are_said(gaps: int | None, words: str) -> None:
    assert words in origin_lines(origin("recorded", gaps))[0]


def nets(mean: float, count: int) -> np.ndarray:
    return np.random.default_rng(3).normal(mean, 1.0, count)


@pytest.mark.parametrize(
    ("values", "days", "answer"),
    [
        (nets(-1.0, 100), 3, "NO, it loses"),
        (nets(0.0, 100), 3, "none shown"),
        (nets(1.0, 100), 9, "undetermined"),  # fewer than 200 trades
        (nets(1.0, 400), 2, "undetermined"),  # fewer than 5 days
        (nets(1.0, 400), 5, "yes, in these data"),
        (nets(1.0, 1), 1, "none shown"),
        (nets(1.0, 0), 0, "none shown"),
    ],
)
def test_an_edge_needs_evidence(values: np.ndarray, days: int, answer: str) -> None:
    assert edge_line(values, days, "Simulated").startswith(f"Edge after costs: {answer}")


def test_the_bounds_hold_the_true_mean_as_often_as_they_say() -> None:
    draws = np.random.default_rng(5)
    below = 0
    for _ in range(400):
        told = edge_line(draws.normal(0.0, 1.0, 30), 1, "x")
        below += float(told.split("bounds ")[1].split(" and")[0]) > 0.0
    assert 6 <= below <= 36  # 5 % of 400


def test_a_hit_rate_is_held_against_the_cost_of_a_round_trip() -> None:
    moves = np.array([10.0, -20.0, np.nan, 30.0])
    line = cost_line(60_000.0, 0.1, 0.0005, moves, 10, 0.01)
    assert "60.1 USDT per coin" in line
    assert "0.601 USDT for 0.01" in line
    assert "20 USDT in 10 s" in line
    assert "even a taker who is always right would lose" in line
    cheap = cost_line(100.0, 1.0, 0.0, moves, 10, 1.0)
    assert "right 52% of the time" in cheap  # 0.5 + 1 / (2 x 20)
