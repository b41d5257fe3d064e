"""The public REST paths, and the replay's status."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from services.venue import filters, snapshots
from services.venue.answers import Answers
from services.venue.orders import Refusal
from services.venue.payloads import plain
from services.venue.quota import ORDERS_1M, ORDERS_10S, WEIGHT_1M
from services.venue.replay import Replay
from shared.settings import Settings
from shared.units import MS

DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
BOOK_SECONDS = 10.0  # how long a depth request waits for a book that is not whole yet
NO_BOOK = Refusal(-1000, "The recording's book is not whole here: no depth snapshot can be given.", 503)


class Rest:
    """Handlers of the paths that need no key."""

    def __init__(self, replay: Replay, answers: Answers, settings: Settings) -> None:
        self._replay = replay
        self._exchange = replay.exchange
        self._answers = answers
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        """The paths; add them last, because what is not among them is answered 404 in JSON."""
        return [
            web.get("/fapi/v1/ping", self._ping),
            web.get("/fapi/v1/time", self._time),
            web.get("/fapi/v1/exchangeInfo", self._exchange_info),
            web.get("/fapi/v1/depth", self._depth),
            web.get("/replay/status", self._status),
            web.route("*", "/{rest:.*}", self._unknown),
        ]

    async def _ping(self, request: web.Request) -> web.Response:
        return self._answers.weigh(1) or self._answers.give({})

    async def _time(self, request: web.Request) -> web.Response:
        return self._answers.weigh(1) or self._answers.give({"serverTime": time.time_ns() // MS})

    async def _exchange_info(self, request: web.Request) -> web.Response:
        limits = [
            ("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_1M),
            ("ORDERS", "MINUTE", 1, ORDERS_1M),
            ("ORDERS", "SECOND", 10, ORDERS_10S),
        ]
        names = ("rateLimitType", "interval", "intervalNum", "limit")
        return self._answers.weigh(1) or self._answers.give(
            {
                "timezone": "UTC",
                "serverTime": time.time_ns() // MS,
                "rateLimits": [dict(zip(names, row, strict=True)) for row in limits],
                "exchangeFilters": [],
                "assets": [{"asset": "USDT", "marginAvailable": True}],
                "symbols": [filters.describe(row) for row in self._exchange.instruments.values()],
            }
        )

    async def _depth(self, request: web.Request) -> web.Response:
        symbol, text = request.query.get("symbol", ""), request.query.get("limit", "500")
        if not symbol:
            return self._answers.refuse(filters.missing("symbol"))
        if symbol not in self._exchange.markets:
            return self._answers.refuse(Refusal(-1121, "Invalid symbol."))
        if not text.isdigit() or int(text) not in DEPTH_WEIGHTS:
            return self._answers.refuse(Refusal(-4021, f"{text[:20]} is not a valid depth limit."))
        limit = int(text)
        refused = self._answers.weigh(DEPTH_WEIGHTS[limit])
        if refused is not None:
            return refused
        at = request.headers.get("X-Replay-At")
        if self._settings.lockstep and at is not None:
            if not at.isdigit():
                return self._answers.refuse(filters.missing("X-Replay-At"))
            files, instruments = self._settings.venue_files, self._exchange.instruments
            place = await asyncio.to_thread(snapshots.find, files, instruments, symbol, int(at))
            if place is None:
                return self._answers.refuse(NO_BOOK)
            body = snapshots.cut(place.data, limit)
            return self._answers.give(body, {"X-Replay": f"{place.seq},{place.recv_ns}"})
        market = self._exchange.markets[symbol]
        if not await self._replay.until(lambda: market.is_whole, BOOK_SECONDS):
            return self._answers.refuse(NO_BOOK)
        return self._answers.give(snapshots.book(market, limit, self._replay.market_ns // MS))

    async def _status(self, request: web.Request) -> web.Response:
        replay, exchange = self._replay, self._exchange
        return self._answers.give(
            {
                "state": replay.state,
                "start_ns": replay.start_ns,
                "end_ns": replay.end_ns,
                "market_ns": replay.market_ns,
                "frames": replay.frames,
                "orders": exchange.history.last_order_id,
                "trades": exchange.history.last_trade_id,
                "wallet": plain(exchange.account.wallet),
                "unrealized": plain(exchange.unrealized()),
                "fees": plain(exchange.account.fees),
                "net_pnl": plain(exchange.net_pnl()),
            }
        )

    async def _unknown(self, request: web.Request) -> web.Response:
        return self._answers.unknown(request)
