"""The venue's procedure for a local book, step by step."""

from __future__ import annotations

import pytest

from services.collector.facts import Diff
from services.collector.sync import Synchronizer


def diff(first: int, last: int, previous: int, bids: tuple[tuple[int, int], ...] = ()) -> Diff:
    return Diff(first, last, previous, 0, list(bids), [])


BOOK = ([(99, 5)], [(101, 5)])


@pytest.mark.parametrize(
    ("buffered", "expected", "last"),
    [
        ([], "buffered", 100),
        ([diff(80, 90, 70)], "buffered", 100),  # u below the snapshot's id: dropped
        ([diff(95, 105, 90)], "live", 105),  # U <= id <= u
        ([diff(95, 100, 90)], "live", 100),  # u == id
        ([diff(102, 105, 100)], "live", 105),  # pu == id: contiguous without spanning
        ([diff(80, 90, 70), diff(95, 105, 90), diff(106, 110, 105)], "live", 110),
        ([diff(103, 105, 102)], "retry", 100),  # snapshot older than what was buffered
        ([diff(95, 105, 90), diff(112, 120, 111)], "retry", 105),  # a diff was lost among the buffered
    ],
)
def test_snapshot_meets_buffered_diffs(buffered: list[Diff], expected: str, last: int) -> None:
    sync = Synchronizer()
    for one in buffered:
        assert sync.on_diff(one) == "buffered"
    assert sync.on_snapshot(100, *BOOK) == expected
    assert sync.is_live == (expected == "live")
    assert sync.last == last


def test_first_diff_after_an_early_snapshot_makes_the_book_whole() -> None:
    sync = Synchronizer()
    assert sync.on_snapshot(100, *BOOK) == "buffered"
    assert sync.on_diff(diff(90, 99, 80)) == "buffered"
    assert sync.on_diff(diff(99, 103, 99)) == "live"


@pytest.fixture
def live() -> Synchronizer:
    sync = Synchronizer()
    sync.on_diff(diff(95, 105, 90))
    assert sync.on_snapshot(100, *BOOK) == "live"
    return sync


def test_continuity_is_by_pu_not_by_first_id(live: Synchronizer) -> None:
    assert live.on_diff(diff(150, 160, 105)) == "applied"


def test_duplicate_is_old_and_changes_nothing(live: Synchronizer) -> None:
    assert live.on_diff(diff(95, 105, 90, bids=((99, 1),))) == "old"
    assert live.book.best_bid == (99, 5)


def test_lost_diff_is_a_gap_and_a_new_snapshot_heals_it(live: Synchronizer) -> None:
    assert live.on_diff(diff(120, 130, 119)) == "gap"
    assert not live.is_live
    assert live.book.best_bid is None
    assert live.on_snapshot(125, *BOOK) == "live"
    assert live.last == 130


def test_deleting_an_unknown_level_is_normal(live: Synchronizer) -> None:
    assert live.on_diff(diff(106, 107, 105, bids=((50, 0), (98, 2)))) == "applied"
    assert live.book.bids(5) == [99, 5, 98, 2]
