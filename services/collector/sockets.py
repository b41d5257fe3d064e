"""One market socket for as long as the service runs: opened, lost, renewed in overlap (shell)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from services.collector.handover import Handover
from services.collector.routes import MESSAGES_A_SECOND, Route
from shared.errors import BadSetting
from shared.runner import sleep_unless

MAX_MESSAGE = 16 * 1024 * 1024
OPEN_SECONDS = 5.0
BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
FAILURES = (ConnectionClosed, InvalidHandshake, OSError, TimeoutError)


class Listener(Protocol):
    """Who is told what happens on a socket."""

    def message(self, route: Route, message: bytes) -> bool:
        """A message came. Returns whether something is to be published now: a burst must not hold it back."""

    def opened(self, route: Route) -> None:
        """A connection is open, for the first time, again, or in the place of an old one."""

    def lost(self, route: Route, reason: str) -> None:
        """The connection is gone, or could not be had; once per outage."""

    def renewed(self, route: Route, duplicates: int) -> None:
        """A new connection took over; `duplicates` frames came on both."""


@dataclass
class _Connection:
    socket: ClientConnection
    reader: asyncio.Task[str]  # ends with the reason of the loss
    opened_at: float


class Channel:
    """Keeps `route` connected. After `lifetime` seconds, or when `renew` is called, a new connection is
    opened first, both run for at most `overlap` seconds, and the old one is closed when the new one has
    everything.

    The library answers the venue's pings with their payload, and pings by itself."""

    def __init__(
        self,
        route: Route,
        listener: Listener,
        stop: asyncio.Event,
        log: logging.Logger,
        lifetime: float = float("inf"),
        overlap: float = 10.0,
    ) -> None:
        self.route = route
        self._listener = listener
        self._stop = stop
        self._log = log
        self._lifetime = lifetime
        self._overlap = overlap
        self._now: Callable[[], float] = asyncio.get_running_loop().time
        self._current: ClientConnection | None = None
        self._next: ClientConnection | None = None  # while two run
        self._old: ClientConnection | None = None  # the current one, while it is being replaced
        self._handover: Handover | None = None  # while two run, and until the new one has caught up
        self._filter_until = 0.0
        self._over = asyncio.Event()  # every stream has changed over
        self._asked = asyncio.Event()  # `renew` was called
        self._why = ""
        self._stale: set[str] = set()  # streams that the current connection does not bring any more
        self._due = 0.0  # when to renew
        self._is_lost = False

    def renew(self, reason: str, stale: Iterable[str] = ()) -> None:
        """Replace the connection as soon as a new one is open."""
        self._why = reason
        self._stale |= set(stale)
        self._asked.set()

    async def run(self) -> None:
        """Until stopped."""
        connection: _Connection | None = None
        try:
            while not self._stop.is_set():
                connection = connection or await self._dial()
                if connection is None:
                    return
                why = await self._wait(connection)
                if connection.reader.done():
                    reason = connection.reader.result()
                    await _close(connection)
                    connection = self._handover = None
                    if not self._stop.is_set():
                        self._tell_lost(reason)
                        await sleep_unless(self._stop, BACKOFF_SECONDS[0])
                elif why:
                    connection = await self._replaced(connection, why)
        finally:
            if connection is not None:
                await _close(connection)

    async def _dial(self) -> _Connection | None:
        """A connection, however long it takes; None where we are stopped first."""
        attempt = 0
        while not self._stop.is_set():
            try:
                connection = await self._open(is_next=False)
            except FAILURES as error:
                self._tell_lost(str(error) or repr(error))
                await sleep_unless(self._stop, BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)])
                attempt += 1
            else:
                self._is_lost = False
                self._set_out(connection)
                return connection
        return None

    async def _open(self, *, is_next: bool) -> _Connection:
        route = self.route
        try:
            socket = await connect(
                route.url,
                compression=None,
                proxy=None,
                max_size=MAX_MESSAGE,
                max_queue=1024,
                open_timeout=OPEN_SECONDS,
                close_timeout=1,
            )
        except InvalidURI as error:
            raise BadSetting(f"the {route.what} socket's URL {route.url}: {error}") from error
        if is_next:
            self._next = socket
        else:
            self._current = socket
        connection = _Connection(socket, asyncio.create_task(self._read(socket)), self._now())
        try:
            for number, streams in enumerate(route.later, 1):
                await sleep_unless(self._stop, 1 / MESSAGES_A_SECOND)
                await socket.send(json.dumps({"method": "SUBSCRIBE", "params": streams, "id": number}))
        except ConnectionClosed:
            await _close(connection)
            raise
        return connection

    async def _read(self, socket: ClientConnection) -> str:
        try:
            while True:
                if self._take(socket, await socket.recv(decode=False)):
                    await asyncio.sleep(0)
        except ConnectionClosed as error:
            return str(error)

    def _take(self, socket: ClientConnection, message: bytes) -> bool:
        if socket is not self._current and socket is not self._next:
            return False  # of a connection that was replaced
        handover = self._handover
        if handover is None:
            return self._listener.message(self.route, message)
        is_new = socket is not self._old
        is_urgent = False
        for one in handover.take(is_new, message):
            is_urgent |= self._listener.message(self.route, one)
        if handover.is_done:
            self._over.set()
        if self._old is None and (handover.is_caught_up or self._now() > self._filter_until):
            self._handover = None
        return is_urgent

    def _set_out(self, connection: _Connection) -> None:
        self._due = connection.opened_at + self._lifetime
        self._asked.clear()
        self._stale.clear()
        self._listener.opened(self.route)

    async def _wait(self, connection: _Connection) -> str:
        """Until the connection ends, is to be renewed (returns why), or we are stopped."""
        left = self._due - self._now()
        if left <= 0:
            return self._why or f"{self._lifetime:.0f} s old"
        await _first(left, connection.reader, self._stop.wait(), self._asked.wait())
        if self._asked.is_set():
            return self._why
        return "" if self._now() < self._due else f"{self._lifetime:.0f} s old"

    async def _replaced(self, old: _Connection, why: str) -> _Connection:
        """The connection to go on with: a new one, or the old one where none could be had."""
        self._asked.clear()
        self._log.info("%s socket is renewed: %s", self.route.name, why)
        self._over.clear()
        self._old = old.socket
        self._handover = handover = Handover(self.route.streams, self._stale)
        try:
            new = await self._open(is_next=True)
        except FAILURES as error:
            self._log.warning("%s socket could not be renewed yet: %s", self.route.name, error)
            return self._keep(old)
        await _first(self._overlap, old.reader, new.reader, self._stop.wait(), self._over.wait())
        if new.reader.done() and not old.reader.done():
            self._log.warning("%s socket's new connection ended: %s", self.route.name, new.reader.result())
            await _close(new)
            return self._keep(old)
        # The new one may still bring what the old one had brought: `handover` goes on dropping that.
        self._current, self._next, self._old = new.socket, None, None
        self._filter_until = self._now() + self._overlap
        for message in handover.finish():
            self._listener.message(self.route, message)
        self._set_out(new)
        self._listener.renewed(self.route, handover.duplicates)
        await _close(old)
        return new

    def _keep(self, old: _Connection) -> _Connection:
        """Go on with the old connection, which has everything, and try again soon."""
        self._handover = self._next = self._old = None
        self._due = self._now() + BACKOFF_SECONDS[-1]
        return old

    def _tell_lost(self, reason: str) -> None:
        text = f"{self.route.what} socket lost: {reason}"
        self._log.warning("%s", text)
        if not self._is_lost:
            self._is_lost = True
            self._listener.lost(self.route, text)


async def _first(seconds: float, *waited: asyncio.Task[str] | Coroutine[Any, Any, bool]) -> None:
    """Until the first of them happens, or the time is over; a task that was given goes on."""
    tasks = [one if isinstance(one, asyncio.Task) else asyncio.create_task(one) for one in waited]
    timeout = None if seconds == float("inf") else seconds
    await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for given, task in zip(waited, tasks, strict=True):
        if task is not given:
            task.cancel()


async def _close(connection: _Connection) -> None:
    await connection.socket.close()
    if not connection.reader.done():
        connection.reader.cancel()
    await asyncio.wait([connection.reader])
