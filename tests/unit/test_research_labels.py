"""Labels: what came after, and only where the feed was whole."""

from __future__ import annotations

import numpy as np
import pytest

from research.labels import Track, labels

S = 1_000_000_000


def track(breaks_ns: list[int] | None = None, end_ns: int = 20 * S) -> Track:
    times = np.array([0, 1, 2, 5, 9, 20]) * S
    mid = np.array([100.0, 101.0, 103.0, 99.0, 98.0, 110.0])
    return Track(times, mid, np.array(breaks_ns or [], dtype=np.int64), end_ns)


def at(*seconds: float) -> np.ndarray:
    return np.array([round(second * S) for second in seconds], dtype=np.int64)


def test_the_mid_is_that_of_the_last_book_at_or_before() -> None:
    y, known = labels(track(), at(0, 1, 2), np.zeros(3, dtype=np.int64), 4 * S)
    # mid(4) is still that of 2; mid(5) is that of 5 itself; mid(6) that of 5
    assert y.tolist() == [3.0, -2.0, -4.0]
    assert known.all()


def test_a_delay_moves_both_ends() -> None:
    y, _ = labels(track(), at(0), np.zeros(1, dtype=np.int64), 4 * S, delay_ns=S)
    assert y.tolist() == [99.0 - 101.0]


def test_nothing_is_known_beyond_the_last_entry() -> None:
    _, known = labels(track(), at(15.9, 16, 16.1), np.zeros(3, dtype=np.int64), 4 * S)
    assert known.tolist() == [True, True, False]


@pytest.mark.parametrize(("break_s", "is_known"), [(1.9, True), (2.1, False), (6, False), (6.1, True)])
def test_a_break_voids_the_labels_that_cross_it(break_s: float, is_known: bool) -> None:
    breaks = at(break_s)
    before = (breaks < 2 * S).astype(np.int64)
    _, known = labels(track(breaks.tolist()), at(2), before, 4 * S)
    assert known.tolist() == [is_known]


def test_a_break_of_the_same_nanosecond_is_placed_by_the_stream() -> None:
    broken = track([2 * S])
    before_the_book, after_the_book = np.array([1]), np.array([0])
    assert labels(broken, at(2), before_the_book, 4 * S)[1].tolist() == [True]
    assert labels(broken, at(2), after_the_book, 4 * S)[1].tolist() == [False]


def test_a_shorter_track_knows_less() -> None:
    short = track().until(6 * S)
    assert short.end_ns == 6 * S
    assert labels(short, at(2, 3), np.zeros(2, dtype=np.int64), 4 * S)[1].tolist() == [True, False]
