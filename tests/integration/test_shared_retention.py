"""Market-like streams are trimmed by time, never past a recorder that is at work."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from lobflow.private_redis import PrivateRedis
from shared import bus, codec
from shared.bus import Link
from shared.messages import Health
from shared.retention import trim
from shared.settings import Settings
from shared.streams import Stream, health_key, key

pytestmark = pytest.mark.redis

MINUTE_MS = 60_000
COUNT = 3000  # enough for Redis to drop whole nodes: trimming is approximate
STEP_MS = 2000  # 100 minutes in all


@pytest.fixture
async def link(redis_server: PrivateRedis) -> AsyncIterator[Link]:
    one = await Link(redis_server.url).open(5)
    yield one
    await one.close()


async def filled(link: Link, run_id: str) -> str:
    name = key(run_id, Stream.MARKET, "BTCUSDT")
    await bus.publish(link, name, [(f"{1 + n * STEP_MS}-0".encode(), b"x" * 100) for n in range(COUNT)])
    return name


async def recorder(link: Link, run_id: str, at_ns: int, position: str, instance: str = "0") -> None:
    health = Health(
        at_ns, "recorder", instance, "ready", "", {"market:{BTCUSDT}": position}, 0, 0, {}, "", ""
    )
    await link.call("XADD", health_key(run_id, "recorder", instance), "*", "d", codec.encode(health))


async def first_ms(link: Link, name: str) -> int:
    return int((await bus.span(link, name, "-", "+", 1))[0][0].partition(b"-")[0])


def settings(run_id: str) -> Settings:
    return Settings(_env_file=None, run_id=run_id, retention_minutes=60.0)  # type: ignore[call-arg]


async def test_what_is_older_than_the_retention_goes(link: Link, run_id: str) -> None:
    name = await filled(link, run_id)
    await trim(link, settings(run_id), [name])
    kept_from = await first_ms(link, name)
    assert 30 * MINUTE_MS < kept_from <= 40 * MINUTE_MS + STEP_MS


async def test_nothing_goes_past_a_recorder_at_work(link: Link, run_id: str) -> None:
    name = await filled(link, run_id)
    await recorder(link, run_id, time.time_ns(), f"{10 * MINUTE_MS}-0")
    await trim(link, settings(run_id), [name])
    assert await first_ms(link, name) <= 10 * MINUTE_MS


async def test_the_recorder_that_is_furthest_behind_counts(link: Link, run_id: str) -> None:
    name = await filled(link, run_id)
    await recorder(link, run_id, time.time_ns(), f"{90 * MINUTE_MS}-0")
    await recorder(link, run_id, time.time_ns(), f"{10 * MINUTE_MS}-0", "second")
    await trim(link, settings(run_id), [name])
    assert await first_ms(link, name) <= 10 * MINUTE_MS


async def test_recorder_that_was_not_seen_for_long_holds_nothing_back(link: Link, run_id: str) -> None:
    name = await filled(link, run_id)
    await recorder(link, run_id, time.time_ns() - 400 * 10**9, f"{10 * MINUTE_MS}-0")
    await trim(link, settings(run_id), [name])
    assert await first_ms(link, name) > 30 * MINUTE_MS
