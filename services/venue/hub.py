"""All sockets of the venue: who is listening, and the sending of what they are owed.

Sends are awaited, so a slow reader slows the market down rather than losing frames; one that takes nothing
for `PATIENCE_SECONDS` while the market follows the clock is disconnected, as at the venue.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from services.venue.events import Event
from services.venue.feeds import Feed
from services.venue.payloads import Payload

PATIENCE_SECONDS = 5.0


class Listener:
    """One socket with what waits to be sent on it; `feed` is None on `/private`."""

    def __init__(self, ws: web.WebSocketResponse, feed: Feed | None, listen_key: str = "") -> None:
        self.ws = ws
        self.feed = feed
        self.listen_key = listen_key
        self.is_combined = False  # private: wrap events as on /private/stream
        self.wanted: frozenset[str] = frozenset()  # private: event types asked for; empty for all
        self.marked: tuple[int, int] | None = None  # the last watermark sent

    async def send(self, frames: list[bytes]) -> None:
        """Send all frames, waiting for the reader where its buffer is full."""
        for frame in frames:
            await self.ws.send_frame(frame, WSMsgType.TEXT)


class Hub:
    """The sockets of one venue. With `lockstep` frames carry what docs/replay.md says."""

    def __init__(self, lockstep: bool, latency_ns: int, log: logging.Logger) -> None:
        self.lockstep = lockstep
        self.latency_ns = latency_ns
        self.markets: list[Listener] = []
        self.privates: list[Listener] = []
        self._log = log
        self._user_events: deque[tuple[int, int, Payload]] = deque()  # (deliver_ns, n, payload), in order
        self._watermark = (0, 0)
        self._has_ended = False

    @property
    def has_audience(self) -> bool:
        """Whether somebody is subscribed on /public and on /market, and in lockstep on /private too: without
        the trader's cursor nothing could go on."""
        heard = {row.feed.category for row in self.markets if row.feed and row.feed.is_subscribed}
        return {"public", "market"} <= heard and (bool(self.privates) or not self.lockstep)

    def offer(self, event: Event) -> None:
        """Queue an event of the market for those subscribed to it."""
        replay = b',"replay":[%d,%d]' % (event.seq, event.recv_ns) if self.lockstep else b""
        for listener in self.markets:
            if listener.feed is not None:
                listener.feed.offer(event, replay)

    def tell(self, payload: Payload, number: int, deliver_ns: int) -> None:
        """Queue a user event for the moment at which the user may know it."""
        self._user_events.append((deliver_ns, number, payload))

    def mark(self, seq: int, market_ns: int, has_ended: bool) -> None:
        """Say that everything up to `seq` is queued and nothing at or before `market_ns` follows."""
        self._watermark, self._has_ended = (seq, market_ns), has_ended

    async def flush(self, market_ns: int) -> None:
        """Send what is queued, then the watermarks."""
        due: list[tuple[int, int, Payload]] = []
        while self._user_events and (
            self.lockstep or self._has_ended or self._user_events[0][0] <= market_ns
        ):
            due.append(self._user_events.popleft())
        for listener in [*self.privates]:
            frames = [_user_frame(listener, row, self.lockstep) for row in due if _wants(listener, row[2])]
            # Events of this very moment may still follow: their requests wait for the market to move on.
            frames += self._watermarks(listener, (0, self._watermark[1] + self.latency_ns - 1))
            await self._send(listener, frames)
        for listener in [*self.markets]:
            if listener.feed is not None:
                frames, listener.feed.outbox = listener.feed.outbox, []
                frames += self._watermarks(listener, self._watermark)
                await self._send(listener, frames)

    def _watermarks(self, listener: Listener, watermark: tuple[int, int]) -> list[bytes]:
        if not self.lockstep or not self._watermark[1] or listener.marked == watermark:
            return []
        listener.marked = watermark
        frames = [b'{"replay":{"watermark":[%d,%d]}}' % watermark]
        if self._has_ended and listener.feed is not None:
            frames.append(b'{"replay":{"end":[%d,%d]}}' % watermark)
        return frames

    async def _send(self, listener: Listener, frames: list[bytes]) -> None:
        if not frames:
            return
        try:
            async with asyncio.timeout(None if self.lockstep else PATIENCE_SECONDS):
                await listener.send(frames)
        except ConnectionError:
            self.drop(listener)  # the peer closed; its handler ends by itself
        except TimeoutError:
            self._log.warning("a reader took nothing for %g s and is disconnected", PATIENCE_SECONDS)
            self.drop(listener)
            await listener.ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"slow reader")

    def drop(self, listener: Listener) -> None:
        """Forget a socket."""
        for rows in (self.markets, self.privates):
            if listener in rows:
                rows.remove(listener)

    async def close(self) -> None:
        """Close every socket; the venue is going away."""
        for listener in [*self.markets, *self.privates]:
            await listener.ws.close(code=WSCloseCode.GOING_AWAY, message=b"shutdown")

    async def end_key(self, key: str, now_ms: int) -> None:
        """Tell the sockets of a listenKey that it is no more; they stay open and silent."""
        payload: dict[str, Any] = {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}
        for listener in [row for row in self.privates if row.listen_key == key]:
            await self._send(listener, [msgspec.json.encode(payload)])
            self.drop(listener)


def _wants(listener: Listener, payload: Payload) -> bool:
    return not listener.wanted or payload["e"] in listener.wanted


def _user_frame(listener: Listener, row: tuple[int, int, Payload], lockstep: bool) -> bytes:
    deliver_ns, number, payload = row
    replay = {"replay": [number, deliver_ns]} if lockstep else {}
    if listener.is_combined:
        return msgspec.json.encode({"stream": listener.listen_key, "data": payload, **replay})
    return msgspec.json.encode({**payload, **replay})
