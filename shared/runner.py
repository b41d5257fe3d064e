"""How every service runs: settings, logs, signals, health, and the loop from one stream to the next.

A shell calls `run("features", body)`; `body(context)` is its composition root. It ends when the stop event is
set (SIGTERM, SIGINT) or with an exception: a `LobflowError` becomes one clear line and exit code 1 (2 for a
bad setting), anything else is a broken invariant and crashes with its trace.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import uvloop
from aiohttp import web

from shared import bus, codec
from shared.bus import Link
from shared.errors import BadInput, BadSetting, LobflowError
from shared.messages import AnyMessage, Health, Message
from shared.retention import trim
from shared.settings import Settings, load
from shared.streams import Stream, health_key, key, parked_key, parse_id
from shared.telemetry import Telemetry, rss_bytes, serve, start_logging
from shared.units import MS

BLOCK_MS = 500  # how long a read waits: a stop is heeded within this time
BATCH = 256
HEALTH_SECONDS = 1.0
PARENT_SECONDS = 1.0
TRIM_SECONDS = 10.0
PARKED_LIMIT = 1000
GC_THRESHOLD = (20_000, 20, 50)  # one frame makes hundreds of short-lived tuples; the default stops at 700
BUILD = "0.1.0"


class Context:
    """What a shell is given: settings, logger, telemetry, the stop event, links to Redis."""

    def __init__(self, service: str, settings: Settings, log: logging.Logger, telemetry: Telemetry) -> None:
        self.service = service
        self.settings = settings
        self.log = log
        self.telemetry = telemetry
        self.stop = asyncio.Event()
        self.positions: dict[str, str] = {}  # input stream's name -> last id handled
        self.symbol_counters: dict[str, int] = {}  # `<counter>:<symbol>` -> total; told in health alone
        self.lag_ns = 0
        self.owned: list[str] = []  # keys that this service writes and trims
        self._links: list[Link] = []
        self._parking: Link | None = None
        self._parking_turn = asyncio.Lock()  # tasks of several symbols may park at once

    def key(self, stream: Stream, symbol: str = "") -> str:
        """The Redis key of a stream in this run."""
        return key(self.settings.run_id, stream, symbol)

    def note_lag(self, entry_id: bytes) -> None:
        """How far behind we are, by the entry just handled: its id is its receive time in milliseconds."""
        self.lag_ns = time.time_ns() - parse_id(entry_id)[0] * MS

    async def link(self) -> Link:
        """A connection of its own for one task; closed at the end."""
        link = Link(self.settings.redis_url, self.telemetry.bus_state, self.stop)
        self._links.append(link)
        return await link.open(self.settings.redis_start_seconds)

    async def park(self, reason: str, data: bytes) -> None:
        """Put aside bytes that could not be used, count and log them; the service goes on."""
        self.telemetry.counters["parked"] += 1
        self.log.warning(
            "parked: %s", reason, extra={"with": {"bytes": len(data), "begins": repr(data[:80])}}
        )
        name = parked_key(self.settings.run_id, self.service)
        async with self._parking_turn:
            if self._parking is None:
                self._parking = await self.link()
            await self._parking.call(
                "XADD", name, "MAXLEN", "~", PARKED_LIMIT, "*", "reason", reason, "d", data
            )

    def health(self, state: str) -> Health:
        """This instance's health now."""
        return Health(
            at_ns=time.time_ns(),
            service=self.service,
            instance=self.settings.instance,
            state=state,
            detail="; ".join(f"{name}: {why}" for name, why in sorted(self.telemetry.not_ready.items())),
            positions=dict(sorted(self.positions.items())),
            lag_ns=self.lag_ns,
            rss_bytes=rss_bytes(),
            counters=dict(sorted({**self.telemetry.counters, **self.symbol_counters}.items())),
            build=BUILD,
            config_hash=self.settings.config_hash(),
        )

    async def report(self, link: Link, state: str) -> None:
        """Publish the health entry; its id is the server's, it feeds nothing."""
        name = health_key(self.settings.run_id, self.service, self.settings.instance)
        await link.call("XADD", name, "MAXLEN", "~", 600, "*", "d", codec.encode(self.health(state)))

    async def close(self) -> None:
        """Close every link."""
        for link in self._links:
            await link.close()


class Core(Protocol):
    """A pure core that turns each entry of one stream into at most one entry of the next, same id."""

    lookback_ms: int  # how much earlier input rebuilds its state exactly

    @property
    def is_warm(self) -> bool:
        """Whether its state is that of a process that never stopped; until then nothing is published."""

    def handle(self, message: AnyMessage, entry_id: bytes) -> list[Message]:
        """What follows from one entry: nothing, or one message."""

    def recall(self, message: AnyMessage, entry_id: bytes) -> None:
        """Fold in one entry that was answered before we started."""


async def transform(context: Context, core: Core, source: str, target: str, name: str) -> None:
    """Carry `source` through `core` to `target`, each result under the id of its cause, until stopped.

    Resumes after the last id of `target`: exactly once without stored offsets. `name` labels the position in
    health entries.
    """
    reader, writer = await context.link(), await context.link()
    done = await bus.last_id(writer, target)
    cursor = await _warm_up(reader, core, source, done)
    context.owned.append(target)
    stamps, counters = context.telemetry.stamps, context.telemetry.counters
    while not context.stop.is_set():
        for _, entries in await bus.read(reader, {source: cursor}, BATCH, BLOCK_MS):
            out: list[bus.Entry] = []
            for entry_id, data in entries:
                try:
                    message = codec.decode(data)
                except BadInput as error:
                    await context.park(f"{source} {entry_id.decode()}: {error}", data)
                    continue
                results = core.handle(message, entry_id)
                if results and core.is_warm:
                    out.append((entry_id, codec.encode(results[0])))
            if out:
                counters["published"] += await bus.publish(writer, target, out)
                if stamps:
                    for entry_id, _ in out:
                        stamps.mark(context.service, entry_id)
            if not context.settings.lockstep:
                context.note_lag(entries[-1][0])
            cursor = entries[-1][0]
            counters["handled"] += len(entries)
            context.positions[name] = cursor.decode()


async def _warm_up(reader: Link, core: Core, source: str, done: bytes) -> bytes:
    """Feed `core` the input that led up to `done`, publishing nothing. Returns the cursor to go on from."""
    ms, _ = parse_id(done)
    start = f"{max(0, ms - core.lookback_ms)}-0"
    while entries := await bus.span(reader, source, start, done.decode()):
        for entry_id, data in entries:
            try:
                message = codec.decode(data)
            except BadInput:
                continue  # parked when it was first met; the core sees the jump in `seq`, as it did then
            core.recall(message, entry_id)
        start = f"({entries[-1][0].decode()}"
    return done


def run(service: str, body: Callable[[Context], Awaitable[None]], *, uses_redis: bool = True) -> int:
    """Run one service until it is told to stop. Returns the exit code."""
    try:
        settings = load()
    except BadSetting as error:
        print(f"{service}: {error}", file=sys.stderr)
        return 2
    log = start_logging(service, settings.log_level)
    try:
        uvloop.run(_run(service, settings, log, body, uses_redis))
    except BaseException as error:
        leaf = _leaf(error)
        if not isinstance(leaf, LobflowError):
            raise
        log.error("%s", leaf)
        return 2 if isinstance(leaf, BadSetting) else 1
    return 0


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _run(
    service: str,
    settings: Settings,
    log: logging.Logger,
    body: Callable[[Context], Awaitable[None]],
    uses_redis: bool,
) -> None:
    stamps = settings.stamps_file
    telemetry = Telemetry(service, stamps and Path(f"{stamps}.{service}.{settings.instance}"))
    context = Context(service, settings, log, telemetry)
    # What was imported lives as long as the process: a collection need not look at it again and again.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, context.stop.set)
    app = web.Application()
    app.add_routes(telemetry.routes())
    server, port = await serve(app, settings.host, settings.metrics_port, "LOBFLOW_METRICS_PORT")
    log.info("started", extra={"with": {"metrics_port": port, "config": settings.config_hash()}})
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch_parent(context))
            upkeep = tasks.create_task(_upkeep(context)) if uses_redis else None
            telemetry.not_ready.pop("start", None)
            await body(context)
            context.stop.set()
            if upkeep:
                await upkeep
    finally:
        if telemetry.stamps:
            telemetry.stamps.write()
        await context.close()
        await server.cleanup()
    log.info("stopped", extra={"with": {"counters": dict(telemetry.counters)}})


async def _watch_parent(context: Context) -> None:
    """Stop when what started us is gone: nothing is left behind by a killed terminal."""
    parent_pid = context.settings.parent_pid
    while parent_pid and not context.stop.is_set():
        if os.getppid() != parent_pid:
            context.log.error("the process that started us is gone: stopping")
            context.stop.set()
        await sleep_unless(context.stop, PARENT_SECONDS)


async def _upkeep(context: Context) -> None:
    """Health each second, trimming each ten, and a last word at the end."""
    link = await context.link()
    next_trim = time.monotonic() + TRIM_SECONDS
    while not context.stop.is_set():
        await context.report(link, "degraded" if context.telemetry.not_ready else "ready")
        if time.monotonic() >= next_trim:
            next_trim += TRIM_SECONDS
            await trim(link, context.settings, context.owned)
        await sleep_unless(context.stop, HEALTH_SECONDS)
    await context.report(link, "stopping")


async def sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but wake when `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def gather(tasks: Sequence[Awaitable[None]]) -> None:
    """Run several loops of one service; the first to fail ends the others."""
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(_awaited(task))


async def _awaited(task: Awaitable[None]) -> None:
    await task
