"""The gateway over real sockets against a venue that answers as it is told."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from services.trader.gateway import Gateway
from services.trader.risk import Approved
from shared.errors import VenueError
from shared.messages import Request
from shared.telemetry import Stamps
from shared.units import Scale

SCALE = Scale(100_000_000, 1_000_000)
SECRET = "local-secret"
APPROVED = Approved(Request("place", "lf-1", 1, "LIMIT", "IOC", 600_001, 10, False, "enter", ""))
ORDER = {
    "orderId": 22,
    "clientOrderId": "lf-1",
    "status": "NEW",
    "side": "BUY",
    "origQty": "0.010",
    "executedQty": "0",
    "updateTime": 5,
}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeVenue:
    """Answers each order request with the next of `script`; keeps what it was asked."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.asked: list[web.Request] = []
        self.ahead_ms = 0  # of its clock
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/fapi/v1/time", self._time)
        app.router.add_route("*", "/fapi/v1/order", self._order)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner
        await self._runner.cleanup()

    async def _time(self, request: web.Request) -> web.Response:
        return web.json_response({"serverTime": time.time_ns() // 1_000_000 + self.ahead_ms})

    async def _order(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.script.pop(0)(request)

    def then(self, status: int, body: Any, **headers: str) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.json_response(body, status=status, headers=headers)

        self.script.append(answer)


@pytest.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    made = FakeVenue()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def gateway(venue: FakeVenue) -> AsyncIterator[Gateway]:
    made = Gateway(venue.url, "key", SECRET, 5000, seconds=0.3)
    yield made
    await made.close()


async def test_what_is_signed_is_what_is_sent(venue: FakeVenue, gateway: Gateway) -> None:
    venue.then(200, ORDER)
    outcome = await gateway.place("BTCUSDT", APPROVED, SCALE, extra={"X-Extra": "7"})
    assert outcome.kind == "order"
    (request,) = venue.asked
    query, _, signature = request.rel_url.raw_query_string.rpartition("&signature=")
    assert signature == hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    assert (request.headers["X-MBX-APIKEY"], request.headers["X-Extra"]) == ("key", "7")
    params = {name: values[0] for name, values in parse_qs(query).items()}
    assert params.pop("timestamp").isdigit()
    assert params == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": "0.01",
        "price": "60000.1",
        "timeInForce": "IOC",
        "newClientOrderId": "lf-1",
        "recvWindow": "5000",
    }
    assert not request.can_read_body


async def test_no_answer_in_time_is_unknown_and_not_sent_again(venue: FakeVenue, gateway: Gateway) -> None:
    async def silence(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        raise AssertionError("the client has gone")

    venue.script.append(silence)
    assert (await gateway.place("BTCUSDT", APPROVED, SCALE)).kind == "unknown"
    assert len(venue.asked) == 1


async def test_a_connection_cut_after_the_request_is_unknown(venue: FakeVenue, gateway: Gateway) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.close()
        return web.Response()

    venue.script.append(cut)
    assert (await gateway.place("BTCUSDT", APPROVED, SCALE)).kind == "unknown"
    assert len(venue.asked) == 1


async def test_no_connection_at_all_is_not_placed(venue: FakeVenue) -> None:
    away = Gateway("http://127.0.0.1:9", "key", SECRET, 5000)
    try:
        outcome = await away.place("BTCUSDT", APPROVED, SCALE)
        assert (outcome.kind, outcome.reason[:13]) == ("not_placed", "no connection")
        with pytest.raises(VenueError, match="no answer"):
            await away.fetch("/fapi/v1/openOrders")
    finally:
        await away.close()


async def test_a_refused_clock_is_measured_and_the_request_sent_once_more(
    venue: FakeVenue, gateway: Gateway
) -> None:
    venue.ahead_ms = 90_000
    refusal = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
    venue.then(400, refusal)
    venue.then(200, ORDER)
    outcome = await gateway.place("BTCUSDT", APPROVED, SCALE)
    assert outcome.kind == "order"
    assert abs(gateway.offset_ms - 90_000) < 100
    first, second = (int(request.query["timestamp"]) for request in venue.asked)
    assert second - first > 89_000
    venue.then(400, refusal)
    venue.then(400, refusal)
    assert (await gateway.place("BTCUSDT", APPROVED, SCALE)).kind == "clock"
    assert len(venue.asked) == 4


async def test_after_a_429_orders_wait_and_cancels_do_not(venue: FakeVenue, gateway: Gateway) -> None:
    venue.then(429, {"code": -1003, "msg": "Too many requests"}, **{"Retry-After": "30"})
    assert (await gateway.place("BTCUSDT", APPROVED, SCALE)).kind == "limited"
    assert (await gateway.place("BTCUSDT", APPROVED, SCALE)).kind == "not_placed"
    assert len(venue.asked) == 1
    venue.then(200, {**ORDER, "status": "CANCELED"})
    assert (await gateway.cancel("BTCUSDT", APPROVED)).kind == "order"
    assert [request.method for request in venue.asked] == ["POST", "DELETE"]


async def test_after_a_418_nothing_is_sent(venue: FakeVenue, gateway: Gateway) -> None:
    venue.then(418, {"code": -1003, "msg": "banned until"}, **{"Retry-After": "30"})
    assert (await gateway.query("BTCUSDT", "lf-1")).kind == "banned"
    assert (await gateway.cancel("BTCUSDT", APPROVED)).kind == "banned"
    assert len(venue.asked) == 1


async def test_the_time_of_sending_is_marked_when_the_request_is_written(
    venue: FakeVenue, tmp_path: Path
) -> None:
    stamps = Stamps(tmp_path / "stamps")
    made = Gateway(venue.url, "key", SECRET, 5000, stamps=stamps)
    try:
        await made.warm()
        venue.then(200, ORDER)
        await made.place("BTCUSDT", APPROVED, SCALE, cause="17-0")
    finally:
        await made.close()
    stamps.write()
    (row,) = (tmp_path / "stamps").read_text().splitlines()
    assert row.startswith("sent 17-0 ")
