"""The REST paths that need a key: orders, account, listenKeys.

In lockstep a request that has an effect names its cause (`X-Replay-Cause`, `X-Replay-Request`); it is
answered when the market has come to its time, with the time at which the trader may know it (docs/replay.md).
"""

from __future__ import annotations

import time
from typing import NamedTuple

from aiohttp import web

from services.venue import signing
from services.venue.account_api import AccountApi, Call, Params
from services.venue.answers import Answers
from services.venue.listen_keys import UNKNOWN, ListenKeys
from services.venue.orders import Refusal
from services.venue.payloads import Payload
from services.venue.replay import Replay
from shared.settings import Settings
from shared.units import MS

Outcome = tuple["Payload | list[Payload] | Refusal", dict[str, str]]  # and the headers that go with it


class Route(NamedTuple):
    """How one signed call is served."""

    call: Call
    weight: int
    is_order: bool = False  # counts as a new order
    has_effect: bool = False  # happens at its market time, not at once


class Signed:
    """Handlers of the paths that need a key."""

    def __init__(self, replay: Replay, answers: Answers, keys: ListenKeys, settings: Settings) -> None:
        self._replay = replay
        self._answers = answers
        self._keys = keys
        self._lockstep = settings.lockstep
        self._api_key = settings.api_key.get_secret_value()
        self._api_secret = settings.api_secret.get_secret_value()
        api = AccountApi(replay.exchange)
        self._table = {
            ("POST", "/fapi/v1/order"): Route(api.place, 0, is_order=True, has_effect=True),
            ("DELETE", "/fapi/v1/order"): Route(api.cancel, 1, has_effect=True),
            ("DELETE", "/fapi/v1/allOpenOrders"): Route(api.cancel_all, 1, has_effect=True),
            ("GET", "/fapi/v1/order"): Route(api.order, 1),
            ("GET", "/fapi/v1/openOrders"): Route(api.open_orders, 1),
            ("GET", "/fapi/v1/userTrades"): Route(api.user_trades, 5),
            ("GET", "/fapi/v1/income"): Route(api.income, 30),
            ("GET", "/fapi/v1/commissionRate"): Route(api.commission_rate, 20),
            ("GET", "/fapi/v3/positionRisk"): Route(api.position_risk, 5),
            ("GET", "/fapi/v3/account"): Route(api.account, 5),
            ("GET", "/fapi/v3/balance"): Route(api.balance, 5),
        }

    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        found = [web.route(method, path, self._serve) for method, path in self._table]
        return [*found, web.route("*", "/fapi/v1/listenKey", self._listen_key)]

    async def _serve(self, request: web.Request) -> web.Response:
        """One signed call: its checks, then the call, at its market time where it has an effect."""
        route = self._table[request.method, request.path]
        query, body = request.raw_path.partition("?")[2], await request.text()
        request_id = request.headers.get("X-Replay-Request")
        cause_ns = _whole(request.headers.get("X-Replay-Cause"))
        extra: dict[str, str] = {}
        if self._lockstep and cause_ns is not None:
            extra["X-Replay"] = f"0,{cause_ns + 2 * self._replay.latency_ns}"
        try:
            refused = self._answers.weigh(route.weight) if route.weight else None
            if refused is not None:
                refused.headers.update(extra)
                return refused
            refusal = self._check(request, query, body)
            if refusal is not None:
                return self._answers.refuse(refusal, extra)
            params = signing.parameters(query, body)
            if not route.has_effect:
                return self._give((route.call(params, self._replay.market_ns), extra))
            rank = (route.is_order, request_id or params.get("newClientOrderId", ""))
            done = self._replay.schedule(
                lambda now_ns: self._effect(route, params, now_ns), cause_ns if self._lockstep else None, rank
            )
        finally:
            self._replay.receive(request_id)  # a refused request has arrived as well
        result, counts = await done
        return self._give((result, {**extra, **counts}))

    def _effect(self, route: Route, params: Params, now_ns: int) -> Outcome:
        refusal = self._answers.count_order() if route.is_order else None
        counts = self._answers.order_counts() if route.is_order else {}
        if refusal is not None:
            return refusal, counts
        self._replay.journal(now_ns, route.call.__name__, params)
        return route.call(params, now_ns), counts

    def _give(self, outcome: Outcome) -> web.Response:
        result, headers = outcome
        if isinstance(result, Refusal):
            return self._answers.refuse(result, headers)
        return self._answers.give(result, headers)

    def _check(self, request: web.Request, query: str, body: str) -> Refusal | None:
        return signing.check_key(
            request.headers.get("X-MBX-APIKEY"), self._api_key
        ) or signing.check_signature(query, body, self._api_secret, time.time_ns() // MS)

    async def _listen_key(self, request: web.Request) -> web.Response:
        refused = self._answers.weigh(1)
        if refused is not None:
            return refused
        refusal = signing.check_key(request.headers.get("X-MBX-APIKEY"), self._api_key)
        if refusal is not None:
            return self._answers.refuse(refusal)
        now_ns = time.time_ns()
        if request.method == "POST":
            return self._answers.give({"listenKey": self._keys.create(now_ns)})
        if request.method == "PUT":
            key = self._keys.renew(now_ns)
            return (
                self._answers.refuse(key)
                if isinstance(key, Refusal)
                else self._answers.give({"listenKey": key})
            )
        if request.method != "DELETE":
            return self._answers.unknown(request)
        dropped = self._keys.drop()
        if dropped is None:
            return self._answers.refuse(UNKNOWN)
        await self._replay.hub.end_key(dropped, now_ns // MS)
        return self._answers.give({})


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
