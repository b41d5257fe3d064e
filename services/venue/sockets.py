"""The WebSocket paths: /public, /market and /private, routed as the venue routes them."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from services.venue.feeds import Feed
from services.venue.hub import Listener
from services.venue.listen_keys import ListenKeys
from services.venue.replay import Replay
from shared.units import MS

PING_SECONDS = 180.0  # the venue's interval
MOST_STREAMS = 1024


class Sockets:
    """Handlers of the WebSocket paths of one venue."""

    def __init__(self, replay: Replay, keys: ListenKeys) -> None:
        self._replay = replay
        self._hub = replay.hub
        self._keys = keys

    def routes(self) -> list[web.RouteDef]:
        """The paths; those without a category are accepted and stay silent."""
        found = []
        for category in ("/public", "/market", ""):
            found += [
                web.get(f"{category}/stream", self._market),
                web.get(f"{category}/ws", self._market),
                web.get(f"{category}/ws/{{streams:.+}}", self._market),
            ]
        for path in ("/private/stream", "/private/ws", "/private/ws/{key}"):
            found.append(web.get(path, self._private))
        return found

    async def _market(self, request: web.Request) -> web.WebSocketResponse:
        ws = await _opened(request)
        first = request.path.split("/")[1]
        is_combined = request.path.endswith("/stream")
        feed = Feed(
            first if first in ("public", "market") else None, is_combined, self._replay.exchange.instruments
        )
        names = request.query.get("streams", "") if is_combined else request.match_info.get("streams", "")
        feed.subscribe(name for name in names.split("/") if name)
        listener = Listener(ws, feed)
        self._hub.markets.append(listener)
        self._replay.wake.set()
        try:
            async for message in ws:
                if message.type is not WSMsgType.TEXT:
                    continue
                try:
                    answer = _control(feed, msgspec.json.decode(message.data))
                except msgspec.DecodeError:
                    await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Invalid JSON")
                    break
                self._replay.wake.set()
                await ws.send_str(msgspec.json.encode(answer).decode())
        finally:
            self._hub.drop(listener)
        return ws

    async def _private(self, request: web.Request) -> web.WebSocketResponse:
        ws = await _opened(request)
        key = request.match_info.get("key") or request.query.get("listenKey", "")
        if not key or key != self._keys.key:
            await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Invalid listenKey")
            return ws
        listener = Listener(ws, None, key)
        listener.is_combined = request.path.endswith("/stream")
        listener.wanted = frozenset(name for name in request.query.get("events", "").split("/") if name)
        self._hub.privates.append(listener)
        self._replay.wake.set()
        try:
            async for message in ws:
                if message.type is not WSMsgType.TEXT:
                    continue
                try:
                    wanted = msgspec.json.decode(message.data)
                except msgspec.DecodeError:
                    await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Invalid JSON")
                    break
                answer = self._private_control(wanted)
                if answer is not None:
                    await ws.send_str(msgspec.json.encode(answer).decode())
        finally:
            self._hub.drop(listener)
        return ws

    def _private_control(self, wanted: Any) -> dict[str, Any] | None:
        """Take the trader's cursor; anything else is acknowledged."""
        if not isinstance(wanted, dict) or wanted.get("method") != "REPLAY_CURSOR" or not self._hub.lockstep:
            return {"result": None, "id": wanted.get("id") if isinstance(wanted, dict) else None}
        try:
            symbol, market_ns, under_way = msgspec.convert(wanted.get("params"), tuple[str, int, list[str]])
        except msgspec.ValidationError as error:
            return {"code": 2, "msg": f"Invalid request: REPLAY_CURSOR: {error}"}
        self._replay.cursors.move(symbol, market_ns, under_way)
        self._replay.wake.set()
        return None

    async def expire_keys(self) -> None:
        """End a listenKey whose hour is over."""
        now_ns = time.time_ns()
        key = self._keys.expire(now_ns)
        if key is not None:
            await self._hub.end_key(key, now_ns // MS)


async def _opened(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False, heartbeat=PING_SECONDS)
    await ws.prepare(request)
    return ws


def _control(feed: Feed, wanted: Any) -> dict[str, Any]:
    """The answer to SUBSCRIBE, UNSUBSCRIBE or LIST_SUBSCRIPTIONS."""
    if not isinstance(wanted, dict) or type(wanted.get("id")) is not int or wanted["id"] < 0:
        return {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"}
    method, params = wanted.get("method"), wanted.get("params", [])
    if method == "LIST_SUBSCRIPTIONS":
        return {"result": list(feed.names), "id": wanted["id"]}
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        return {"code": 2, "msg": "Invalid request: invalid type, expected a list of strings"}
    if method == "SUBSCRIBE":
        if len(set(feed.names) | set(params)) > MOST_STREAMS:
            return {"code": 2, "msg": f"Invalid request: no more than {MOST_STREAMS} streams"}
        feed.subscribe(params)
    elif method == "UNSUBSCRIBE":
        feed.unsubscribe(params)
    else:
        return {"code": 2, "msg": f"Invalid request: unknown method {str(method)[:40]!r}"}
    return {"result": None, "id": wanted["id"]}
