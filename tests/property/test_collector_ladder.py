"""The compiled book against a dictionary: near and far levels, moving markets, growth, packing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.ladder import Ladder
from services.collector.state import WINDOW
from shared.book import Book
from shared.codec import pack_tiers

# Prices within a window, across its borders, and anywhere up to the largest.
prices = st.one_of(
    st.integers(100_000, 100_060),
    st.integers(100_000 - 2 * WINDOW, 100_000 + 2 * WINDOW),
    st.integers(0, 2**62 - 1),
)
levels = st.lists(st.tuples(prices, st.sampled_from([0, 0, 1, 2, 10**12])), max_size=12)


def equal(ladder: Ladder, book: Book) -> bool:
    """Whether both say the same of everything that can be asked."""
    return (
        ladder.packed() == (pack_tiers(book.bids(20)), pack_tiers(book.asks(20)))
        and (ladder.best_bid, ladder.best_ask) == (book.best_bid, book.best_ask)
        and (ladder.bid_sizes, ladder.ask_sizes) == (book.bid_sizes, book.ask_sizes)
        and (ladder.bids(3), ladder.asks(3)) == (book.bids(3), book.asks(3))
        and ladder.is_crossed == book.is_crossed
    )


@settings(max_examples=200)
@given(st.lists(st.tuples(st.booleans(), levels, levels), max_size=12))
def test_equals_the_plain_book_after_every_step(steps: list[tuple[bool, object, object]]) -> None:
    ladder, book = Ladder(), Book()
    for is_snapshot, bids, asks in steps:
        for one in (ladder, book):
            (one.load if is_snapshot else one.apply)(bids, asks)  # type: ignore[arg-type]
        assert equal(ladder, book)


def test_market_that_runs_through_many_windows() -> None:
    ladder, book = Ladder(), Book()
    middle = 10 * WINDOW
    for step in range(150):
        middle += (step % 7 - 2) * WINDOW // 9 if step < 90 else -WINDOW // 5
        bids = [(middle - 1 - n * 3, 1 + n) for n in range(25)] + [
            (middle + n, 0) for n in range(0, WINDOW, 211)
        ]
        asks = [(middle + 1 + n * 3, 1 + n) for n in range(25)] + [
            (middle - n, 0) for n in range(0, WINDOW, 211)
        ]
        ladder.apply(bids, asks)
        book.apply(bids, asks)
        assert equal(ladder, book) if step % 10 == 0 else ladder.bids(20) == book.bids(20)


def test_far_levels_cost_no_memory_but_their_own() -> None:
    ladder = Ladder()
    ladder.apply([(260_000, 1)], [(260_001, 1)])
    before = ladder._state.nbytes + ladder._far.nbytes
    ladder.apply([(20_000, 5), (1, 5)], [(2**61, 5)])  # a bid at 200 while the market is at 2,600
    assert ladder._state.nbytes + ladder._far.nbytes == before
    assert ladder.bids(3) == [260_000, 1, 20_000, 5, 1, 5]


def test_many_far_levels_grow_the_table_and_levels_that_are_gone_do_not() -> None:
    ladder, book = Ladder(), Book()
    for start in range(0, 30_000, 3_000):
        come = [(10**9 + n * 1_000, 1) for n in range(start, start + 3_000)]
        gone = [(price, 0) for price, _ in come]
        for changes in (come, gone):
            ladder.apply([], [(1_000, 1), *changes])
            book.apply([], [(1_000, 1), *changes])
    assert equal(ladder, book)
    assert ladder._far.shape[1] <= 2 * 32_768
    many = [(10**9 + n * 1_000, 1) for n in range(20_000)]
    ladder.apply(many, [])
    book.apply(many, [])
    assert equal(ladder, book)
