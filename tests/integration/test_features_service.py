"""The features service as a process, over a real Redis: killed or doubled, its stream is the same."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

import pytest

from lobflow.private_redis import PrivateRedis
from research.market import market_entries
from services.features.core import FeaturesCore
from shared import bus, codec
from shared.settings import to_environment
from shared.streams import ZERO_ID, Stream, key, parked_key

pytestmark = [pytest.mark.recorded, pytest.mark.redis]

SYMBOL = "BTCUSDT"
SECONDS = 60.0
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def market(btc: Path) -> list[bus.Entry]:
    """The market entries of the recording, as the collector publishes them."""
    return [(entry_id.encode(), codec.encode(message)) for _, entry_id, message in market_entries([btc])]


@pytest.fixture(scope="module")
def expected(market: list[bus.Entry]) -> list[bus.Entry]:
    """What an uninterrupted core makes of them."""
    core = FeaturesCore()
    return [
        (entry_id, codec.encode(vector))
        for entry_id, data in market
        for vector in core.handle(codec.decode(data), entry_id)
    ]


@pytest.fixture
def start(redis_server: PrivateRedis, run_id: str) -> Iterator[Start]:
    """Start a copy of the service; what still runs at the end is stopped."""
    running: list[subprocess.Popen[bytes]] = []

    def launch(instance: str) -> subprocess.Popen[bytes]:
        settings = to_environment(
            {
                "redis_url": redis_server.url,
                "run_id": run_id,
                "instance": instance,
                "symbols": [SYMBOL, "ETHUSDT"],
                "retention_minutes": 1e6,
            }
        )
        command = [sys.executable, "-m", "services.features"]
        running.append(subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.PIPE))
        return running[-1]

    yield launch
    for process in running:
        if process.poll() is None:
            process.terminate()
        _, errors = process.communicate(timeout=20)
        assert process.returncode in (0, -signal.SIGKILL), errors.decode()


async def until(link: bus.Link, name: str, count: int) -> list[bus.Entry]:
    """The stream `name` once it holds `count` entries."""
    got: list[bus.Entry] = []
    async with asyncio.timeout(SECONDS):
        while len(got) < count:
            after = got[-1][0] if got else ZERO_ID.encode()
            for _, entries in await bus.read(link, {name: after}, count, 500):
                got += entries
    return got


async def test_the_stream_is_the_same_through_kills_and_copies(
    redis_server: PrivateRedis,
    run_id: str,
    start: Start,
    market: list[bus.Entry],
    expected: list[bus.Entry],
) -> None:
    source, target = (key(run_id, stream, SYMBOL) for stream in (Stream.MARKET, Stream.FEATURES))
    link = await bus.Link(redis_server.url).open(SECONDS)
    try:
        published = 0
        made = {entry_id for entry_id, _ in expected}
        counts = list(accumulate(entry_id in made for entry_id, _ in market))

        async def feed(share: float) -> list[bus.Entry]:
            """Publish the market up to `share` of it; returns all the features that must then be there."""
            nonlocal published
            end = int(len(market) * share)
            for first in range(published, end, 500):
                await bus.publish(link, source, market[first : min(first + 500, end)])
            published = end
            return expected[: counts[end - 1]]

        first = start("a")
        due = await feed(0.3)
        assert await until(link, target, len(due) // 2)  # under way, not through
        first.send_signal(signal.SIGKILL)
        first.wait()
        second, third = start("b"), start("c")
        assert await until(link, target, len(due)) == due
        due = await feed(0.7)
        await until(link, target, len(due) // 2)
        second.send_signal(signal.SIGKILL)
        second.wait()
        assert await until(link, target, len(due)) == due
        third.send_signal(signal.SIGKILL)
        third.wait()
        start("d")
        due = await feed(1.0)
        assert due == expected
        assert await until(link, target, len(expected)) == expected
    finally:
        await link.close()


async def test_symbols_run_side_by_side(
    redis_server: PrivateRedis,
    run_id: str,
    start: Start,
    market: list[bus.Entry],
    expected: list[bus.Entry],
) -> None:
    link = await bus.Link(redis_server.url).open(SECONDS)
    try:
        start("a")
        part = market[:2000]
        made = {entry_id for entry_id, _ in expected}
        count = sum(entry_id in made for entry_id, _ in part)
        for symbol in (SYMBOL, "ETHUSDT"):
            await bus.publish(link, key(run_id, Stream.MARKET, symbol), part)
        for symbol in (SYMBOL, "ETHUSDT"):
            got = await until(link, key(run_id, Stream.FEATURES, symbol), count)
            assert got == expected[:count]
    finally:
        await link.close()


async def test_an_entry_that_is_none_is_parked_and_passed_over_for_ever(
    redis_server: PrivateRedis, run_id: str, start: Start, market: list[bus.Entry]
) -> None:
    bad, cut, end = 1000, 1500, 2000
    core = FeaturesCore()
    due = [
        (entry_id, codec.encode(vector))
        for place, (entry_id, data) in enumerate(market[:end])
        if place != bad
        for vector in core.handle(codec.decode(data), entry_id)
    ]
    before_cut = {entry_id for entry_id, _ in market[:cut]}
    half = sum(entry_id in before_cut for entry_id, _ in due)
    source, target = (key(run_id, stream, SYMBOL) for stream in (Stream.MARKET, Stream.FEATURES))
    link = await bus.Link(redis_server.url).open(SECONDS)
    try:
        spoiled = [*market[:bad], (market[bad][0], b"no message"), *market[bad + 1 : cut]]
        await bus.publish(link, source, spoiled)
        first = start("a")
        assert await until(link, target, half) == due[:half]
        assert await link.call("XLEN", parked_key(run_id, "features")) == 1
        first.send_signal(signal.SIGKILL)
        first.wait()
        start("b")  # its warm-up meets the same bytes
        await bus.publish(link, source, market[cut:end])
        assert await until(link, target, len(due)) == due
        assert await link.call("XLEN", parked_key(run_id, "features")) == 1
    finally:
        await link.close()
