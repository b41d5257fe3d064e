"""The exchange: reduce-only, gaps of the recording, mark price and margin."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from services.venue.boards import recorded
from services.venue.core import Exchange
from services.venue.events import Event, Instrument
from services.venue.lockstep import Cursors
from services.venue.orders import Order, OrderRequest, Refusal
from services.venue.quota import Quota
from shared.units import E9, SECOND, Scale

SCALE = Scale(E9 // 10, E9 // 1000)


def exchange() -> Exchange:
    found = Exchange({"BTCUSDT": recorded(Instrument("BTCUSDT", SCALE, 0, 0, 1))}, Decimal(1000))
    snapshot(found)
    return found


def send(venue: Exchange, kind: str, **data: object) -> None:
    venue.handle(Event(1, 1, "BTCUSDT", kind, msgspec.json.encode(data)))


def snapshot(venue: Exchange, update_id: int = 5) -> None:
    sides = {"bids": [["100.0", "5"]], "asks": [["100.1", "5"]]}
    send(venue, "snapshot", lastUpdateId=update_id, **sides)


def request(
    sign: int, lots: int, price_ticks: int = 0, tif: str = "GTC", reduce_only: bool = False
) -> OrderRequest:
    kind = "LIMIT" if price_ticks else "MARKET"
    return OrderRequest("BTCUSDT", "", sign, kind, tif, price_ticks, lots, reduce_only)


def accepted(answer: Order | Refusal) -> Order:
    assert isinstance(answer, Order), answer
    return answer


def test_gap_in_the_recording_closes_the_symbol_until_a_snapshot() -> None:
    venue = exchange()
    send(venue, "depth", U=5, u=8, pu=4, b=[["100.0", "4"]], a=[])
    send(venue, "depth", U=11, u=12, pu=10, b=[], a=[])
    answer = venue.place(request(1, 1000), 2)
    assert isinstance(answer, Refusal)
    assert answer.code == -4140
    assert venue.mark("BTCUSDT") == Decimal("100.05")
    snapshot(venue, 12)
    assert accepted(venue.place(request(1, 1000), 3)).status == "FILLED"


def test_recorded_mark_price_comes_before_the_middle() -> None:
    venue = exchange()
    assert venue.mark("BTCUSDT") == Decimal("100.05")
    send(venue, "markPrice", p="100.07654321")
    accepted(venue.place(request(1, 1000), 2))
    assert venue.unrealized() == Decimal("100.07654321") - Decimal("100.1")


def test_reduce_only_never_turns_the_position() -> None:
    venue = exchange()
    accepted(venue.place(request(1, 1000), 2))
    resting = accepted(venue.place(request(-1, 3000, 1010, reduce_only=True), 3))
    assert resting.status == "NEW"
    order = accepted(venue.place(request(-1, 3000, reduce_only=True), 4))
    assert (order.status, order.executed_lots) == ("EXPIRED", 1000)
    assert venue.account.position("BTCUSDT").quantity == 0
    assert resting.status == "EXPIRED"
    refused = venue.place(request(-1, 1000, reduce_only=True), 5)
    assert isinstance(refused, Refusal)
    assert refused.code == -2022


@pytest.mark.parametrize(("tif", "status"), [("GTC", "PARTIALLY_FILLED"), ("IOC", "EXPIRED")])
def test_rest_of_a_crossing_limit_rests_or_expires(tif: str, status: str) -> None:
    venue = exchange()
    order = accepted(venue.place(request(1, 8000, 1001, tif), 2))
    assert (order.status, order.executed_lots) == (status, 5000)
    assert len(venue.open_orders()) == (tif == "GTC")


def test_margin_counts_open_orders_but_lets_a_position_be_reduced() -> None:
    venue = exchange()
    sizes = [accepted(venue.place(request(1, 100_000, 999), n)).status for n in (2, 3)]
    assert sizes == ["NEW", "NEW"]  # 2 * 9,990 / 20 of 1,000
    refused = venue.place(request(1, 10_000, 999), 4)
    assert isinstance(refused, Refusal)
    assert refused.code == -2019
    assert accepted(venue.place(request(-1, 1000), 5)).status == "FILLED"


def test_cursor_counts_when_the_requests_it_names_are_here() -> None:
    cursors = Cursors({"A": 100, "B": 900})
    assert cursors.floor_ns == 100
    cursors.move("A", 200, ["x"])
    assert cursors.floor_ns == 100
    cursors.receive("x")
    assert cursors.floor_ns == 200
    cursors.move("A", 5000, [])
    assert cursors.floor_ns == 900  # B has not begun before 900 and is waited for from there
    cursors.move("C", 1, [])
    cursors.move("B", 1000, ["y"])
    cursors.move("B", 1100, [])
    assert cursors.floor_ns == 1100


def test_orders_are_limited_by_both_windows_and_only_where_applied() -> None:
    quota, counting = Quota(True), Quota(False)
    answers = [quota.take_order(0) for _ in range(301)]
    assert answers[:300] == [None] * 300
    assert answers[300] is not None
    assert (answers[300].code, answers[300].status) == (-1015, 429)
    assert quota.take_order(10 * SECOND) is None
    assert [counting.take_order(0) for _ in range(2000)] == [None] * 2000
    assert counting.orders_10s.used == 2000
