"""Our orders against a book: walking, queueing, and what is remembered of levels."""

from __future__ import annotations

import pytest

from services.venue.engine import Engine
from services.venue.orders import Order, OrderRequest
from shared.book import Book

BIDS = [(100, 5), (99, 7)]
ASKS = [(101, 4), (103, 6)]


def engine() -> Engine:
    book = Book()
    book.load(BIDS, ASKS)
    return Engine(book)


def order(order_id: int, sign: int, price_ticks: int, lots: int) -> Order:
    return Order(
        order_id, OrderRequest("S", f"c{order_id}", sign, "LIMIT", "GTC", price_ticks, lots, False), 0, 0
    )


@pytest.mark.parametrize(
    ("sign", "limit", "lots", "expected"),
    [
        (1, 101, 3, [(101, 3)]),
        (1, 102, 9, [(101, 4)]),
        (1, 103, 9, [(101, 4), (103, 5)]),
        (1, 999, 99, [(101, 4), (103, 6)]),
        (1, 100, 9, []),
        (-1, 100, 9, [(100, 5)]),
        (-1, 0, 9, [(100, 5), (99, 4)]),
    ],
)
def test_taker_walks_displayed_sizes_up_to_its_limit(
    sign: int, limit: int, lots: int, expected: list[tuple[int, int]]
) -> None:
    taker = order(1, sign, limit, lots)
    assert [match[1:] for match in engine().take(taker, limit, lots)] == expected


def test_displayed_size_is_taken_once_until_a_diff_touches_the_level() -> None:
    market = engine()
    assert [match.lots for match in market.take(order(1, 1, 101, 3), 101, 3)] == [3]
    assert [match.lots for match in market.take(order(2, 1, 101, 3), 101, 3)] == [1]
    market.touch([(99, 8)], [])
    assert market.take(order(3, 1, 101, 3), 101, 3) == []
    market.book.apply([], [(101, 9)])
    market.touch([], [(101, 9)])
    assert [match.lots for match in market.take(order(4, 1, 101, 3), 101, 3)] == [3]


def test_resting_order_waits_behind_what_is_displayed() -> None:
    market = engine()
    mine = order(1, 1, 100, 2)
    market.rest(mine)
    assert market.on_trade(100, 3, True) == []
    assert mine.ahead_lots == 2
    assert [match.lots for match in market.on_trade(100, 3, True)] == [1]
    assert mine.ahead_lots == 0


def test_trade_of_the_other_side_at_the_price_moves_nothing() -> None:
    market = engine()
    mine = order(1, 1, 100, 2)
    market.rest(mine)
    assert market.on_trade(100, 50, False) == []
    assert mine.ahead_lots == 5


def test_queue_is_never_longer_than_what_is_displayed_and_never_grows() -> None:
    market = engine()
    mine = order(1, 1, 100, 2)
    market.rest(mine)
    for size, expected in ((3, 3), (9, 3), (0, 0)):
        market.book.apply([(100, size)], [])
        market.touch([(100, size)], [])
        assert mine.ahead_lots == expected


@pytest.mark.parametrize(("sign", "price", "trade"), [(1, 100, 99), (-1, 101, 102)])
def test_trade_beyond_the_price_fills_the_whole_at_our_price(sign: int, price: int, trade: int) -> None:
    market = engine()
    mine = order(1, sign, price, 4)
    market.rest(mine)
    (match,) = market.on_trade(trade, 1, sign > 0)
    assert (match.price_ticks, match.lots) == (price, 4)


def test_two_orders_of_ours_share_one_trade() -> None:
    market = engine()
    first, second = order(1, 1, 100, 2), order(2, 1, 100, 3)
    market.rest(first)
    market.rest(second)
    assert [(match.order.order_id, match.lots) for match in market.on_trade(100, 9, True)] == [(1, 2), (2, 2)]


def test_order_inside_the_spread_has_nobody_ahead() -> None:
    book = Book()
    book.load([(100, 5)], [(103, 5)])
    market = Engine(book)
    mine = order(1, 1, 101, 2)
    market.rest(mine)
    assert [match.lots for match in market.on_trade(101, 1, True)] == [1]


def test_crossing_is_judged_by_the_displayed_best() -> None:
    market = engine()
    assert market.would_cross(1, 101)
    assert not market.would_cross(1, 100)
    assert market.would_cross(-1, 100)
    assert not market.would_cross(-1, 101)
