"""The exchange on a synthetic market: our orders take part, and what it books is what the market did."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.venue.core import Exchange
from services.venue.events import Event, Own
from services.venue.orders import Order, OrderRequest, Refusal
from services.venue.synthetic.board import synthetic
from services.venue.synthetic.frames import Frames
from services.venue.synthetic.market import SyntheticMarket
from services.venue.synthetic.source import GRID_NS, SyntheticSource
from shared.units import MS, SECOND

START_NS = 1_700_000_000 * SECOND
SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Venue:
    """Markets, source and exchange, advanced by hand."""

    def __init__(self) -> None:
        self.markets = {name: SyntheticMarket(name, 11, START_NS) for name in SYMBOLS}
        self.source = SyntheticSource(
            self.markets, {name: Frames(name, row.scale) for name, row in self.markets.items()}
        )
        rows = {name: synthetic(row, START_NS) for name, row in self.markets.items()}
        self.exchange = Exchange(rows, Decimal(100_000))
        self.events: list[Event | Own] = []

    def go_on(self, seconds: float) -> None:
        until_ns = self.source.align(self.source.horizon_ns + round(seconds * SECOND))
        while (event := self.source.take(until_ns)) is not None:
            self.events.append(event)
            if isinstance(event, Own):
                self.exchange.on_own(event)
            else:
                self.exchange.handle(event)

    def place(self, client_id: str, sign: int, lots: int, **more: object) -> Order | Refusal:
        values = {"kind": "MARKET", "time_in_force": "GTC", "price_ticks": 0, "reduce_only": False, **more}
        request = OrderRequest("BTCUSDT", client_id, sign, lots=lots, **values)  # type: ignore[arg-type]
        return self.exchange.place(request, self.source.horizon_ns)


@pytest.fixture
def venue() -> Venue:
    found = Venue()
    found.go_on(2)
    return found


def test_events_of_all_symbols_come_in_order_of_time(venue: Venue) -> None:
    venue.go_on(3)
    times = [event.at_ns if isinstance(event, Own) else event.recv_ns for event in venue.events]
    assert times == sorted(times)
    frames = [event for event in venue.events if isinstance(event, Event)]
    assert {event.symbol for event in frames} == set(SYMBOLS)
    assert {event.kind for event in frames} == {"depth", "bookTicker", "aggTrade", "markPrice"}
    assert [event.seq for event in frames] == list(range(1, len(frames) + 1))


def test_how_often_it_is_asked_changes_nothing(venue: Venue) -> None:
    other = Venue()
    while other.source.horizon_ns < venue.source.horizon_ns:
        other.go_on(GRID_NS / SECOND)
    assert other.events == venue.events
    assert other.source.take(other.source.horizon_ns + GRID_NS - 1) is None  # not a whole step
    assert venue.source.align(START_NS + 7 * MS) == START_NS + 10 * MS


def test_a_taker_is_filled_at_once_and_the_market_sees_it(venue: Venue) -> None:
    asks = venue.exchange.markets["BTCUSDT"].levels(-1, 3)
    lots = asks[0][1] + 1
    order = venue.place("taker", 1, lots)
    assert isinstance(order, Order)
    assert (order.status, order.executed_lots) == ("FILLED", lots)
    assert order.executed_tick_lots == asks[0][0] * asks[0][1] + asks[1][0]
    assert venue.exchange.markets["BTCUSDT"].levels(-1, 1)[0][0] == asks[1][0]
    venue.go_on(0.2)
    assert not any(isinstance(event, Own) for event in venue.events)  # its answer told it
    assert venue.exchange.history.last_trade_id == len(venue.exchange.history.fills)


def test_a_maker_is_filled_by_the_market_and_pays_as_one(venue: Venue) -> None:
    bid = venue.exchange.markets["BTCUSDT"].levels(1, 1)[0][0]
    order = venue.place("maker", 1, 7, kind="LIMIT", price_ticks=bid)
    assert isinstance(order, Order)
    assert order.status == "NEW"
    for _ in range(600):
        venue.go_on(0.1)
        if not order.is_open:
            break
    assert (order.status, order.executed_lots) == ("FILLED", 7)
    assert all(fill.is_maker and fill.price_ticks == bid for fill in venue.exchange.history.fills)
    assert not venue.exchange.open_orders()


def test_an_order_of_ours_that_meets_another_ends_that_one(venue: Venue) -> None:
    ask, size = venue.exchange.markets["BTCUSDT"].levels(-1, 1)[0]
    rests = venue.place("rests", -1, 5, kind="LIMIT", price_ticks=ask)
    taker = venue.place("takes", 1, size + 5, kind="LIMIT", time_in_force="IOC", price_ticks=ask)
    assert isinstance(rests, Order)
    assert isinstance(taker, Order)
    assert (taker.executed_lots, taker.status) == (size, "EXPIRED")
    venue.go_on(0.1)
    assert (rests.status, rests.executed_lots) == ("EXPIRED_IN_MATCH", 0)


def test_cancels_and_refusals(venue: Venue) -> None:
    bid = venue.exchange.markets["BTCUSDT"].levels(1, 1)[0][0]
    order = venue.place("rests", 1, 5, kind="LIMIT", price_ticks=bid - 100)
    assert isinstance(order, Order)
    now_ns = venue.source.horizon_ns
    assert venue.exchange.cancel("BTCUSDT", order.order_id, None, now_ns) is order
    assert isinstance(venue.exchange.cancel("BTCUSDT", order.order_id, None, now_ns), Refusal)
    crossing = venue.place("gtx", 1, 5, kind="LIMIT", time_in_force="GTX", price_ticks=bid + 50)
    assert isinstance(crossing, Refusal)
    assert crossing.code == -5022
    far = venue.place("fok", 1, 900_000, kind="LIMIT", time_in_force="FOK", price_ticks=bid + 1)
    assert isinstance(far, Refusal)
