"""A recorded session with a gap, a reconnect and restarts: its features are those of its market, bit by bit.

All services that take part are processes, the venue is one that misbehaves on request.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from faulty_venue import FaultyVenue
from service_process import started

from lobflow.private_redis import PrivateRedis
from lobflow.processes import last_words
from lobflow.replay import free_port
from services.features.core import FeaturesCore
from services.recorder.reader import files, read
from shared import bus
from shared.bus import Link
from shared.codec import decode, encode
from shared.messages import FeatureVector, FeedStatus, Flow
from shared.streams import Stream, key

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]

SYMBOL = "BTCUSDT"
DEADLINE_SECONDS = 60.0
SERVICES = ("recorder", "monitor", "features", "collector")


class Session:
    """Services of one run against a venue."""

    def __init__(self, venue: FaultyVenue, redis: PrivateRedis, run_id: str, folder: Path) -> None:
        self.venue, self.run_id, self.folder = venue, run_id, folder
        self.port = free_port()
        self.link = Link(redis.url)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.settings: dict[str, object] = {
            "redis_url": redis.url,
            "run_id": run_id,
            "symbols": (SYMBOL,),
            "data_venue": "demo",
            "first_frame_seconds": 40.0,
            "record_dir": folder / "data",
            "record_seconds": 2.0,
            "monitor_port": self.port,
            "parity_seconds": 1.0,
            **venue.settings,
        }

    def start(self, service: str) -> None:
        self.processes[service] = started(service, self.settings, self.folder)

    async def end(self, service: str, number: int = signal.SIGKILL) -> None:
        """The venue runs in this process: nothing here may wait without letting it."""
        process = self.processes.pop(service)
        process.send_signal(number)
        await asyncio.to_thread(process.wait, 30)

    async def entries(self, stream: Stream) -> list[object]:
        rows = await bus.span(self.link, key(self.run_id, stream, SYMBOL), "-", count=100_000)
        return [decode(data) for _, data in rows]

    async def states(self) -> list[str]:
        return [one.state for one in await self.entries(Stream.MARKET) if isinstance(one, FeedStatus)]

    async def count(self, stream: Stream) -> int:
        """How many entries there are; the venue runs in this process, so this must not take long."""
        found: int = await self.link.call("XLEN", key(self.run_id, stream, SYMBOL))
        return found

    async def more(self, stream: Stream = Stream.FEATURES, count: int = 100) -> None:
        """Wait for so many entries more than there are."""
        wanted = await self.count(stream) + count
        deadline = time.monotonic() + DEADLINE_SECONDS
        while await self.count(stream) < wanted:
            assert time.monotonic() < deadline, f"waited in vain for {wanted} entries of {stream.label}"
            for service, process in self.processes.items():
                assert process.poll() is None, last_words(self.folder / f"{service}.log")
            await asyncio.sleep(0.1)

    async def exported(self) -> dict[str, float]:
        """The parity metrics of the monitor, by name."""
        async with aiohttp.ClientSession() as http:
            try:
                async with http.get(f"http://127.0.0.1:{self.port}/metrics") as answer:
                    text = await answer.text()
            except aiohttp.ClientConnectionError:  # it does not listen yet
                return {}
        lines = [line for line in text.splitlines() if line.startswith("lobflow_parity_")]
        assert all(f'symbol="{SYMBOL}"' in line for line in lines)
        return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.fixture
async def session(redis_server: PrivateRedis, run_id: str, tmp_path: Path) -> AsyncIterator[Session]:
    async with FaultyVenue(SYMBOL).serving() as venue:
        one = Session(venue, redis_server, run_id, tmp_path)
        await one.link.open(5)
        try:
            yield one
        finally:
            for service in list(one.processes):
                await one.end(service, signal.SIGTERM)
            await one.link.close()


def parity(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lobflow.cli", "parity", "--data", str(folder), "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_features_of_a_broken_session_are_those_of_its_market(session: Session) -> None:
    for service in SERVICES:
        session.start(service)
    await session.more(count=150)

    session.venue.faults["btcusdt@depth"] = "drop"  # a diff is lost
    await session.more()
    assert (await session.states())[-2:] == ["gap", "live"]

    await session.end("features")  # killed while the market goes on; it resumes where its stream ends
    await session.more(Stream.MARKET)
    session.start("features")
    await session.more()

    before = len(await session.states())
    await session.venue.close_all()  # all sockets are lost
    await session.more()
    assert (await session.states())[before:][-1] == "live"

    before = len(await session.states())
    await session.end("collector")
    session.start("collector")
    await session.more()
    assert len(await session.states()) > before

    epochs = {one.epoch for one in await session.entries(Stream.MARKET)}  # type: ignore[attr-defined]
    assert len(epochs) >= 4
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (found := await session.exported()).get("lobflow_parity_compared_total", 0.0) < 50.0:
        assert time.monotonic() < deadline, f"no background check: {found}"
        await asyncio.sleep(0.2)
    assert found["lobflow_parity_mismatches_total"] == 0.0

    vectors = await session.entries(Stream.FEATURES)
    assert all(isinstance(one, FeatureVector | Flow) for one in vectors)
    for service in ("collector", "features", "recorder"):
        await session.end(service, signal.SIGTERM)
    done = await asyncio.to_thread(parity, session.folder / "data")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["mismatches"] == 0
    assert report["unchecked"] == 0  # from the very first entry, whatever happened in between
    recorded = list(read(files(session.folder / "data", session.run_id, Stream.FEATURES, SYMBOL)))
    assert report["compared"] == len(recorded) >= len(vectors)


async def test_a_wrong_vector_is_told_while_it_runs(session: Session) -> None:
    """One bit of the tenth vector is turned before it is published; the service finds it in the stream."""
    session.start("collector")
    await session.more(Stream.MARKET)
    market, features = (key(session.run_id, stream, SYMBOL) for stream in (Stream.MARKET, Stream.FEATURES))
    core, rows = FeaturesCore(), []
    for entry_id, data in await bus.span(session.link, market, "-"):
        rows += [(entry_id, made) for made in core.handle(decode(data), entry_id)]
    wrong, vector = rows[10]
    assert isinstance(vector, FeatureVector)
    values = bytes([vector.values[0] ^ 1]) + vector.values[1:]
    rows[10] = wrong, msgspec.structs.replace(vector, values=values)
    await bus.publish(session.link, features, [(entry_id, encode(one)) for entry_id, one in rows])
    session.start("features")
    session.start("monitor")
    log = session.folder / "features.log"
    found: list[str] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not found:
            await asyncio.sleep(0.1)
            lines = log.read_text().splitlines()
            found = [line for line in lines if "published features differ" in line]
        told = json.loads(found[0])
        assert (told["entry_id"], told["feature"], told["count"]) == (wrong.decode(), "spread", 1)
        while (await session.exported()).get("lobflow_parity_mismatches_total") != 1.0:
            await asyncio.sleep(0.2)
