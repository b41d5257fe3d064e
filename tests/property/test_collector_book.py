"""Whatever happens to the diffs, the book is the true one or the loss was declared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.collector.facts import Diff
from services.collector.sync import Synchronizer
from shared.book import Book

levels = st.lists(st.tuples(st.integers(90, 99), st.integers(0, 3)), max_size=4)
sizes = st.integers(1, 4)
faults = st.lists(
    st.sampled_from(["send", "send", "send", "drop", "twice", "swap"]), min_size=60, max_size=60
)


def truth(changes: list[list[tuple[int, int]]], widths: list[int]) -> tuple[list[Diff], list[dict[int, int]]]:
    """The venue's diffs and its bids after each."""
    book, last, diffs, states = Book(), 0, [], [{}]
    for change, width in zip(changes, widths, strict=False):
        diffs.append(Diff(last + 1, last + width, last, 0, change, []))
        last += width
        book.apply(change, [])
        states.append(dict(book.bid_sizes))
    return diffs, states


@given(st.lists(levels, min_size=5, max_size=50), st.lists(sizes, min_size=50, max_size=50), faults)
def test_book_is_true_or_the_loss_is_declared(
    changes: list[list[tuple[int, int]]], widths: list[int], events: list[str]
) -> None:
    diffs, states = truth(changes, widths)
    ids = {0: 0, **{diff.last: n for n, diff in enumerate(diffs, 1)}}
    arriving: list[Diff] = []
    for diff, event in zip(diffs, events, strict=False):
        if event == "twice":
            arriving += [diff, diff]
        elif event == "swap" and arriving:
            arriving.insert(-1, diff)
        elif event != "drop":
            arriving.append(diff)
    sync = Synchronizer()
    newest = 0
    for diff in arriving:
        newest = max(newest, ids[diff.last])
        result = sync.on_diff(diff)
        if result in ("gap", "buffered", "retry"):
            # The shell fetches a snapshot; the venue gives its book as of the newest diff sent.
            venue_last = diffs[newest - 1].last
            sync.on_snapshot(venue_last, list(states[newest].items()), [])
        if sync.is_live:
            assert sync.book.bid_sizes == states[ids[sync.last]]
    if sync.is_live:
        assert sync.last <= diffs[newest - 1].last


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 5)), max_size=200))
def test_book_equals_a_plain_dictionary(steps: list[tuple[bool, int, int]]) -> None:
    book = Book()
    plain: dict[bool, dict[int, int]] = {True: {}, False: {}}
    for is_bid, price, size in steps:
        book.apply([(price, size)] if is_bid else [], [] if is_bid else [(price, size)])
        plain[is_bid].pop(price, None)
        if size:
            plain[is_bid][price] = size
        bids, asks = sorted(plain[True].items(), reverse=True), sorted(plain[False].items())
        assert book.bids(5) == [number for level in bids[:5] for number in level]
        assert book.asks(5) == [number for level in asks[:5] for number in level]
        assert book.best_bid == (bids[0] if bids else None)
        assert book.best_ask == (asks[0] if asks else None)
        assert book.is_crossed == bool(bids and asks and bids[0][0] >= asks[0][0])
