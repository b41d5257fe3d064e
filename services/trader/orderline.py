"""The line that orders take: keep-alive HTTP/1.1 connections to one host, for requests without a body.

A general client builds, traces and pools more than an order needs, and all of it stands between the decision
and its bytes. Here a request's head is joined from parts prepared at the start and written at once where a
connection is idle; answers are parsed by h11. What can be said for certain of a request is in what comes
back: an `Answer`, a `Lost` (written, and nobody knows), or `NotSent` raised (nothing of it was written).
"""

from __future__ import annotations

import asyncio
import re
import select
import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import h11
from multidict import CIMultiDict

LIMIT = 32  # connections at a time
SPARE_CONNECTIONS = 4
BODY_LIMIT = 1_000_000  # bytes of an answer; an order's is under a thousand
TARGET = re.compile(r"/[!-~]*")
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VALUE = re.compile(r"[!-~]([ \t!-~]*[!-~])?|")
# What h11 must know of our requests is that they have no body: answers to all our verbs are framed alike.
ASKED = h11.Request(method="POST", target="/", headers=[("Host", "venue"), ("Content-Length", "0")])
ALL_ASKED = h11.EndOfMessage()


class NotSent(Exception):
    """There was no connection: nothing was written, so certainly nothing arrived."""


class Answer(NamedTuple):
    """A whole answer. Names of headers are found in any case."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


class Lost(NamedTuple):
    """The request was written and no whole answer came: it may or may not have arrived."""

    reason: str


class OrderLine:
    """Connections to the host of `url`. Raises ValueError for a URL or a key that cannot be used."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of an HTTP server")
        self._is_tls = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if self._is_tls else 80)
        self._tls = ssl.create_default_context() if self._is_tls else None
        host = parts.netloc.rpartition("@")[2]
        if not VALUE.fullmatch(key) or not VALUE.fullmatch(host):
            raise ValueError("the API key or the host holds characters that no header can")
        self._prefix = parts.path.rstrip("/")
        fixed = f" HTTP/1.1\r\nHost: {host}\r\nX-MBX-APIKEY: {key}\r\n"
        without_body = fixed + "Content-Length: 0\r\n"
        self._fixed = {"GET": fixed, "POST": without_body, "DELETE": without_body}
        self._idle: list[_Connection] = []  # the one used last is at the end
        self._open: set[_Connection] = set()  # idle or not
        self._opening = 0
        self._is_closed = False
        self._changed = asyncio.Event()  # set when a connection has become idle or was lost

    def head(self, verb: str, target: str, extra: Mapping[str, str] | None = None) -> bytes:
        """The bytes of one request. Raises ValueError where a part would not stay in its place."""
        target = self._prefix + target
        if not TARGET.fullmatch(target):
            raise ValueError(f"not a request target: {target!r}")
        lines = ""
        for name, value in extra.items() if extra else ():
            if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
                raise ValueError(f"not a header: {name!r}: {value!r}")
            lines += f"{name}: {value}\r\n"
        return f"{verb} {target}{self._fixed[verb]}{lines}\r\n".encode("ascii")

    def send_now(self, head: bytes, deadline: float) -> asyncio.Future[Answer | Lost] | None:
        """Write a request on an idle connection. None where there is none: nothing was written.

        `deadline` is the loop's time at which an answer is `Lost`; its connection is not used again.
        """
        connection = self._idle_one()
        return connection.send(head, deadline) if connection else None

    async def send(self, head: bytes, deadline: float) -> asyncio.Future[Answer | Lost]:
        """Write a request on an idle connection, or on a new one. Raises NotSent."""
        try:
            async with asyncio.timeout_at(deadline):
                while (connection := self._idle_one()) is None:
                    if len(self._open) + self._opening < LIMIT:
                        connection = await self._connect()
                        break
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise NotSent(f"none to {self._host}:{self._port} in time") from None
        except OSError as error:
            raise NotSent(str(error) or repr(error)) from error
        return connection.send(head, deadline)

    async def warm(self, target: str, seconds: float) -> None:
        """Make up for spare connections that are missing, each proven by a GET. Raises NotSent."""
        missing = SPARE_CONNECTIONS - len(self._idle)
        await asyncio.gather(*(self._open_spare(target, seconds) for _ in range(missing)))

    async def close(self) -> None:
        """Drop every connection; requests under way are lost."""
        self._is_closed = True
        for connection in tuple(self._open):
            connection.end("the line was closed")
        while self._open:
            self._changed.clear()
            await self._changed.wait()

    # --- the pool -------------------------------------------------------------------------------------------

    def _idle_one(self) -> _Connection | None:
        for connection in reversed(self._idle):
            if connection.is_quiet():
                self._idle.remove(connection)
                return connection
        return None

    async def _connect(self) -> _Connection:
        self._opening += 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self), self._host, self._port, ssl=self._tls
            )
        finally:
            self._opening -= 1
            self._changed.set()
        if self._is_closed or not connection.is_open:
            connection.end("not wanted any more")
            raise NotSent(f"the connection to {self._host}:{self._port} was closed at once")
        return connection

    async def _open_spare(self, target: str, seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        head = self.head("GET", target)
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._connect()
        except OSError as error:
            raise NotSent(str(error) or repr(error)) from error
        found = await connection.send(head, deadline)
        if isinstance(found, Lost):
            raise NotSent(found.reason)

    def opened(self, connection: _Connection) -> None:
        """`connection` is made."""
        self._open.add(connection)

    def released(self, connection: _Connection) -> None:
        """`connection` has its answer and can take the next request."""
        self._idle.append(connection)
        self._changed.set()

    def ended(self, connection: _Connection) -> None:
        """`connection` must not be used again."""
        if connection in self._idle:
            self._idle.remove(connection)

    def lost(self, connection: _Connection) -> None:
        """`connection` is gone."""
        self._open.discard(connection)
        self._changed.set()


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, line: OrderLine) -> None:
        self.is_open = False
        self._transport: asyncio.Transport | None = None
        self._line = line
        self._http = h11.Connection(h11.CLIENT)
        self._readable = select.poll()
        self._waiter: asyncio.Future[Answer | Lost] | None = None  # of the request under way
        self._timer: asyncio.TimerHandle | None = None  # of the request under way
        self._response: h11.Response | None = None  # the head of its answer
        self._body = bytearray()

    def is_quiet(self) -> bool:
        """Whether a request can be written: open, and not about to be told of its end.

        The peer may have closed it while the loop was busy elsewhere; the loop learns of that a turn later,
        the kernel knows now.
        """
        transport = self._transport
        if transport is None or not self.is_open or transport.is_closing():
            return False
        return not self._readable.poll(0)

    def send(self, head: bytes, deadline: float) -> asyncio.Future[Answer | Lost]:
        """Write one request, in one piece."""
        assert self._transport is not None
        self._transport.write(head)
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self._timer = loop.call_at(deadline, self.end, "not in time")
        return self._waiter

    def end(self, why: str) -> None:
        """Drop the connection and with it the request under way."""
        self.is_open = False
        self._line.ended(self)
        self._settle(Lost(why))
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is none by inheritance
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._readable.register(wire.fileno(), select.POLLIN)
        self.is_open = True
        self._line.opened(self)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._waiter is None:
            self.end("bytes that nobody asked for")
            return
        try:
            self._parse(data)
        except h11.RemoteProtocolError as error:
            self.end(f"not an answer: {error}")

    def eof_received(self) -> None:
        """Called by the loop. The end of the bytes may be the end of an answer."""
        if self._waiter is not None:
            self.data_received(b"")
        self.end("the venue closed the connection")

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self.end(f"the connection was lost: {error}")
        self._line.lost(self)

    def _parse(self, data: bytes) -> None:
        http = self._http
        if http.our_state is h11.IDLE:  # h11 is told of the request only now: no order waits for that
            http.send(ASKED)
            http.send(ALL_ASKED)
        http.receive_data(data)
        while (event := http.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > BODY_LIMIT:
                    self.end(f"an answer of more than {BODY_LIMIT} bytes")
                    return
            elif isinstance(event, h11.EndOfMessage):
                self._finish()
                return

    def _finish(self) -> None:
        http, response = self._http, self._response
        assert response is not None
        headers = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers
        )
        answer = Answer(response.status_code, headers, bytes(self._body))
        self._response = None
        self._body.clear()
        self._settle(answer)
        if http.our_state is h11.DONE and http.their_state is h11.DONE and http.trailing_data == (b"", False):
            http.start_next_cycle()
            self._line.released(self)
        else:
            self.end("the venue ends the connection with its answer")

    def _settle(self, found: Answer | Lost) -> None:
        waiter, self._waiter = self._waiter, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if waiter is not None and not waiter.done():  # done: whoever waited was canceled
            waiter.set_result(found)
