"""The microprice on chains whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from research.microprice import BINS, CHANGES, LARGEST, Quotes, adjustment, states


def quotes(imbalance: list[float], half_ticks: list[int], breaks: list[int] | None = None) -> Quotes:
    count = len(imbalance)
    return Quotes(
        np.arange(count, dtype=np.int64),
        np.array(half_ticks, dtype=np.int64),
        np.array(imbalance),
        np.ones(count, dtype=np.int64),
        np.array(breaks or [0] * count, dtype=np.int64),
    )


def test_states_are_deciles_and_spreads() -> None:
    found = states(np.array([-1.0, -0.81, -0.01, 0.01, 1.0, 1.0]), np.array([1, 1, 1, 1, 1, 3]))
    assert found.tolist() == [0, 0, 4, 5, 9, 9 + BINS]


def test_every_change_that_is_looked_ahead_counts() -> None:
    # Of 0.95 the mid always rises by a tick to 0.05, and that returns to 0.95 unchanged: six rises are ahead.
    rows = [(0.95, 0), (0.05, 2), (0.95, 2), (0.05, 4), (0.95, 4), (0.05, 6)]
    answer = adjustment(quotes([row[0] for row in rows], [row[1] for row in rows]))
    assert answer[9] == pytest.approx(2.0 * CHANGES)
    assert answer[0] == pytest.approx(-2.0 * CHANGES)
    assert answer[5] == pytest.approx(answer[9])


def test_a_jump_counts_as_the_largest_change() -> None:
    answer = adjustment(quotes([0.95, 0.05], [0, 1000]))
    assert answer[9] == pytest.approx(LARGEST)


def test_it_is_antisymmetric() -> None:
    draw = np.random.default_rng(5)
    imbalance = draw.uniform(-1.0, 1.0, 3000)
    moves = (draw.uniform(-1.0, 1.0, 3000) < imbalance) * 2 - 1
    steps = np.where(draw.uniform(size=3000) < 0.2, 2 * moves, 0)
    half_ticks = np.concatenate([[0], np.cumsum(steps)[:-1]])
    answer = adjustment(quotes(imbalance.tolist(), half_ticks.tolist()))[:BINS]
    np.testing.assert_allclose(answer, -answer[::-1], atol=1e-9)
    assert (np.diff(answer) > 0.0).all()
    assert answer[-1] > 0.3


def test_a_break_is_no_transition() -> None:
    answer = adjustment(quotes([0.95, 0.05], [0, 4], [0, 1]))
    assert not answer.any()
