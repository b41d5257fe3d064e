"""A venue that misbehaves on request, over real sockets: for tests of what the collector does about it.

It serves the venue's market data protocol (routed paths, combined streams, control messages, REST depth) with
a small market of its own, the same on all sockets, and knows what its book truly was after each update.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

LEVELS = 30
TIERS = 20
CATEGORY = {"depth": "public", "bookTicker": "public", "aggTrade": "market", "markPrice": "market"}
TRADES_EACH, MARKS_EACH = 2, 4  # steps


def kind_of(stream: str) -> str:
    return stream.partition("@")[2].partition("@")[0]


@dataclass(eq=False)
class Socket:
    """One connection, as the venue sees it."""

    ws: web.WebSocketResponse
    category: str
    streams: list[str]
    url_length: int
    delay: int = 0  # frames that are held back
    held: deque[str] = field(default_factory=deque)
    controls: list[float] = field(default_factory=list)  # when a control message came
    pongs: list[bytes] = field(default_factory=list)


@dataclass
class Market:
    """One symbol: levels around a mid that walks."""

    symbol: str
    mid: int = 10_000
    drift: int | None = (
        None  # ticks a step, through levels that never change; None: a walk, all levels change
    )
    levels: int = LEVELS
    update_id: int = 1000
    agg_id: int = 100
    bids: dict[int, int] = field(default_factory=dict)  # ticks -> lots
    asks: dict[int, int] = field(default_factory=dict)
    true_tops: dict[int, tuple[list[int], list[int]]] = field(default_factory=dict)  # by `u`

    def step(self, chance: random.Random) -> dict[str, Any]:
        """Walk on; returns the diff."""
        self.mid += chance.choice((-1, 0, 0, 1)) if self.drift is None else self.drift
        old = (self.bids, self.asks)
        self.bids, self.asks = (
            {
                price: self._size(price, chance)
                for price in (self.mid + way * at for at in range(1, self.levels + 1))
            }
            for way in (-1, 1)
        )
        changes = [
            {at: now.get(at, 0) for at in {*was, *now} if now.get(at, 0) != was.get(at, 0)}
            for was, now in zip(old, (self.bids, self.asks), strict=True)
        ]
        before, self.update_id = self.update_id, self.update_id + 4
        self.true_tops[self.update_id] = (self.top(-1), self.top(1))
        ids = {"U": before + 1, "u": self.update_id, "pu": before}
        return {**ids, "b": _rows(changes[0]), "a": _rows(changes[1])}

    def _size(self, price: int, chance: random.Random) -> int:
        return chance.choice((3, 3, 3, 5)) if self.drift is None else 3 + price % 5

    def top(self, side: int) -> list[int]:
        """The best 20 tiers as [ticks, lots, ...]."""
        levels = self.asks if side > 0 else self.bids
        best = sorted(levels, reverse=side < 0)[:TIERS]
        return [number for at in best for number in (at, levels[at])]


def _rows(levels: dict[int, int]) -> list[list[str]]:
    return [[f"{at / 10:.1f}", f"{lots / 1000:.3f}"] for at, lots in sorted(levels.items())]


class FaultyVenue:
    """The venue; its public attributes are the faults."""

    def __init__(self, *symbols: str, step_seconds: float = 0.02) -> None:
        self._step_seconds = step_seconds
        self.markets = {symbol: Market(symbol) for symbol in symbols}
        self.sockets: list[Socket] = []
        self.opened: list[Socket] = []  # every connection there ever was
        self.silent: set[str] = set()  # kinds or streams of which nothing is sent, acknowledged all the same
        self.is_frozen = False  # nothing is sent at all; connections stay
        self.delays: list[int] = []  # frames that the next connections are behind
        self.faults: dict[str, str] = {}  # stream -> what happens to its next frame: drop, twice, swap
        self.zero_trades = 0  # trades of price and quantity 0 to come
        self.skipped_trades: dict[str, int] = {}  # symbol -> ids to be left out once
        self.skew_ms = 0
        self.depth_answers: list[tuple[int, dict[str, str], str]] = []  # status, headers, body; then normal
        self.depth_requests: list[float] = []
        self.snapshot_levels = 1000  # a side
        self.info_answers: list[tuple[int, dict[str, str], str]] = []  # the same of exchangeInfo
        self.info_requests: list[float] = []
        self.trades_a_day: int | None = 1_000_000
        self.port = 0
        self._swapped: dict[str, dict[str, Any]] = {}
        self._chance = random.Random(7)
        self._steps = 0

    @property
    def settings(self) -> dict[str, object]:
        """The settings that point at it."""
        base = f"127.0.0.1:{self.port}"
        return {
            "data_rest_url": f"http://{base}",
            "data_public_url": f"ws://{base}/public",
            "data_market_url": f"ws://{base}/market",
        }

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FaultyVenue]:
        """Serve on a free port."""
        app = web.Application()
        for category in ("public", "market"):
            app.router.add_get(f"/{category}/stream", self._stream)
        app.router.add_get("/fapi/v1/{what}", self._rest)
        app.router.add_get("/fapi/v1/ticker/24hr", self._day)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        walking = asyncio.create_task(self._walk())
        try:
            yield self
        finally:
            walking.cancel()
            await self.close_all()
            await runner.cleanup()

    async def close_all(self) -> None:
        """Close every connection."""
        for socket in list(self.sockets):
            await socket.ws.close(code=WSCloseCode.GOING_AWAY)

    async def tell(self, message: dict[str, Any], category: str = "public") -> None:
        """Send something to every connection of a category."""
        for socket in self.sockets:
            if socket.category == category:
                await socket.ws.send_str(json.dumps(message))

    async def _walk(self) -> None:
        while True:
            await asyncio.sleep(self._step_seconds)
            self._steps += 1
            for market in self.markets.values():
                for kind, data in self._events(market):
                    await self._send(market.symbol, kind, data)

    def _events(self, market: Market) -> list[tuple[str, dict[str, Any]]]:
        now_ms = time.time_ns() // 1_000_000 + self.skew_ms
        head = {"E": now_ms, "T": now_ms, "s": market.symbol, "st": 1}
        out = [("depth", {"e": "depthUpdate", **head, **market.step(self._chance)})]
        bid, ask = market.top(-1), market.top(1)
        best = {"b": _rows({bid[0]: bid[1]})[0], "a": _rows({ask[0]: ask[1]})[0]}
        best = {"b": best["b"][0], "B": best["b"][1], "a": best["a"][0], "A": best["a"][1]}
        out.append(("bookTicker", {"e": "bookTicker", "u": market.update_id, **head, **best}))
        if self._steps % TRADES_EACH == 0:
            market.agg_id += 1 + self.skipped_trades.pop(market.symbol, 0)
            price, size = ("0", "0") if self.zero_trades else (best["a"], "0.003")
            self.zero_trades = max(0, self.zero_trades - 1)
            ids = {"a": market.agg_id, "f": market.agg_id, "l": market.agg_id}
            out.append(("aggTrade", {"e": "aggTrade", **head, **ids, "p": price, "q": size, "m": False}))
        if self._steps % MARKS_EACH == 0:
            mark = {"p": best["b"], "i": best["b"], "r": "0.0001", "T": now_ms + 3_600_000}
            out.append(("markPrice", {"e": "markPriceUpdate", **head, **mark}))
        return out

    async def _send(self, symbol: str, kind: str, data: dict[str, Any]) -> None:
        name = f"{symbol.lower()}@{kind}"
        frames = self._faulted(name, data)
        for socket in list(self.sockets):
            for stream in socket.streams:
                if stream != name and not stream.startswith(name + "@"):
                    continue
                if CATEGORY[kind] != socket.category or self.is_frozen or {kind, name} & self.silent:
                    continue
                for frame in frames:
                    socket.held.append(json.dumps({"stream": stream, "data": frame}))
            while len(socket.held) > socket.delay and not socket.ws.closed:
                try:
                    await socket.ws.send_str(socket.held.popleft())
                except ConnectionError:  # whoever was there has been killed; the market walks on
                    break

    def _faulted(self, name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        if name in self._swapped:
            return [data, self._swapped.pop(name)]
        match self.faults.pop(name, ""):
            case "drop":
                return []
            case "twice":
                return [data, data]
            case "swap":  # this one after the next one
                self._swapped[name] = data
                return []
        return [data]

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False, autoping=False)
        await ws.prepare(request)
        names = [name for name in request.query.get("streams", "").split("/") if name]
        delay = self.delays.pop(0) if self.delays else 0
        socket = Socket(ws, request.path.split("/")[1], names, len(request.path_qs), delay)
        self.sockets.append(socket)
        self.opened.append(socket)
        try:
            async for message in ws:
                if message.type is WSMsgType.PING:
                    await ws.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    socket.pongs.append(bytes(message.data))
                elif message.type is WSMsgType.TEXT:
                    socket.controls.append(time.monotonic())
                    wanted = json.loads(message.data)
                    if len(socket.streams) + len(wanted["params"]) > 1024:
                        await ws.send_str(json.dumps({"code": 2, "msg": "too many streams"}))
                        continue
                    socket.streams += wanted["params"]
                    await ws.send_str(json.dumps({"result": None, "id": wanted["id"]}))
        finally:
            self.sockets.remove(socket)
        return ws

    async def _day(self, request: web.Request) -> web.Response:
        if self.trades_a_day is None:
            raise web.HTTPNotFound
        return web.json_response({"symbol": request.query["symbol"], "count": self.trades_a_day})

    async def _rest(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        if what == "time":
            return web.json_response({"serverTime": time.time_ns() // 1_000_000 + self.skew_ms})
        if what == "exchangeInfo":
            self.info_requests.append(time.monotonic())
            if self.info_answers:
                status, headers, body = self.info_answers.pop(0)
                return web.Response(status=status, headers=headers, text=body)
            filters = [
                {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
                {"filterType": "LOT_SIZE", "stepSize": "0.001"},
            ]
            return web.json_response(
                {"symbols": [{"symbol": symbol, "filters": filters} for symbol in self.markets]}
            )
        self.depth_requests.append(time.monotonic())
        if self.depth_answers:
            status, headers, body = self.depth_answers.pop(0)
            return web.Response(status=status, headers=headers, text=body)
        market = self.markets[request.query["symbol"]]
        now_ms = time.time_ns() // 1_000_000
        answer = {"lastUpdateId": market.update_id, "E": now_ms, "T": now_ms}
        return web.json_response(
            {
                **answer,
                "bids": _rows(market.bids)[: -self.snapshot_levels - 1 : -1],
                "asks": _rows(market.asks)[: self.snapshot_levels],
            }
        )
