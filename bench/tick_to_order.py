"""From frame received to order bytes written: the real services, beside a bare relay in the same run.

Both go through the same Redis on the same machine at the same time; the relay handles the same frames, half a
frame interval later, with entries of the sizes that the services write. What is compared is the median of
each, so the ratio says what the services' own work costs on top of the transport.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from lobflow.private_redis import PrivateRedis
from lobflow.processes import Processes
from lobflow.replay import SERVICES, free_port, stream_keys
from research.dataset import load
from research.export import save
from research.train import train_horizons
from services.venue.recording import scan
from shared import bus, codec
from shared.bus import Link
from shared.errors import BadInput, LobflowError
from shared.messages import Prediction
from shared.streams import Stream, key

HOPS = ("received", "collector", "features", "model", "decided", "sent")
ORDER_BYTES = 460  # a signed POST of this trader, headers included
OFFSET_MS = 25  # half the interval of the recorded diffs
START_SECONDS = 90.0
STALL_SECONDS = 20.0
WARM_ORDERS = 100  # the first of each are not measured


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    file: Path
    orders: int = 2000
    speed: float = 1.0


def percentiles(stamps: dict[str, dict[str, int]], hops: tuple[str, ...], warm: int) -> dict[str, Any]:
    """p50 and p99 in microseconds from the first hop to the last, and hop by hop, over the ids that reached
    the last one; the first `warm` of them are left out."""
    complete = [one for one in stamps[hops[-1]] if all(one in stamps[hop] for hop in hops)][warm:]
    if not complete:
        return {"orders": 0}
    out: dict[str, Any] = {"orders": len(complete), **_quantiles(stamps, hops[0], hops[-1], complete)}
    out["hops"] = {
        f"{before}>{after}": _quantiles(stamps, before, after, complete) for before, after in pairwise(hops)
    }
    return out


def _quantiles(
    stamps: dict[str, dict[str, int]], before: str, after: str, ids: list[str]
) -> dict[str, float]:
    spent = sorted(stamps[after][one] - stamps[before][one] for one in ids)
    return {
        "p50_us": round(spent[len(spent) // 2] / 1000, 1),
        "p99_us": round(spent[min(len(spent) - 1, len(spent) * 99 // 100)] / 1000, 1),
    }


def read_stamps(folder: Path, pattern: str) -> dict[str, dict[str, int]]:
    """hop -> id -> monotonic nanoseconds, of all stamp files that match."""
    out: dict[str, dict[str, int]] = {hop: {} for hop in HOPS}
    for path in folder.glob(pattern):
        for line in path.read_text().splitlines():
            hop, entry_id, at_ns = line.split()
            if hop in out:
                out[hop].setdefault(entry_id.rpartition("/")[2], int(at_ns))
    return out


async def measure(plan: Plan, progress: Callable[[str, float], None]) -> dict[str, Any]:
    """Run system and relay until `plan.orders` orders were sent by both. Returns the figures."""
    symbols = list(scan([plan.file]))
    if len(symbols) != 1:
        raise BadInput(f"{plan.file}: holds {len(symbols)} symbols; one is measured")
    (symbol,) = symbols
    with tempfile.TemporaryDirectory(prefix="lob") as name, PrivateRedis() as redis:
        folder = Path(name)
        progress("fitting a model", 0.0)
        save(train_horizons(load([plan.file], symbol).part(0.0, 0.5)), folder / "model")
        return await _measure(plan, symbol, folder, redis, progress)


async def _measure(
    plan: Plan, symbol: str, folder: Path, redis: PrivateRedis, progress: Callable[[str, float], None]
) -> dict[str, Any]:
    port = free_port()
    base, sockets = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    settings = {
        "redis_url": redis.url,
        "run_id": "bench",
        "symbols": (symbol,),
        "data_rest_url": base,
        "data_public_url": f"{sockets}/public",
        "data_market_url": f"{sockets}/market",
        "trade_rest_url": base,
        "trade_private_url": f"{sockets}/private",
        "venue_port": port,
        "venue_files": (plan.file.resolve(),),
        "venue_speed": plan.speed,
        "venue_limits": False,
        "venue_balance": Decimal(100_000_000),
        "model_dir": folder / "model",
        "strategy": "bench",
        "max_position": Decimal(1000),
        "max_orders_10s": 1_000_000,
        "record_dir": folder / "data",
        "monitor_port": free_port(),
        "stamps_file": folder / "system",
    }
    processes = Processes(settings, folder / "logs")
    loop = asyncio.get_running_loop()
    link = await Link(redis.url).open(10)
    relays: list[asyncio.subprocess.Process] = []
    sink = await asyncio.start_server(_swallow, "127.0.0.1", 0)
    try:
        for service in SERVICES:
            await processes.start(service)
        decisions = key("bench", Stream.DECISIONS, symbol)
        predictions = key("bench", Stream.PREDICTIONS, symbol)
        await _until(lambda: _is_predicting(link, predictions), processes, START_SECONDS, "a prediction")
        await _until(
            lambda: _count(link, decisions, WARM_ORDERS), processes, START_SECONDS, "the first orders"
        )
        sizes = [await _size(link, name) for name in stream_keys("bench", (symbol,))[:4]]
        url = f"{sockets}/public/stream?streams={symbol.lower()}@depth@100ms"
        sink_port = sink.sockets[0].getsockname()[1]
        relays = await _start_relays(folder, redis.url, sizes, url, sink_port)
        before = await _length(link, decisions)
        target = plan.orders + 2 * WARM_ORDERS
        moved, newest = loop.time(), 0
        while (done := min(await _length(link, decisions) - before, await _length(link, "relay:3"))) < target:
            progress("measuring", done / target)
            if done > newest:
                moved, newest = loop.time(), done
            if loop.time() - moved > STALL_SECONDS:
                raise LobflowError(f"{done} of {target} orders, and no more came for {STALL_SECONDS:g} s")
            if processes.failed.done():
                processes.failed.result()
            if any(relay.returncode is not None for relay in relays):
                raise LobflowError("a relay process ended early")
            await asyncio.sleep(0.5)
    finally:
        for relay in relays:
            if relay.returncode is None:
                relay.terminate()
            await relay.wait()
        await processes.stop()
        sink.close()
        await link.close()
    system = percentiles(read_stamps(folder, "system.*"), HOPS, WARM_ORDERS)
    relay_figures = percentiles(read_stamps(folder, "relay.*"), HOPS, WARM_ORDERS)
    return {
        "bench": "tick-to-order",
        "file": plan.file.name,
        "speed": plan.speed,
        "cores": os.cpu_count(),
        "entry_bytes": dict(zip(("market", "features", "predictions", "decisions"), sizes, strict=True)),
        "system": system,
        "relay": relay_figures,
        "ratio": round(system["p50_us"] / relay_figures["p50_us"], 3),
    }


async def _start_relays(
    folder: Path, redis_url: str, sizes: list[int], url: str, port: int
) -> list[asyncio.subprocess.Process]:
    keys = [f"relay:{number}" for number in range(4)]
    commands: list[list[object]] = [
        ["order", "--source-key", keys[2], "--to", keys[3], "--size", sizes[3], "--port", port,
         "--order-bytes", ORDER_BYTES, "--out", folder / "relay.order"],
        ["hop", "--source-key", keys[1], "--to", keys[2], "--size", sizes[2], "--name", "model",
         "--out", folder / "relay.model"],
        ["hop", "--source-key", keys[0], "--to", keys[1], "--size", sizes[1], "--name", "features",
         "--out", folder / "relay.features"],
        ["source", "--to", keys[0], "--size", sizes[0], "--url", url, "--offset-ms", OFFSET_MS,
         "--out", folder / "relay.source"],
    ]  # fmt: skip
    started = []
    for command in commands:
        arguments = [str(part) for part in [*command, "--redis", redis_url]]
        started.append(await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.relay", *arguments))
    return started


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        continue
    writer.close()


async def _until(check: Callable[[], Any], processes: Processes, seconds: float, what: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await check():
        if processes.failed.done():
            processes.failed.result()
        if loop.time() > deadline:
            raise LobflowError(f"waited {seconds:g} s for {what}")
        await asyncio.sleep(0.2)


async def _length(link: Link, name: str) -> int:
    return int(await link.call("XLEN", name))


async def _is_predicting(link: Link, name: str) -> bool:
    """Windows are whole some seconds after the start; until then predictions are empty, and shorter."""
    entry = await bus.last_entry(link, name)
    message = None if entry is None else codec.decode(entry[1])
    return isinstance(message, Prediction) and bool(message.moves)


async def _count(link: Link, name: str, at_least: int) -> bool:
    return await _length(link, name) >= at_least


async def _size(link: Link, name: str) -> int:
    """The size of what is on the path: the largest of the newest entries (`Lob`s, whole predictions)."""
    rows = await link.call("XREVRANGE", name, "+", "-", "COUNT", 50)
    return max(len(fields[1]) for _, fields in rows)
