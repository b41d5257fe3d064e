"""Redis streams with ids of our own: the hot path.

One `Link` is one connection of redis-py (its authentication, TLS and unix sockets) without redis-py's command
layer, which costs nine tenths of the latency. A lost connection is retried for ever with backoff; the
commands that were under way are sent again. That is safe because every entry has an id chosen by its
producer: Redis refuses an id that is not above the stream's last, `publish` reads a refused id back, and
anything but equal bytes is a `Conflict`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import hiredis
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.errors import BadSetting, BusError, Conflict
from shared.streams import ZERO_ID, parse_id

Entry = tuple[bytes, bytes]  # (id, the bytes of field `d`)
ANSWER_SECONDS = 10.0  # on top of any BLOCK: a server that says nothing for so long is taken for lost
STOPPING_SECONDS = 3.0
BACKOFF_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
LOST = (RedisConnectionError, RedisTimeoutError, OSError)


class Link:
    """One connection. Not for concurrent use: each task opens its own.

    `on_state(True | False)` is called when the connection is made or lost. A read must never be canceled
    (the reply would meet the next command); stop by letting BLOCK run out. Once `stop` is set a lost
    connection is tried for `STOPPING_SECONDS` more and then raises BusError: a service can end without Redis.
    """

    def __init__(
        self,
        url: str,
        on_state: Callable[[bool], None] | None = None,
        stop: asyncio.Event | None = None,
    ) -> None:
        self.url = url
        self._stop = stop or asyncio.Event()
        self._on_state = on_state or (lambda is_up: None)
        try:
            self._pool = ConnectionPool.from_url(
                url, protocol=2, socket_timeout=None, socket_connect_timeout=5
            )
        except ValueError as error:
            raise BadSetting(f"Redis URL {shown(url)}: {error}") from error
        self._connection: Any = self._pool.make_connection()  # type: ignore[no-untyped-call]
        self._is_up = False

    async def open(self, seconds: float) -> Link:
        """Connect within `seconds`, or raise BusError with one line that names the address."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            try:
                await self._round([("PING",)], ANSWER_SECONDS)
                return self
            except LOST as error:
                if loop.time() > deadline:
                    raise BusError(f"no Redis at {shown(self.url)} within {seconds:g} s: {error}") from error
                await asyncio.sleep(0.1)
            except RedisError as error:
                raise BusError(f"Redis at {shown(self.url)} refuses us: {error}") from error

    async def call(self, *command: Any, wait: float = ANSWER_SECONDS) -> Any:
        """One command's answer; connection losses are retried, error answers raise BusError."""
        answer = (await self.pipeline([command], wait))[0]
        if isinstance(answer, ResponseError):
            raise BusError(f"Redis refused {command[0]}: {answer}")
        return answer

    async def pipeline(self, commands: Sequence[tuple[Any, ...]], wait: float = ANSWER_SECONDS) -> list[Any]:
        """The answers of several commands sent at once; error answers are values. Sent again after a loss."""
        attempt = 0
        give_up = float("inf")
        while True:
            try:
                return await self._round(commands, wait)
            except LOST as error:
                now = asyncio.get_running_loop().time()
                give_up = min(give_up, now + STOPPING_SECONDS) if self._stop.is_set() else float("inf")
                if now >= give_up:
                    raise BusError(f"stopping without Redis at {shown(self.url)}: {error}") from error
                if self._is_up:
                    self._is_up = False
                    self._on_state(False)
                await self._connection.disconnect(nowait=True)
                await asyncio.sleep(BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)])
                attempt += 1

    async def _round(self, commands: Sequence[tuple[Any, ...]], wait: float) -> list[Any]:
        connection = self._connection
        packed = b"".join([hiredis.pack_command(command) for command in commands])
        await connection.send_packed_command(packed, check_health=False)
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(await connection.read_response(timeout=wait))
            except ResponseError as error:
                answers.append(error)
        if not self._is_up:
            self._is_up = True
            self._on_state(True)
        return answers

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.disconnect(nowait=True)


async def publish(link: Link, key: str, entries: Sequence[Entry]) -> int:
    """Append entries under their own ids, in one round trip. Returns how many were new.

    An entry that is already there with equal bytes counts as published (a retry, or a second copy of us was
    first), and so does one below everything the stream still holds. Anything else raises Conflict.
    """
    answers = await link.pipeline([("XADD", key, entry_id, "d", data) for entry_id, data in entries])
    refused = []
    for entry, answer in zip(entries, answers, strict=True):
        if isinstance(answer, ResponseError):
            if "equal or smaller" not in str(answer):
                raise BusError(f"Redis refused an entry of {key}: {answer}")
            refused.append(entry)
    if refused:
        await _check_refused(link, key, refused)
    return len(entries) - len(refused)


async def _check_refused(link: Link, key: str, refused: Sequence[Entry]) -> None:
    first = await link.call("XRANGE", key, "-", "+", "COUNT", 1)
    oldest = parse_id(first[0][0]) if first else None
    answers = await link.pipeline([("XRANGE", key, entry_id, entry_id) for entry_id, _ in refused])
    for (entry_id, data), answer in zip(refused, answers, strict=True):
        found = answer[0][1][1] if answer else None
        if found == data or (found is None and (oldest is None or parse_id(entry_id) < oldest)):
            continue
        what = "is below the stream's last" if found is None else "holds other bytes"
        raise Conflict(f"{key}: id {entry_id.decode()} {what}: is a second producer at work?")


async def read(
    link: Link, cursors: Mapping[str, bytes], count: int, block_ms: int
) -> list[tuple[str, list[Entry]]]:
    """Entries after each key's cursor, at most `count` per key, waiting up to `block_ms` for the first."""
    answer = await link.call(*_xread(cursors, count, block_ms), wait=block_ms / 1000 + ANSWER_SECONDS)
    return _by_key(answer)


async def read_along(
    link: Link, trigger: Mapping[str, bytes], along: Mapping[str, bytes], count: int, block_ms: int
) -> list[tuple[str, list[Entry]]]:
    """Wait for entries of `trigger` as `read` does, and take along what `along` holds at that moment, in the
    same round trip. Whoever needs the newest of `along` only when `trigger` has something is not woken, and
    takes no time from others, in between. The entries of `along` come first."""
    commands = [_xread(trigger, count, block_ms), _xread(along, count, None)]
    answers = await link.pipeline(commands, block_ms / 1000 + ANSWER_SECONDS)
    for answer in answers:
        if isinstance(answer, ResponseError):
            raise BusError(f"Redis refused XREAD: {answer}")
    return _by_key(answers[1]) + _by_key(answers[0])


def _xread(cursors: Mapping[str, bytes], count: int, block_ms: int | None) -> tuple[Any, ...]:
    block = () if block_ms is None else ("BLOCK", block_ms)
    return ("XREAD", "COUNT", count, *block, "STREAMS", *cursors, *cursors.values())


def _by_key(answer: Any) -> list[tuple[str, list[Entry]]]:
    return [(key.decode(), _entries(rows)) for key, rows in answer or ()]


async def span(link: Link, key: str, start: str, end: str = "+", count: int = 1000) -> list[Entry]:
    """Entries from `start` to `end`, both included; `(id` leaves the bound out."""
    return _entries(await link.call("XRANGE", key, start, end, "COUNT", count))


async def last_id(link: Link, key: str) -> bytes:
    """The stream's last generated id, also where it was trimmed empty; `0-0` where there is no stream."""
    answer = (await link.pipeline([("XINFO", "STREAM", key)]))[0]
    if isinstance(answer, ResponseError):
        if "no such key" in str(answer):
            return ZERO_ID.encode()
        raise BusError(f"Redis refused XINFO STREAM {key}: {answer}")
    found: bytes = answer[answer.index(b"last-generated-id") + 1]
    return found


async def last_entry(link: Link, key: str) -> Entry | None:
    """The newest entry, or None."""
    rows = _entries(await link.call("XREVRANGE", key, "+", "-", "COUNT", 1))
    return rows[0] if rows else None


async def find(link: Link, pattern: str) -> list[str]:
    """The keys that match a glob pattern, sorted; for what is not in the stream table (health)."""
    found: set[str] = set()
    cursor = b"0"
    while True:
        cursor, keys = await link.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        found.update(key.decode() for key in keys)
        if cursor == b"0":
            return sorted(found)


def _entries(rows: Any) -> list[Entry]:
    return [(entry_id, fields[1]) for entry_id, fields in rows]


def shown(url: str) -> str:
    """A Redis URL without its password, for messages and logs."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(
        parts._replace(netloc=f"***@{parts.hostname}" + (f":{parts.port}" if parts.port else ""))
    )
