"""The venue's REST over real sockets: what it accepts, and every refusal by its code."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
from test_venue_lockstep import SECOND, serving, settings_of, write_recording

from services.venue.signing import sign
from shared.units import MS

KEY = {"X-MBX-APIKEY": "local-key"}


class Client:
    """A signed client of one venue in real time whose market runs."""

    def __init__(self, host: str, session: aiohttp.ClientSession) -> None:
        self.base, self.ws, self.session = f"http://{host}", f"ws://{host}", session

    async def call(
        self, method: str, path: str, headers: dict[str, str] = KEY, **params: Any
    ) -> tuple[int, Any]:
        """One signed request. Returns (status, JSON)."""
        stamp = {"timestamp": str(time.time_ns() // MS)}
        query = urlencode({**stamp, **params})
        url = f"{self.base}{path}?{query}&signature={sign('local-secret', query)}"
        async with self.session.request(method, url, headers=headers) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json()

    async def order(self, **params: Any) -> tuple[int, Any]:
        """POST order on BTCUSDT."""
        return await self.call("POST", "/fapi/v1/order", **{"symbol": "BTCUSDT", **params})

    async def raw(self, method: str, path: str, **headers: str) -> tuple[int, Any]:
        """One unsigned request."""
        async with self.session.request(method, self.base + path, headers=headers) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json()


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    recording = write_recording(tmp_path / "r", seconds=60)
    settings = settings_of([recording], lockstep=False, venue_speed=1.0, venue_balance=Decimal(1000))
    async with serving(settings) as host, aiohttp.ClientSession() as session:
        found = Client(host, session)
        _, answer = await found.raw("POST", "/fapi/v1/listenKey", **KEY)
        async with (
            session.ws_connect(f"ws://{host}/public/stream?streams=btcusdt@depth@100ms"),
            session.ws_connect(f"ws://{host}/market/stream?streams=btcusdt@aggTrade"),
            session.ws_connect(f"ws://{host}/private/ws/{answer['listenKey']}") as found.private,
        ):
            status, _ = await found.raw("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=5")
            assert status == 200  # it waits until the book is whole
            yield found


def test_signature_is_that_of_the_venues_documents() -> None:
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    payload = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
        "&recvWindow=5000&timestamp=1591702613943"
    )
    assert sign(secret, payload) == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


LIMIT = {"side": "BUY", "type": "LIMIT", "price": "99.5", "quantity": "1", "timeInForce": "GTC"}
MARKET = {"side": "BUY", "type": "MARKET", "quantity": "1"}


REFUSED = [
    ({**MARKET, "symbol": "NOPEUSDT"}, -1121),
    ({**MARKET, "side": ""}, -1102),
    ({**MARKET, "side": "UP"}, -1117),
    ({**MARKET, "type": "ICEBERG"}, -1116),
    ({**MARKET, "type": "STOP_MARKET"}, -4120),
    ({**MARKET, "positionSide": "LONG"}, -4061),
    ({**MARKET, "newClientOrderId": "ä" * 4}, -4015),
    ({**MARKET, "price": "100"}, -1106),
    ({**MARKET, "quantity": "0"}, -4003),
    ({**MARKET, "quantity": "-1"}, -4003),
    ({**MARKET, "quantity": "one"}, -1102),
    ({**MARKET, "quantity": "0.0001"}, -1111),
    ({**MARKET, "quantity": "5000"}, -4005),
    ({**MARKET, "quantity": "0.001"}, -4164),
    ({**MARKET, "quantity": "1000", "reduceOnly": "true"}, -2022),
    ({**MARKET, "quantity": "1000"}, -2019),
    ({**LIMIT, "timeInForce": ""}, -1102),
    ({**LIMIT, "timeInForce": "DAY"}, -1115),
    ({**LIMIT, "price": "99.55"}, -4014),
    ({**LIMIT, "price": "99.555"}, -1111),
    ({**LIMIT, "price": "0"}, -4013),
    ({**LIMIT, "price": "9999999"}, -4002),
    ({**LIMIT, "price": "150"}, -4016),
    ({**LIMIT, "price": "50", "side": "SELL"}, -4024),
    ({**LIMIT, "price": "102", "timeInForce": "GTX"}, -5022),
    ({**LIMIT, "price": "99.5", "timeInForce": "FOK"}, -5021),
]


async def test_orders_are_refused_with_the_venues_codes(client: Client) -> None:
    for params, code in REFUSED:
        status, answer = await client.order(**params)
        assert (status, answer.get("code")) == (400, code), params
    assert (await client.call("GET", "/fapi/v1/openOrders", symbol="BTCUSDT"))[1] == []
    assert (await client.raw("GET", "/replay/status"))[1]["orders"] == 0


async def test_request_is_refused_by_key_signature_and_time(client: Client) -> None:
    now_ms = time.time_ns() // MS
    path = "/fapi/v3/balance"
    assert (await client.call("GET", path, headers={}))[1]["code"] == -2014
    status, answer = await client.call("GET", path, headers={"X-MBX-APIKEY": "other"})
    assert (status, answer["code"]) == (401, -2015)
    assert (await client.call("GET", path, timestamp=now_ms + 2000))[1]["code"] == -1021
    assert (await client.call("GET", path, timestamp=now_ms - 6000))[1]["code"] == -1021
    assert (await client.call("GET", path, timestamp=now_ms - 6000, recvWindow=9000))[0] == 200
    assert (await client.call("GET", path, recvWindow=70000))[1]["code"] == -1131
    assert (await client.raw("GET", path, **KEY))[1]["code"] == -1102
    query = f"{path}?timestamp={now_ms}"
    assert (await client.raw("GET", query, **KEY))[1]["code"] == -1102
    assert (await client.raw("GET", f"{query}&signature=00", **KEY))[1]["code"] == -1022
    status, answer = await client.raw("GET", "/fapi/v1/nothing")
    assert (status, answer["code"]) == (404, -5000)


async def test_parameters_in_the_body_are_signed_after_the_query(client: Client) -> None:
    query, body = "symbol=BTCUSDT&side=BUY", f"type=MARKET&quantity=1&timestamp={time.time_ns() // MS}"
    url = f"{client.base}/fapi/v1/order?{query}"
    data = f"{body}&signature={sign('local-secret', query + body)}"
    headers = {**KEY, "Content-Type": "application/x-www-form-urlencoded"}
    async with client.session.post(url, data=data, headers=headers) as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "FILLED")


async def test_order_lives_and_ends_as_at_the_venue(client: Client) -> None:
    status, placed = await client.order(**LIMIT, newClientOrderId="x-1")
    assert (status, placed["status"]) == (200, "NEW")
    assert not {"avgPrice", "cumQuote"} & set(placed)
    assert client.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert (await client.order(**LIMIT, newClientOrderId="x-1"))[1]["code"] == -4116
    named = {"symbol": "BTCUSDT", "origClientOrderId": "x-1"}
    assert (await client.call("GET", "/fapi/v1/order", **named))[1]["avgPrice"] == "0"
    assert (await client.call("DELETE", "/fapi/v1/order", **named))[1]["status"] == "CANCELED"
    assert (await client.call("DELETE", "/fapi/v1/order", **named))[1]["code"] == -2011
    unknown = {"symbol": "BTCUSDT", "origClientOrderId": "x-2"}
    assert (await client.call("GET", "/fapi/v1/order", **unknown))[1]["code"] == -2013
    assert (await client.order(**LIMIT, newClientOrderId="x-1"))[0] == 200  # free again
    assert (await client.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT"))[1]["code"] == 200
    assert (await client.call("GET", "/fapi/v1/openOrders"))[1] == []


async def test_money_adds_up_over_the_calls(client: Client) -> None:
    await client.order(**MARKET)
    _, trades = await client.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", fromId=1)
    _, (risk,) = await client.call("GET", "/fapi/v3/positionRisk")
    _, account = await client.call("GET", "/fapi/v3/account")
    assert risk["positionAmt"] == "1"
    assert sum(float(row["qty"]) for row in trades) == 1.0
    fees = sum(float(row["commission"]) for row in trades)
    assert float(account["totalWalletBalance"]) == pytest.approx(1000 - fees, abs=1e-9)
    _, rate = await client.call("GET", "/fapi/v1/commissionRate", symbol="BTCUSDT")
    assert rate["takerCommissionRate"] == "0.0005"
    await client.order(**{**MARKET, "side": "SELL", "reduceOnly": "true"})
    _, status = await client.raw("GET", "/replay/status")
    assert Decimal(status["unrealized"]) == 0
    assert Decimal(status["net_pnl"]) == Decimal(status["wallet"]) - 1000


async def test_fill_is_told_lite_first_then_account_then_order(client: Client) -> None:
    await client.order(**MARKET, newClientOrderId="m")
    kinds = [(await client.private.receive_json(timeout=5))["e"] for _ in range(4)]
    assert kinds == ["ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"]


async def test_exchange_info_and_time_are_public(client: Client) -> None:
    _, info = await client.raw("GET", "/fapi/v1/exchangeInfo")
    (row,) = info["symbols"]
    found = {rule["filterType"]: rule for rule in row["filters"]}
    assert found["PRICE_FILTER"]["tickSize"] == "0.1"
    assert found["LOT_SIZE"]["stepSize"] == "0.001"
    assert found["MIN_NOTIONAL"]["notional"] == "50"
    _, answer = await client.raw("GET", "/fapi/v1/time")
    assert abs(answer["serverTime"] * MS - time.time_ns()) < SECOND
    assert (await client.raw("GET", "/fapi/v1/ping"))[1] == {}
    assert (await client.raw("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=7"))[1]["code"] == -4021


async def test_weight_and_orders_are_limited(client: Client) -> None:
    for _ in range(400):
        status, answer = await client.raw("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
        if status != 200:
            break
    assert (status, answer["code"]) == (429, -1003)
    assert int(client.headers["X-MBX-USED-WEIGHT-1M"]) > 2400
    assert 0 < int(client.headers["Retry-After"]) <= 60


async def test_listen_key_is_one_and_ends(client: Client) -> None:
    _, first = await client.raw("POST", "/fapi/v1/listenKey", **KEY)
    _, second = await client.raw("PUT", "/fapi/v1/listenKey", **KEY)
    assert first == second
    assert (await client.raw("POST", "/fapi/v1/listenKey"))[0] == 401
    assert (await client.raw("DELETE", "/fapi/v1/listenKey", **KEY))[0] == 200
    assert (await client.private.receive_json(timeout=5))["e"] == "listenKeyExpired"
    assert (await client.raw("PUT", "/fapi/v1/listenKey", **KEY))[1]["code"] == -1125
    async with client.session.ws_connect(f"{client.ws}/private/ws/{first['listenKey']}") as socket:
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
