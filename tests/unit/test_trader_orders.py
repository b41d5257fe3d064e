"""The order table, pair by pair, and the book of orders."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest

from services.trader.orders import ENDED, EVENTS, NEXT, IllegalEvent, Order, Orders, Status
from shared.messages import Fill, OrderUpdate, Request

REQUEST = Request("place", "c-1", 1, "MARKET", "", 0, 10, False, "enter", "")


def update(event: str, filled: int = 0, order_id: int = 7, client_id: str = "c-1") -> OrderUpdate:
    return OrderUpdate("5-0", 0, client_id, "5-0", order_id, 1, event, "", 10, filled, False, "")


def fill(trade_id: int, lots: int) -> Fill:
    zero = Decimal(0)
    return Fill("5-0", 0, "c-1", "5-0", 7, trade_id, 1, 100, lots, 1, 1, zero, "USDT", False, zero)


@pytest.mark.parametrize(("status", "event"), list(product(Status, EVENTS)))
def test_every_pair_is_legal_or_raises(status: Status, event: str) -> None:
    order = Order("c-1", "5-0", 1, 10, REQUEST)
    order.status = status
    if (status, event) in NEXT:
        assert order.after(event) is NEXT[status, event]
    else:
        with pytest.raises(IllegalEvent, match=status.value):
            order.after(event)


def test_what_ended_stays_ended_but_for_a_late_record() -> None:
    for (status, event), after in NEXT.items():
        if status in ENDED and status is not Status.NOT_PLACED:
            assert after is status, (status, event)


def test_the_table_can_only_be_left_by_statuses_it_names() -> None:
    assert {status for status, _ in NEXT} == set(Status)
    assert {event for _, event in NEXT} == set(EVENTS)


def test_a_fill_before_the_acknowledgement() -> None:
    orders = Orders()
    orders.place("5-0", REQUEST)
    orders.update(update("filled", 10))
    assert orders.live  # it reports trades that are not booked yet
    assert orders.book(fill(1, 10))
    assert not orders.live
    order = orders.update(update("accepted"))
    assert order.status is Status.FILLED
    assert not orders.live


def test_a_trade_is_booked_once() -> None:
    orders = Orders()
    orders.place("5-0", REQUEST)
    assert orders.book(fill(1, 4))
    assert not orders.book(fill(1, 4))
    assert orders.by_client["c-1"].filled_lots == 4
    assert orders.last_trade_id == 1


def test_more_filled_than_ordered_is_a_broken_invariant() -> None:
    orders = Orders()
    orders.place("5-0", REQUEST)
    orders.book(fill(1, 8))
    with pytest.raises(IllegalEvent, match="12 of 10"):
        orders.book(fill(2, 4))


def test_an_order_without_intent_is_adopted() -> None:
    orders = Orders()
    order = orders.update(update("accepted", client_id="c-9"))
    assert order.status is Status.NEW
    assert order.purpose == ""
    assert "c-9" in orders.live
    assert orders.by_id[7] is order


def test_a_canceled_order_waits_for_the_trade_it_reports() -> None:
    orders = Orders()
    orders.place("5-0", REQUEST)
    order = orders.update(update("canceled", 3))
    assert order.is_live
    assert order.open_lots == 3
    orders.book(fill(1, 3))
    assert not order.is_live
    assert order.open_lots == 0
