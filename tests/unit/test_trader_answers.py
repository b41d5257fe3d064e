"""What answers and user events mean, signatures, the clock, filters, the account."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from services.trader.account import AccountBook
from services.trader.answers import classify, order_fact, placed
from services.trader.events import order_facts, trade_fact
from services.trader.facts import OrderFact, TradeFact
from services.trader.instrument import parse
from services.trader.signing import Signer, offset_ms, order_query
from shared.errors import BadFrame, BadSetting, VenueError
from shared.messages import Request
from shared.units import MS, SECOND, Scale

SCALE = Scale(100_000_000, 1_000_000)
ORDER: dict[str, Any] = {
    "orderId": 22,
    "clientOrderId": "lf-1",
    "status": "NEW",
    "side": "SELL",
    "origQty": "0.010",
    "executedQty": "0",
    "reduceOnly": True,
    "updateTime": 1790770782215,
}
CASES = [
    (200, ORDER, "order"),
    (200, "<html>", "unknown"),
    (200, [], "unknown"),
    (200, {}, "unknown"),
    (400, {"code": -2019, "msg": "Margin is insufficient."}, "refused"),
    (400, {"code": -2022, "msg": "ReduceOnly Order is rejected."}, "refused"),
    (400, {"code": -5022, "msg": "GTX"}, "refused"),
    (401, {"code": -2015, "msg": "Invalid API-key"}, "refused"),
    (400, {"code": -1021, "msg": "Timestamp"}, "clock"),
    (400, {"code": -5028, "msg": "Timestamp"}, "clock"),
    (400, {"code": -2013, "msg": "Order does not exist."}, "missing"),
    (400, {"code": -4116, "msg": "ClientOrderId is duplicated."}, "unknown"),
    (400, {"code": -1006, "msg": "execution status unknown"}, "unknown"),
    (400, {"code": -1007, "msg": "Timeout"}, "unknown"),
    (400, {"code": -1000, "msg": "unknown"}, "unknown"),
    (400, {"code": -1015, "msg": "Too many new orders"}, "limited"),
    (429, {"code": -1003, "msg": "Too many requests"}, "limited"),
    (418, {"code": -1003, "msg": "banned until"}, "banned"),
    (503, {"code": -1008, "msg": "Server is currently overloaded"}, "not_placed"),
    (503, {"code": 0, "msg": "Service Unavailable."}, "not_placed"),
    (503, "Service Unavailable.", "not_placed"),
    (503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}, "unknown"),
    (502, "<html>", "unknown"),
    (408, {"code": -1007, "msg": "Timeout"}, "unknown"),
    (403, "<html>WAF</html>", "unknown"),
]


@pytest.mark.parametrize(("status", "body", "kind"), CASES)
def test_only_a_definite_answer_is_final(status: int, body: object, kind: str) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    outcome = classify(status, data, {}, 5)
    assert outcome.kind == kind
    events = [fact.event for fact in placed("lf-1", outcome, SCALE)]
    known = {"order": ["accepted"], "missing": [], "refused": ["rejected"], "unknown": ["unknown"]}
    assert events == known.get(kind, ["not_placed"])


def test_an_order_object_becomes_a_fact() -> None:
    assert order_fact(ORDER, SCALE) == OrderFact(
        "lf-1", "accepted", 1790770782215 * MS, 22, side=-1, size_lots=10, reduce_only=True
    )
    with pytest.raises(BadFrame, match="HALTED"):
        order_fact({**ORDER, "status": "HALTED"}, SCALE)


FRAME: dict[str, Any] = {
    "e": "ORDER_TRADE_UPDATE",
    "T": 1568879465650,
    "o": {
        "s": "BTCUSDT",
        "c": "lf-1",
        "S": "BUY",
        "q": "0.010",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "i": 8886774,
        "l": "0.004",
        "z": "0.006",
        "L": "84000.10",
        "N": "USDT",
        "n": "0.0336",
        "T": 1568879465650,
        "t": 123,
        "m": True,
        "R": False,
        "rp": "-1.5",
    },
}


def test_a_user_event_is_the_state_and_then_the_trade() -> None:
    state, trade = order_facts(FRAME, SCALE)
    assert isinstance(state, OrderFact)
    assert (state.event, state.filled_lots, state.size_lots) == ("partly_filled", 6, 10)
    assert trade == TradeFact(
        8886774,
        123,
        1568879465650 * MS,
        1,
        840_001,
        4,
        Decimal("0.0336"),
        "USDT",
        True,
        Decimal("-1.5"),
        "lf-1",
    )
    quiet = {**FRAME, "o": {**FRAME["o"], "X": "EXPIRED_IN_MATCH", "l": "0", "er": "1"}}
    (state,) = order_facts(quiet, SCALE)
    assert isinstance(state, OrderFact)
    assert (state.event, state.reason) == ("expired", "er 1")


@pytest.mark.parametrize("change", [{"X": "WHAT"}, {"S": "HOLD"}, {"L": "1.23"}, {"q": None}, {"n": "x"}])
def test_a_user_event_that_cannot_be_used_says_so(change: dict[str, Any]) -> None:
    with pytest.raises(BadFrame):
        order_facts({**FRAME, "o": {**FRAME["o"], **change}}, SCALE)


def test_a_row_of_user_trades() -> None:
    row = {
        "id": 9,
        "orderId": 8,
        "time": 5,
        "side": "SELL",
        "price": "7819.0",
        "qty": "0.002",
        "commission": "0.0078",
        "commissionAsset": "USDT",
        "maker": False,
        "realizedPnl": "0.1",
    }
    fact = trade_fact(row, SCALE)
    assert (fact.trade_id, fact.order_id, fact.side, fact.size_lots, fact.client_id) == (9, 8, -1, 2, "")
    with pytest.raises(BadFrame):
        trade_fact({**row, "qty": None}, SCALE)


def test_the_published_signature() -> None:
    signer = Signer("2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9", 5000)
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
    signed = signer.signed(query, 1591702613943)
    assert signed == (
        f"{query}&recvWindow=5000&timestamp=1591702613943"
        "&signature=3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    )
    assert signer.signed(query, 1591702613943) == signed  # the prepared key is not used up


def test_orders_are_written_in_the_venues_decimals() -> None:
    limit = Request("place", "c-1", -1, "LIMIT", "IOC", 600_001, 10, False, "enter", "")
    assert order_query("BTCUSDT", limit, SCALE) == (
        "symbol=BTCUSDT&side=SELL&type=LIMIT&quantity=0.01&newClientOrderId=c-1&price=60000.1&timeInForce=IOC"
    )
    market = Request("place", "c-2", 1, "MARKET", "", 0, 3, True, "exit", "")
    assert order_query("币安USDT", market, SCALE) == (
        "symbol=%E5%B8%81%E5%AE%89USDT&side=BUY&type=MARKET&quantity=0.003&newClientOrderId=c-2&reduceOnly=true"
    )


def test_the_clocks_offset_is_the_median_and_survives_one_slow_answer() -> None:
    samples = [(n * MS, 5_000 + n, (n + 2) * MS) for n in range(4)]
    assert offset_ms([*samples, (0, 5_000, 900 * MS)]) == 4_999


INFO = {
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
                {"filterType": "LOT_SIZE", "stepSize": "0.001", "maxQty": "1000", "minQty": "0.001"},
                {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.001", "maxQty": "120", "minQty": "0.002"},
                {"filterType": "MIN_NOTIONAL", "notional": "50"},
            ],
        }
    ]
}


def test_filters_of_the_trading_venue() -> None:
    found = parse("BTCUSDT", INFO)
    assert (found.scale, found.min_lots, found.max_lots) == (SCALE, 2, 120_000)
    assert found.smallest_lots(100_000) == 5  # 50 USDT at 10,000
    assert found.smallest_lots(1_000_000) == 2
    assert found.reaches_notional(100_000, 5)
    assert not found.reaches_notional(100_000, 4)
    assert found.lots("0.01", "X") == 10
    for wrong in ("0.0015", "0.001"):
        with pytest.raises(BadSetting, match="LOBFLOW_SIZE"):
            found.lots(wrong, "LOBFLOW_SIZE")
    with pytest.raises(VenueError, match="ETHUSDT"):
        parse("ETHUSDT", INFO)


def test_prices_of_another_tick_are_rounded_towards_a_fill() -> None:
    found = parse("BTCUSDT", INFO)
    assert found.price_ticks(7, SCALE.tick_e9, 1) == 7
    assert found.price_ticks(600_001, 10_000_000, 1) == 60_001  # 6000.01: a buyer pays 6000.1
    assert found.price_ticks(600_001, 10_000_000, -1) == 60_000


def test_the_account_folds_changes_and_counts_funding() -> None:
    book = AccountBook(0, Decimal("-1"))
    risk = {
        "symbol": "BTCUSDT",
        "positionAmt": "0.010",
        "entryPrice": "60000",
        "markPrice": "60100",
        "unRealizedProfit": "1",
    }
    book.load([{"asset": "BNB", "balance": "3"}, {"asset": "USDT", "balance": "10000"}], [risk])
    assert (book.message().wallet, book.message().unrealized) == (Decimal(10_000), Decimal(1))
    order = {
        "m": "ORDER",
        "B": [{"a": "USDT", "wb": "9999.5", "bc": "0"}],
        "P": [{"s": "BTCUSDT", "pa": "-0.02", "ep": "60000", "up": "-2", "ps": "BOTH"}],
    }
    book.apply(order, 2 * SECOND)
    (position,) = book.message().positions
    assert (position.size, position.mark_price) == (Decimal("-0.02"), Decimal("60100"))
    book.apply({"m": "FUNDING_FEE", "B": [{"a": "USDT", "wb": "9999", "bc": "-0.5"}]}, 3 * SECOND)
    account = book.message()
    assert (account.wallet, account.funding) == (Decimal(9999), Decimal("-1.5"))
    assert account.exchange_ns == 3 * SECOND
