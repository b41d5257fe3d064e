"""The collector's process against the real venue in real time: starts, sockets lost, resumes."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from service_process import started

from lobflow.private_redis import PrivateRedis
from lobflow.processes import last_words
from lobflow.replay import free_port, health
from shared import bus
from shared.bus import Link
from shared.codec import decode
from shared.messages import AggTrade, FeedStatus, Heartbeat, Lob
from shared.streams import Stream, key, parse_id

pytestmark = [pytest.mark.recorded, pytest.mark.redis]

SYMBOL = "BTCUSDT"
DEADLINE_SECONDS = 40.0


class Stage:
    """A venue and a collector of one run."""

    def __init__(self, folder: Path, redis: PrivateRedis, run_id: str, recording: Path) -> None:
        port = free_port()
        self.run_id = run_id
        self.folder = folder
        self.settings: dict[str, object] = {
            "redis_url": redis.url,
            "run_id": run_id,
            "symbols": (SYMBOL,),
            "venue_port": port,
            "venue_files": (recording,),
            "venue_speed": 1.0,
            "data_rest_url": f"http://127.0.0.1:{port}",
            "data_public_url": f"ws://127.0.0.1:{port}/public",
            "data_market_url": f"ws://127.0.0.1:{port}/market",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.link = Link(redis.url)

    def start(self, service: str) -> None:
        self.processes[service] = started(service, self.settings, self.folder)

    def end(self, service: str, number: int = signal.SIGKILL) -> None:
        process = self.processes.pop(service)
        process.send_signal(number)
        process.wait(10)

    async def entries(self) -> list[tuple[str, object]]:
        rows = await bus.span(self.link, key(self.run_id, Stream.MARKET, SYMBOL), "-", count=100_000)
        return [(entry_id.decode(), decode(data)) for entry_id, data in rows]

    async def until(self, is_met: Callable[[list[object]], bool]) -> list[tuple[str, object]]:
        """The entries, once they meet a condition."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                found = await self.entries()
                if is_met([message for _, message in found]):
                    return found
                for service, process in self.processes.items():
                    assert process.poll() is None, last_words(self.folder / f"{service}.log")
                await asyncio.sleep(0.1)


@pytest.fixture
async def stage(tmp_path: Path, redis_server: PrivateRedis, run_id: str, btc: Path) -> AsyncIterator[Stage]:
    async with staged(Stage(tmp_path, redis_server, run_id, btc)) as one:
        yield one


@asynccontextmanager
async def staged(one: Stage) -> AsyncIterator[Stage]:
    await one.link.open(5)
    try:
        yield one
    finally:
        for service in list(one.processes):
            one.end(service, signal.SIGTERM)
        await one.link.close()


def states(messages: list[object]) -> list[str]:
    return [message.state for message in messages if isinstance(message, FeedStatus)]


def books(messages: list[object]) -> int:
    return sum(isinstance(message, Lob) for message in messages)


async def test_book_and_tape_flow_and_agree_with_the_ticker(stage: Stage) -> None:
    stage.start("venue")
    stage.start("collector")
    found = await stage.until(lambda messages: books(messages) > 60)
    assert states([message for _, message in found]) == ["syncing", "live"]
    assert any(isinstance(message, AggTrade) for _, message in found)
    ids = [parse_id(entry_id) for entry_id, _ in found]
    assert ids == sorted(set(ids))
    assert [message.seq for _, message in found] == list(range(len(found)))  # type: ignore[attr-defined]
    report = await health(stage.link, stage.run_id, "collector")
    assert report is not None
    assert report.counters["bbo_checked"] == report.counters["bbo_agree"]
    assert report.counters.get("gaps", 0) == 0


async def test_lost_sockets_are_gaps_and_the_book_comes_back(stage: Stage) -> None:
    stage.start("venue")
    stage.start("collector")
    await stage.until(lambda messages: books(messages) > 5)
    stage.end("venue")
    await stage.until(lambda messages: states(messages).count("gap") >= 2)  # book and tape, each said
    silent = await stage.until(lambda messages: isinstance(messages[-1], Heartbeat))
    stage.start("venue")  # it begins its recording anew: to the collector a venue whose ids went back
    found = await stage.until(lambda messages: books(messages) > books([m for _, m in silent]) + 5)
    said = states([message for _, message in found])
    assert said[:2] == ["syncing", "live"]
    assert said[-1] == "live"
    epochs = [message.epoch for _, message in found]  # type: ignore[attr-defined]
    assert epochs == sorted(epochs)
    assert epochs[-1] >= 2


async def test_killed_collector_goes_on_above_its_last_id_in_a_new_epoch(stage: Stage) -> None:
    stage.start("venue")
    stage.start("collector")
    before = await stage.until(lambda messages: books(messages) > 5)
    stage.end("collector")
    stage.start("collector")  # waits until the lease of the dead one ends
    found = await stage.until(lambda messages: states(messages).count("syncing") == 2)
    found = await stage.until(lambda messages: states(messages)[-1] == "live" and len(messages) > len(found))
    ids = [parse_id(entry_id) for entry_id, _ in found]
    assert ids == sorted(set(ids))
    assert [message.seq for _, message in found] == list(range(len(found)))  # type: ignore[attr-defined]
    assert found[: len(before)] == before
    assert found[-1][1].epoch == 1  # type: ignore[attr-defined]
