"""Faults of the venue, end to end: from its sockets through collector, features and model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty_venue import FaultyVenue
from model_data import trained

from lobflow.private_redis import PrivateRedis
from services.collector.__main__ import body as collect
from services.features.__main__ import body as compute
from services.model.__main__ import body as predict
from shared import bus, codec
from shared.messages import FeedStatus, Flow, Lob, Prediction
from shared.runner import Context
from shared.settings import Settings
from shared.streams import Stream, key, parse_id
from shared.telemetry import Telemetry, start_logging

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(300)]

SYMBOL = "BTCUSDT"
SECONDS = 60.0
NOT_WHOLE = "windows not whole"
DEPTH = f"{SYMBOL.lower()}@depth"
Rows = list[tuple[str, Any]]


async def entries(link: bus.Link, run_id: str, stream: Stream) -> Rows:
    """Without the flow that comes beside vectors and predictions once a minute."""
    found = await bus.span(link, key(run_id, stream, SYMBOL), "-", count=100_000)
    decoded = [(entry_id.decode(), codec.decode(data)) for entry_id, data in found]
    return [(entry_id, one) for entry_id, one in decoded if not isinstance(one, Flow)]


async def until(is_met: Callable[[], Any], tasks: list[asyncio.Task[None]]) -> None:
    """Wait for a condition, or for a service that failed."""
    async with asyncio.timeout(SECONDS):
        while not await is_met():
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.1)


def since_whole(market: Rows) -> dict[str, int]:
    """For each `Lob` by id: how long the book has been whole without a break, by the market stream alone."""
    out: dict[str, int] = {}
    begun_ns: int | None = None
    for entry_id, message in market:
        if isinstance(message, FeedStatus):
            begun_ns = None
        elif isinstance(message, Lob):
            begun_ns = message.recv_ns if begun_ns is None else begun_ns
            out[entry_id] = message.recv_ns - begun_ns
    return out


async def test_predictions_stop_in_a_gap_and_resume_when_the_windows_are_whole(
    redis_server: PrivateRedis, run_id: str, tmp_path: Path
) -> None:
    window_ns = trained(tmp_path / "models" / SYMBOL).longest_window_ns
    venue = FaultyVenue(SYMBOL)
    link = await bus.Link(redis_server.url).open(SECONDS)
    async with venue.serving():
        values: dict[str, Any] = {
            "redis_url": redis_server.url,
            "run_id": run_id,
            "symbols": (SYMBOL,),
            "data_venue": "demo",
            "silent_seconds": 1.0,
            "model_dir": tmp_path / "models",
            **venue.settings,
        }
        contexts = [
            Context(name, Settings(**values), start_logging(name, "critical"), Telemetry(name))
            for name in ("collector", "features", "model")
        ]
        tasks = [
            asyncio.create_task(run(context))
            for run, context in zip((collect, compute, predict), contexts, strict=True)
        ]

        async def predicts() -> bool:
            """Whether the newest prediction rests on whole windows, and follows every gap so far."""
            market = await entries(link, run_id, Stream.MARKET)
            said = [parse_id(entry_id) for entry_id, one in market if isinstance(one, FeedStatus)]
            return any(
                parse_id(entry_id) > said[-1] and one.reason != NOT_WHOLE
                for entry_id, one in (await entries(link, run_id, Stream.PREDICTIONS))[-1:]
            )

        async def breaks(state: str, count: int) -> bool:
            market = await entries(link, run_id, Stream.MARKET)
            return sum(isinstance(one, FeedStatus) and one.state == state for _, one in market) >= count

        try:
            await until(predicts, tasks)
            venue.faults[DEPTH] = "drop"
            await until(lambda: breaks("gap", 1), tasks)
            await until(predicts, tasks)
            venue.faults[DEPTH] = "twice"  # is no gap: predictions go on
            venue.depth_answers = [(503, {}, "busy")]  # the book is late, too
            venue.is_frozen = True  # every stream is acknowledged and silent
            await until(lambda: breaks("stale", 1), tasks)
            venue.is_frozen = False
            await until(predicts, tasks)
            await venue.close_all()
            await until(lambda: breaks("gap", 3), tasks)  # of book and tape
            await until(predicts, tasks)
        finally:
            for context in contexts:
                context.stop.set()
            await asyncio.wait(tasks, timeout=SECONDS)
            for context in contexts:
                await context.close()
    for task in tasks:
        task.result()
    whole = since_whole(await entries(link, run_id, Stream.MARKET))
    predictions = await entries(link, run_id, Stream.PREDICTIONS)
    await link.close()
    assert all(isinstance(one, Prediction) for _, one in predictions)
    assert {one.reason for _, one in predictions} == {"", NOT_WHOLE}
    judged = [(entry_id, one.reason == NOT_WHOLE) for entry_id, one in predictions]
    assert judged == [(entry_id, whole[entry_id] < window_ns) for entry_id, _ in predictions]
    # Every book has its prediction but those at the very end, which the stop overtook.
    assert [entry_id for entry_id, _ in predictions] == list(whole)[: len(predictions)]
