"""The order line against real sockets that behave well and badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.trader.orderline import Answer, Lost, NotSent, OrderLine

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Replay: 0,7\r\n\r\n{}"
Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Counts connections and keeps the requests it was sent."""

    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.connections = 0
        self.requests: list[bytes] = []
        self.is_free = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not reader.at_eof():
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head)
                await self.behave(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def line_to(behave: Behave) -> AsyncIterator[tuple[OrderLine, Server]]:
    server = Server(behave)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    line = OrderLine(f"http://127.0.0.1:{port}", "key")
    try:
        yield line, server
    finally:
        await line.close()
        listening.close()


async def ask(line: OrderLine, target: str = "/order?x=1", seconds: float = 5.0) -> Answer | Lost:
    deadline = asyncio.get_running_loop().time() + seconds
    head = line.head("POST", target)
    return await (line.send_now(head, deadline) or await line.send(head, deadline))


def saying(*parts: bytes) -> Behave:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)

    return behave


async def test_connection_is_kept_and_used_again() -> None:
    async with line_to(saying(OK)) as (line, server):
        for _ in range(3):
            answer = await ask(line)
            assert isinstance(answer, Answer)
            assert (answer.status, answer.body, answer.headers["x-replay"]) == (200, b"{}", "0,7")
        assert server.connections == 1
        assert server.requests[0].startswith(b"POST /order?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"X-MBX-APIKEY: key\r\nContent-Length: 0\r\n" in server.requests[0]


@pytest.mark.parametrize(
    "parts",
    [
        [OK[n : n + 1] for n in range(len(OK))],
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Replay: 0,7\r\n\r\n",
            b"1\r\n{\r\n",
            b"1\r\n}\r\n0\r\n\r\n",
        ],
        [b"HTTP/1.1 103 Early Hints\r\n\r\n", OK],
    ],
    ids=["byte by byte", "chunked", "interim answer"],
)
async def test_answers_in_any_shape(parts: list[bytes]) -> None:
    async with line_to(saying(*parts)) as (line, server):
        for _ in range(2):
            answer = await ask(line)
            assert isinstance(answer, Answer)
            assert (answer.status, answer.body) == (200, b"{}")
        assert server.connections == 1


async def test_idle_connection_that_the_venue_closed_is_not_used() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with line_to(once) as (line, server):
        assert isinstance(await ask(line), Answer)
        assert isinstance(await ask(line), Answer)
        assert len(server.requests) == server.connections == 2  # each order arrived once


async def test_connection_closed_after_the_request_is_unknown_and_not_repeated() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with line_to(hang_up) as (line, server):
        assert isinstance(await ask(line), Lost)
        assert len(server.requests) == 1


async def test_answer_that_does_not_come_in_time_is_unknown() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with line_to(silence) as (line, server):
        answer = await ask(line, seconds=0.1)
        assert answer == Lost("not in time")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "bad", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_500_000]
)
async def test_answer_that_is_none_is_unknown(bad: bytes) -> None:
    async with line_to(saying(bad)) as (line, _):
        assert isinstance(await ask(line), Lost)


async def test_two_orders_at_once_take_two_connections() -> None:
    arrived = asyncio.Event()

    async def wait_for_both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 2:
            arrived.set()
        await arrived.wait()
        writer.write(OK)

    async with line_to(wait_for_both) as (line, server):
        answers = await asyncio.gather(ask(line, "/a"), ask(line, "/b"))
        assert all(isinstance(answer, Answer) for answer in answers)
        assert server.connections == 2


async def test_warm_line_writes_without_waiting() -> None:
    async with line_to(saying(OK)) as (line, server):
        await line.warm("/ping", 5.0)
        assert server.connections == 4
        waiting = line.send_now(line.head("POST", "/order"), asyncio.get_running_loop().time() + 5)
        assert waiting is not None
        assert isinstance(await waiting, Answer)
        await line.warm("/ping", 5.0)
        assert server.connections == 4


async def test_no_listener_means_certainly_not_sent() -> None:
    line = OrderLine("http://127.0.0.1:9", "key")
    with pytest.raises(NotSent):
        await ask(line)
    with pytest.raises(NotSent):
        await line.warm("/ping", 1.0)
    await line.close()


@pytest.mark.parametrize("extra", [{"X": "a\r\nY: b"}, {"X\r\n": "a"}, {"X": " a"}, {"": "a"}])
def test_header_cannot_carry_another(extra: dict[str, str]) -> None:
    line = OrderLine("http://127.0.0.1:9", "key")
    with pytest.raises(ValueError, match="not a header"):
        line.head("POST", "/order", extra)


@pytest.mark.parametrize("target", ["/order HTTP/1.1\r\nX: y", "order", "/a b", "/ä"])
def test_target_cannot_carry_a_header(target: str) -> None:
    with pytest.raises(ValueError, match="not a request target"):
        OrderLine("http://127.0.0.1:9", "key").head("GET", target)


@pytest.mark.parametrize(("url", "key"), [("ftp://x", "k"), ("http://", "k"), ("http://x", "k\r\nY: z")])
def test_address_and_key_must_be_usable(url: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"address|characters"):
        OrderLine(url, key)
