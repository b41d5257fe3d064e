"""Whatever is ordered, the venue's books balance to the last digit."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue.boards import recorded
from services.venue.core import Exchange
from services.venue.events import Event, Instrument
from services.venue.orders import Order, OrderRequest
from shared.units import E9, Scale

SYMBOLS = {"AUSDT": Scale(E9 // 10, E9 // 1000), "BUSDT": Scale(E9 // 10_000_000, 7 * E9)}
OPENING = Decimal(1_000_000)

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"),
            st.sampled_from(sorted(SYMBOLS)),
            st.sampled_from((1, -1)),
            st.sampled_from(("MARKET", "GTC", "IOC", "FOK", "GTX")),
            st.integers(995, 1010),
            st.integers(1, 60_000),
            st.booleans(),
        ),
        st.tuples(st.just("cancel"), st.integers(1, 30)),
        st.tuples(
            st.just("trade"),
            st.sampled_from(sorted(SYMBOLS)),
            st.integers(993, 1012),
            st.integers(1, 90_000),
            st.booleans(),
        ),
        st.tuples(
            st.just("depth"),
            st.sampled_from(sorted(SYMBOLS)),
            st.integers(993, 1000),
            st.integers(1001, 1012),
            st.integers(0, 50_000),
        ),
    ),
    max_size=40,
)


def venue() -> Exchange:
    exchange = Exchange(
        {name: recorded(Instrument(name, scale, 0, 0, 1)) for name, scale in SYMBOLS.items()}, OPENING
    )
    for name, scale in SYMBOLS.items():
        sides = {
            "bids": [[scale.price_text(t), scale.size_text(20_000)] for t in range(990, 1001)],
            "asks": [[scale.price_text(t), scale.size_text(20_000)] for t in range(1001, 1015)],
        }
        data = msgspec.json.encode({"lastUpdateId": 1, **sides})
        exchange.handle(Event(1, 1, name, "snapshot", data))
    return exchange


def play(exchange: Exchange, script: list[tuple]) -> None:
    updates = dict.fromkeys(SYMBOLS, 1)
    for now_ns, step in enumerate(script, 2):
        if step[0] == "order":
            _, name, sign, kind, ticks, lots, reduce_only = step
            is_market = kind == "MARKET"
            request = OrderRequest(
                name, "", sign, "MARKET" if is_market else "LIMIT", "GTC" if is_market else kind,
                0 if is_market else ticks, lots, reduce_only,
            )  # fmt: skip
            exchange.place(request, now_ns)
        elif step[0] == "cancel":
            for name in SYMBOLS:
                exchange.cancel(name, step[1], None, now_ns)
        elif step[0] == "trade":
            _, name, ticks, lots, maker = step
            scale = SYMBOLS[name]
            row = {"p": scale.price_text(ticks), "q": scale.size_text(lots), "m": maker}
            exchange.handle(Event(now_ns, now_ns, name, "aggTrade", msgspec.json.encode(row)))
        else:
            _, name, bid, ask, lots = step
            scale, last = SYMBOLS[name], updates[name]
            levels = {
                "b": [[scale.price_text(bid), scale.size_text(lots)]],
                "a": [[scale.price_text(ask), scale.size_text(lots)]],
            }
            data = msgspec.json.encode({"U": last, "u": last + 1, "pu": last, **levels})
            updates[name] = last + 1
            exchange.handle(Event(now_ns, now_ns, name, "depth", data))


@settings(max_examples=150, deadline=None)
@given(steps)
def test_wallet_and_unrealized_equal_opening_plus_cash_flows(script: list[tuple]) -> None:
    exchange = venue()
    play(exchange, script)
    cash = OPENING
    held = dict.fromkeys(SYMBOLS, 0)
    for fill in exchange.history.fills:
        request = fill.order.request
        cash -= request.sign * SYMBOLS[request.symbol].money(fill.price_ticks, fill.lots) + fill.commission
        held[request.symbol] += request.sign * fill.lots
    worth = Decimal(0)
    for name, scale in SYMBOLS.items():
        quantity = Decimal(held[name] * scale.lot_e9) / E9
        assert exchange.account.position(name).quantity == quantity
        worth += quantity * exchange.mark(name)
    assert exchange.account.wallet + exchange.unrealized() == cash + worth
    assert exchange.net_pnl() == cash + worth - OPENING


@settings(max_examples=150, deadline=None)
@given(steps)
def test_orders_and_what_is_told_of_them_agree(script: list[tuple]) -> None:
    exchange = venue()
    play(exchange, script)
    told: dict[int, list[dict]] = {}
    for _, payload in exchange.take_events():
        if payload["e"] == "ORDER_TRADE_UPDATE":
            told.setdefault(payload["o"]["i"], []).append(payload["o"])
    assert set(told) == set(exchange.history.orders)
    resting = {order.order_id for order in exchange.open_orders()}
    for order in exchange.history.orders.values():
        filled = sum(fill.lots for fill in exchange.history.fills if fill.order is order)
        assert filled == order.executed_lots <= order.request.lots
        assert (order.status == "FILLED") == (filled == order.request.lots)
        assert order.is_open == (order.order_id in resting)
        assert told[order.order_id][0]["x"] == "NEW"
        assert told[order.order_id][-1]["X"] == order.status
        assert isinstance(exchange.find(order.request.symbol, order.order_id, None), Order)


@settings(max_examples=50, deadline=None)
@given(steps)
def test_same_script_gives_the_same_events(script: list[tuple]) -> None:
    first, second = venue(), venue()
    play(first, script)
    play(second, script)
    assert first.take_events() == second.take_events()
