"""A raw recording through the whole system: private Redis, all services as processes, in lockstep.

`run` is what `lobflow replay` and the tests call. It leaves `data/` (Parquet of every stream) and `logs/` in
the folder it is given.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from lobflow.private_redis import PrivateRedis
from lobflow.processes import Child, Processes
from services.model.artifact import MANIFEST, read_manifest
from services.venue.events import Instrument
from services.venue.recording import scan
from shared import bus, codec
from shared.bus import Link
from shared.errors import BadInput, LobflowError
from shared.messages import Health
from shared.settings import load
from shared.streams import Stream, health_key, key, parse_id

START_SECONDS = 90.0  # a cold start compiles the kernels
STALL_SECONDS = 60.0
POLL_SECONDS = 0.1
SERVICES = ("venue", "recorder", "monitor", "features", "model", "trader", "collector")


@dataclass(frozen=True)
class Options:
    """What to replay and how. Times are market time; sizes base currency; `threshold` quote currency."""

    files: tuple[Path, ...]
    model: Path
    out: Path
    speed: float = 0.0
    latency_ms: int = 100
    strategy: str = "threshold"
    threshold: float | None = None
    size: Decimal = Decimal("0.01")
    period: int = 10
    monitor_port: int = 0
    copies: int = 1  # of features and model
    balance: Decimal = Decimal(10_000)
    extra: dict[str, object] = field(default_factory=dict)  # further settings, for tests


@dataclass
class Replay:
    """A replay that is under way, as progress displays and drills see it."""

    options: Options
    instruments: dict[str, Instrument]
    run_id: str
    processes: Processes
    redis: PrivateRedis | None
    redis_url: str
    ports: dict[str, int]
    status: dict[str, Any]  # the venue's own, as of the last poll
    started: float  # monotonic seconds at which the replay set out


@dataclass
class Result:
    """What came of it. `pnl`, `trades` and `stats` are the monitor's answers, `venue` the venue's status."""

    run_id: str
    instruments: dict[str, Instrument]
    venue: dict[str, Any]
    pnl: dict[str, Any]
    trades: list[dict[str, Any]]
    stats: dict[str, Any]
    health: dict[str, Health]
    restarts: int
    max_rss_bytes: int
    rss_by_service: dict[str, int]
    seconds: float


Watcher = Callable[[Replay], Awaitable[None]]


def run_id_of(options: Options) -> str:
    """The run's id: a replay's own, and the same whenever the same things are replayed in the same way, so
    that two replays can be compared byte by byte. Speed and copies change nothing and are no part of it."""
    digest = hashlib.sha256()
    for path in options.files:
        digest.update(path.read_bytes())
    for path in sorted(options.model.rglob(MANIFEST)):
        digest.update(read_manifest(path.parent).version.encode())
    rest = (options.latency_ms, options.strategy, options.threshold, options.size, options.period)
    digest.update(repr((rest, options.balance, sorted(options.extra.items()))).encode())
    return f"replay-{digest.hexdigest()[:12]}"


async def run(options: Options, watch: Watcher | None = None) -> Result:
    """Replay `options.files`; `watch` is called at each poll: progress and drills. Raises LobflowError."""
    instruments = scan(options.files)
    if not options.model.is_dir():
        raise BadInput(f"{options.model}: no such model folder")
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = load().redis_url if _redis_url_is_set() else None
    redis = None if chosen else PrivateRedis()
    if redis is not None:
        redis.start()
    try:
        return await _run(options, instruments, redis, chosen or (redis.url if redis else ""), watch)
    finally:
        if redis is not None:
            redis.close()


def _redis_url_is_set() -> bool:
    return "redis_url" in load().model_fields_set


async def _run(
    options: Options,
    instruments: dict[str, Instrument],
    redis: PrivateRedis | None,
    redis_url: str,
    watch: Watcher | None,
) -> Result:
    run_id = run_id_of(options)
    link = await Link(redis_url).open(10.0)
    await forget(link, run_id)  # on a shared Redis an earlier replay of the same thing may have left them
    ports = {"venue": free_port(), "monitor": options.monitor_port or free_port()}
    processes = Processes(_settings(options, instruments, run_id, redis_url, ports), options.out / "logs")
    replay = Replay(options, instruments, run_id, processes, redis, redis_url, ports, {}, time.monotonic())
    try:
        for service in SERVICES:
            copies = options.copies if service in ("features", "model") else 1
            for number in range(copies):
                await processes.start(service, instance=str(number))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            await _until_finished(replay, session, watch)
            await _until_caught_up(replay, link)
            result = await _collect(replay, session, link)
    finally:
        await processes.stop()
        await link.close()
    return result


async def forget(link: Link, runs: str) -> None:
    """Remove the streams of earlier runs whose ids match the glob pattern `runs`."""
    names = await bus.find(link, f"{runs}:*")
    if names:
        await link.call("DEL", *names)


def _settings(
    options: Options,
    instruments: dict[str, Instrument],
    run_id: str,
    redis_url: str,
    ports: dict[str, int],
) -> dict[str, object]:
    rest, socket_url = f"http://127.0.0.1:{ports['venue']}", f"ws://127.0.0.1:{ports['venue']}"
    return {
        "redis_url": redis_url,
        "run_id": run_id,
        "symbols": tuple(instruments),
        "lockstep": True,
        "data_rest_url": rest,
        "data_public_url": f"{socket_url}/public",
        "data_market_url": f"{socket_url}/market",
        "trade_rest_url": rest,
        "trade_private_url": f"{socket_url}/private",
        "venue_port": ports["venue"],
        "venue_files": tuple(path.resolve() for path in options.files),
        "venue_speed": options.speed,
        "venue_latency_ms": options.latency_ms,
        "venue_balance": options.balance,
        "model_dir": options.model.resolve(),
        "strategy": options.strategy,
        "threshold": options.threshold,
        "size": options.size,
        "period": options.period,
        "record_dir": (options.out / "data").resolve(),
        "monitor_port": ports["monitor"],
        **options.extra,
    }


async def _until_finished(replay: Replay, session: aiohttp.ClientSession, watch: Watcher | None) -> None:
    """Poll the venue until its market has ended; raises where a service fails or nothing moves."""
    url = f"http://127.0.0.1:{replay.ports['venue']}/replay/status"
    moved, last = time.monotonic(), -1
    while True:
        try:
            async with session.get(url) as answer:
                replay.status = await answer.json()
        except aiohttp.ClientError:
            replay.status = {**replay.status, "state": replay.status.get("state", "starting")}
        if replay.processes.failed.done():
            replay.processes.failed.result()
        replay.processes.sample()
        market_ns = int(replay.status.get("market_ns") or 0)
        if market_ns != last:
            moved, last = time.monotonic(), market_ns
            if replay.status.get("state") == "waiting":
                replay.started = moved
        if watch is not None:
            await watch(replay)
        if replay.status.get("state") == "finished":
            return
        limit = STALL_SECONDS if replay.status.get("state") == "running" else START_SECONDS
        if time.monotonic() - moved > limit:
            state = replay.status.get("state", "not there")
            raise LobflowError(
                f"the replay stands still (venue {state}) for {limit:g} s; see {replay.options.out / 'logs'}"
            )
        await asyncio.sleep(POLL_SECONDS)


async def _until_caught_up(replay: Replay, link: Link) -> None:
    """Wait until recorder and monitor have seen the last entry of every stream, and the collector told."""
    deadline = time.monotonic() + STALL_SECONDS
    while True:
        behind = await _behind(replay, link)
        if not behind:
            return
        if replay.processes.failed.done():
            replay.processes.failed.result()
        if time.monotonic() > deadline:
            raise LobflowError(f"not caught up after {STALL_SECONDS:g} s: {', '.join(behind)}")
        await asyncio.sleep(POLL_SECONDS)


async def _behind(replay: Replay, link: Link) -> list[str]:
    healths = {name: await health(link, replay.run_id, name) for name in ("recorder", "monitor")}
    collector = await health(link, replay.run_id, "collector")
    out = []
    for symbol in replay.instruments:  # its counts are complete once they speak of the last entry
        last = (await bus.last_id(link, key(replay.run_id, Stream.MARKET, symbol))).decode()
        if collector is None or collector.positions.get(f"market:{symbol}") != last:
            out.append(f"health of the collector on {symbol}")
    for name in stream_keys(replay.run_id, tuple(replay.instruments)):
        last = (await bus.last_id(link, name)).decode()
        label = name.removeprefix(replay.run_id + ":")
        for service, report in healths.items():
            position = report.positions if report else {}
            seen = position.get(f"seen {label}", position.get(label, "0-0"))
            if parse_id(seen) < parse_id(last):
                out.append(f"{service} on {label}")
    return out


def stream_keys(run_id: str, symbols: tuple[str, ...]) -> list[str]:
    """The keys of all streams of a run but health."""
    out = []
    for stream in Stream:
        out += [key(run_id, stream, symbol) for symbol in (symbols if stream.value.is_per_symbol else ("",))]
    return out


async def health(link: Link, run_id: str, service: str, instance: str = "0") -> Health | None:
    """The newest health entry of a service."""
    entry = await bus.last_entry(link, health_key(run_id, service, instance))
    if entry is None:
        return None
    message = codec.decode(entry[1])
    assert isinstance(message, Health)
    return message


async def _collect(replay: Replay, session: aiohttp.ClientSession, link: Link) -> Result:
    base = f"http://127.0.0.1:{replay.ports['monitor']}/api/v1"
    answers = {}
    for name in ("pnl", "stats"):
        async with session.get(f"{base}/{name}") as answer:
            answers[name] = await answer.json()
    trades = await _all_trades(session, base)
    async with session.get(f"http://127.0.0.1:{replay.ports['venue']}/replay/status") as answer:
        venue = await answer.json()
    healths = {name: await health(link, replay.run_id, name) for name in SERVICES if name != "venue"}
    max_rss = replay.processes.sample()
    children: list[Child] = list(replay.processes.children.values())
    return Result(
        run_id=replay.run_id,
        instruments=replay.instruments,
        venue=venue,
        pnl=answers["pnl"],
        trades=trades,
        stats=answers["stats"],
        health={name: report for name, report in healths.items() if report is not None},
        restarts=sum(child.restarts for child in children),
        max_rss_bytes=max_rss,
        rss_by_service={child.name: child.peak_rss_bytes for child in children},
        seconds=time.monotonic() - replay.started,
    )


async def _all_trades(session: aiohttp.ClientSession, base: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:  # newest first, page by page
        async with session.get(
            f"{base}/trades", params={"limit": "1000", "offset": str(len(rows))}
        ) as answer:
            page = await answer.json()
        rows += page["trades"]
        if not page["trades"] or len(rows) >= page["total"]:
            return rows


def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
