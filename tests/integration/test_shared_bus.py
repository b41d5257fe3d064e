"""The bus against a real Redis: ids of our own, refusals, losses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from lobflow.private_redis import PrivateRedis
from shared import bus
from shared.bus import Link
from shared.errors import BadSetting, BusError, Conflict

pytestmark = pytest.mark.redis

ENTRIES = [(b"100-0", b"a"), (b"100-1", b"b"), (b"200-0", b"c")]


@pytest.fixture
async def link(redis_server: PrivateRedis) -> AsyncIterator[Link]:
    one = await Link(redis_server.url).open(5)
    yield one
    await one.close()


async def test_entries_come_back_in_order_under_their_own_ids(link: Link, run_id: str) -> None:
    assert await bus.publish(link, run_id, ENTRIES) == 3
    assert await bus.read(link, {run_id: b"100-0"}, 10, 10) == [(run_id, ENTRIES[1:])]
    assert await bus.span(link, run_id, "-", "(200-0") == ENTRIES[:2]
    assert await bus.last_id(link, run_id) == b"200-0"
    assert await bus.last_entry(link, run_id) == ENTRIES[-1]


async def test_second_copy_publishes_nothing_twice(link: Link, run_id: str) -> None:
    await bus.publish(link, run_id, ENTRIES[:2])
    assert await bus.publish(link, run_id, ENTRIES) == 1
    assert await bus.span(link, run_id, "-") == ENTRIES


async def test_other_bytes_under_an_id_stop_the_process(link: Link, run_id: str) -> None:
    await bus.publish(link, run_id, ENTRIES)
    with pytest.raises(Conflict, match="100-1 holds other bytes"):
        await bus.publish(link, run_id, [(b"100-1", b"other")])


async def test_id_below_the_last_that_is_not_there_stops_the_process(link: Link, run_id: str) -> None:
    await bus.publish(link, run_id, ENTRIES)
    with pytest.raises(Conflict, match="150-0 is below the stream's last"):
        await bus.publish(link, run_id, [(b"150-0", b"late")])


async def test_copy_that_lags_behind_the_trimming_is_not_in_the_way(link: Link, run_id: str) -> None:
    await bus.publish(link, run_id, ENTRIES)
    await link.call("XTRIM", run_id, "MINID", "150")
    assert await bus.publish(link, run_id, ENTRIES[:2]) == 0


async def test_last_id_outlives_the_entries(link: Link, run_id: str) -> None:
    assert await bus.last_id(link, run_id) == b"0-0"
    assert await bus.last_entry(link, run_id) is None
    await bus.publish(link, run_id, ENTRIES)
    await link.call("XTRIM", run_id, "MAXLEN", "0")
    assert await bus.last_id(link, run_id) == b"200-0"


async def test_read_waits_for_what_comes(link: Link, redis_server: PrivateRedis, run_id: str) -> None:
    writer = await Link(redis_server.url).open(5)
    waiting = asyncio.create_task(bus.read(link, {run_id: b"0-0"}, 10, 5000))
    await asyncio.sleep(0)
    await bus.publish(writer, run_id, ENTRIES[:1])
    assert await waiting == [(run_id, ENTRIES[:1])]
    await writer.close()


async def test_trigger_wakes_the_reader_and_the_rest_comes_along(
    link: Link, redis_server: PrivateRedis, run_id: str
) -> None:
    writer = await Link(redis_server.url).open(5)
    trigger, along = f"{run_id}:a", f"{run_id}:b"
    await bus.publish(writer, along, ENTRIES[:1])
    cursors = ({trigger: b"0-0"}, {along: b"0-0"})
    waiting = asyncio.create_task(bus.read_along(link, *cursors, 10, 5000))
    await bus.publish(writer, along, ENTRIES[1:2])
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done  # what comes along wakes nobody
    await bus.publish(writer, trigger, ENTRIES[2:])
    assert await waiting == [(along, ENTRIES[:2]), (trigger, ENTRIES[2:])]
    assert await bus.read_along(link, {trigger: b"200-0"}, {along: b"100-0"}, 10, 5) == [
        (along, ENTRIES[1:2])
    ]
    await writer.close()


async def test_restart_of_redis_loses_and_doubles_nothing(tmp_path: object, run_id: str) -> None:
    states: list[bool] = []
    with PrivateRedis() as server:
        is_lost = asyncio.Event()

        def note(is_up: bool) -> None:
            states.append(is_up)
            if not is_up:
                is_lost.set()

        link = await Link(server.url, note).open(5)
        await bus.publish(link, run_id, ENTRIES[:2])
        server.stop()
        publishing = asyncio.create_task(bus.publish(link, run_id, ENTRIES))
        await is_lost.wait()
        await asyncio.to_thread(server.start)
        assert await publishing == 1
        assert await bus.span(link, run_id, "-") == ENTRIES
        assert states == [True, False, True]
        await link.close()


async def test_absent_redis_is_one_clear_line() -> None:
    with pytest.raises(BusError, match=r"no Redis at redis://127.0.0.1:1/0 within 0.2 s"):
        await Link("redis://127.0.0.1:1/0").open(0.2)


async def test_password_never_shows() -> None:
    with pytest.raises(BusError) as caught:
        await Link("redis://me:hidden@127.0.0.1:1/0").open(0)
    assert "hidden" not in str(caught.value)
    assert bus.shown("redis://me:hidden@host:1/0") == "redis://***@host:1/0"


def test_url_of_another_kind_is_refused() -> None:
    with pytest.raises(BadSetting, match="Redis URL"):
        Link("http://127.0.0.1")


async def test_command_of_the_wrong_kind_is_an_error(link: Link, run_id: str) -> None:
    await link.call("SET", run_id, "x")
    with pytest.raises(BusError, match="WRONGTYPE"):
        await bus.publish(link, run_id, ENTRIES)
