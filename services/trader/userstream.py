"""The user stream: one socket for all symbols, and reconciliation each time it is opened anew."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import msgspec

from services.trader.desk import Desk
from services.trader.events import order_facts
from services.trader.facts import Fact, PositionFact
from services.trader.gateway import LOST, Gateway
from services.trader.merge import AccountChange
from services.trader.opening import refresh_account
from services.trader.reconcile import reconcile
from shared.errors import BadFrame, VenueError
from shared.runner import Context, sleep_unless
from shared.units import MS

KEEP_ALIVE_SECONDS = 20 * 60.0
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
PING_SECONDS = 20.0
LISTEN_KEY_GONE = -1125


class UserStream:
    """Frames become facts for the desks. `may_reconnect` is False where a lost event cannot be made up."""

    def __init__(self, context: Context, gateway: Gateway, url: str, may_reconnect: bool) -> None:
        self.desks: dict[str, Desk] = {}
        self.is_reconciled = asyncio.Event()  # set after the first reconciliation
        self._context = context
        self._gateway = gateway
        self._url = url.rstrip("/")
        self._may_reconnect = may_reconnect
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._closing = asyncio.Event()  # set when nothing more is wanted from the socket
        self._held: deque[str] | None = None  # frames that wait for reconciliation; None after it

    @property
    def is_open(self) -> bool:
        """Whether the socket is open and its first frames were applied."""
        return self._socket is not None and self._held is None

    def close(self) -> None:
        """End `run`. It outlives the stop event, so that answers to the last cancels are still heard."""
        self._closing.set()

    async def send(self, text: str) -> None:
        """Send a text on the socket."""
        if self._socket is None:
            raise VenueError("the user stream is not open")
        await self._socket.send_str(text)

    async def run(self) -> None:
        """Stay connected until stopped."""
        attempt = 0
        stop, against = self._closing, self._context.telemetry.not_ready
        async with aiohttp.ClientSession() as session:
            while not stop.is_set():
                against["user_stream"] = "connecting"
                try:
                    key = await self._gateway.listen_key()
                    async with session.ws_connect(f"{self._url}/ws/{key}", heartbeat=PING_SECONDS) as socket:
                        attempt = 0
                        await self._attend(socket)
                except (*LOST, VenueError) as error:
                    if not self._may_reconnect:
                        raise VenueError(f"user stream: {error}") from error
                    self._context.log.warning("user stream: %s", error)
                if stop.is_set() or self._context.stop.is_set():
                    return
                if not self._may_reconnect:
                    raise VenueError("the user stream was lost; a lockstep run cannot go on without it")
                self._context.telemetry.counters["user_stream_losses"] += 1
                for desk in self.desks.values():
                    await desk.tell_facts((PositionFact(0, 0, 0, doubt="the user stream was lost"),))
                await sleep_unless(stop, BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)])
                attempt += 1

    async def _attend(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """One connection: hold frames back, reconcile, apply them, go on."""
        self._socket, self._held = socket, deque()
        tasks = [
            asyncio.create_task(work)
            for work in (self._receive(socket), self._reconcile(), self._keep_alive(), self._stopped(socket))
        ]
        receiving, reconciling, keeping, stopping = tasks
        try:
            waiting = {receiving, reconciling, keeping, stopping}
            while not receiving.done():
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                waiting -= done
                for task in done:
                    task.result()
                if keeping in done:
                    return
        finally:
            self._socket = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stopped(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await self._closing.wait()
        await socket.close()

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            if self._held is not None:
                self._held.append(message.data)
            elif not await self._handle(message.data):
                return

    async def _reconcile(self) -> None:
        for desk in self.desks.values():
            await reconcile(desk, self._context)
            if self._may_reconnect:  # nobody was told of what happened before the socket was open
                await refresh_account(self._context, desk)
        # Handling may wait for Redis, and more may come meanwhile: only an empty queue ends the holding.
        while self._held:
            await self._handle(self._held.popleft())
        self._held = None
        self._context.telemetry.not_ready.pop("user_stream", None)
        self.is_reconciled.set()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_SECONDS)
            try:
                await self._gateway.keep_alive()
            except VenueError as error:
                if error.code == LISTEN_KEY_GONE:
                    return
                self._context.log.warning("listen key: %s", error)

    async def _handle(self, text: str) -> bool:
        """One frame. False where the socket is of no more use."""
        try:
            frame = msgspec.json.decode(text)
            desks, whats = self._parsed(frame)
        except (msgspec.DecodeError, BadFrame, KeyError, TypeError, ValueError, AttributeError) as error:
            await self._context.park(f"user stream: {error!r}", text.encode())
            return True
        for desk in desks:
            desk.merge.push_event(frame, whats)
            await desk.pump()
        if frame.get("e") == "listenKeyExpired":
            self._context.log.warning("the listen key expired")
            return False
        return True

    def _parsed(self, frame: Mapping[str, Any]) -> tuple[list[Desk], Sequence[Fact | AccountChange]]:
        """Whom a frame concerns, and what it tells. Events of no interest concern nobody."""
        kind = frame.get("e")
        if kind == "ORDER_TRADE_UPDATE":
            desk = self.desks.get(frame["o"]["s"])
            return ([desk], order_facts(frame, desk.scale)) if desk else ([], [])
        if kind == "ACCOUNT_UPDATE":
            change = AccountChange(frame["a"], int(frame["T"]) * MS)
            return list(self.desks.values())[:1], [change]
        return (list(self.desks.values()), []) if kind is None and "replay" in frame else ([], [])
