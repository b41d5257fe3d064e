"""The recorder as a process against a real Redis: stopped, killed, resumed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from lobflow.private_redis import PrivateRedis
from services.recorder.audit import Pages, check_files
from services.recorder.reader import files, files_of, read
from shared import codec
from shared.bus import Link
from shared.messages import AggTrade, Halt, Health, Heartbeat
from shared.retention import trim
from shared.settings import Settings, to_environment
from shared.streams import Stream, health_key, key

pytestmark = pytest.mark.redis

SYMBOLS = ("BTCUSDT", "ETHUSDT")
START_MS = 1723161255030
DEADLINE_SECONDS = 30.0


class Recorder:
    """Starts recorders of one run, and ends those that still run."""

    def __init__(self, url: str, run_id: str, folder: Path) -> None:
        self.redis = Redis.from_url(url, protocol=2)
        self.redis_url = url
        self.run_id = run_id
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        self.settings: dict[str, object] = {
            "redis_url": url,
            "run_id": run_id,
            "record_dir": folder,
            "symbols": SYMBOLS,
            "record_seconds": 0.4,
        }

    def start(self, **settings: object) -> subprocess.Popen[str]:
        """A recorder that heeds signals: it has said that it started."""
        process = self.spawn(**settings)
        assert process.stderr is not None
        line = process.stderr.readline()
        assert '"started"' in line, line
        return process

    def spawn(self, **settings: object) -> subprocess.Popen[str]:
        environment = os.environ | to_environment(self.settings | settings)
        process = subprocess.Popen(
            [sys.executable, "-m", "services.recorder"], env=environment, stderr=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        return process

    def stop(self, process: subprocess.Popen[str]) -> str:
        process.terminate()
        _, errors = process.communicate(timeout=DEADLINE_SECONDS)
        assert process.returncode == 0, errors
        return errors

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
        self.redis.close()

    def publish(
        self, symbol: str, first: int, count: int, stream: Stream = Stream.MARKET, day: int = 0
    ) -> None:
        pipeline = self.redis.pipeline(transaction=False)
        for n in range(first, first + count):
            message = AggTrade(n, 1, n, n, n, n, n, 612345 + n, 100, 1, 10**8, 10**6)
            entry_id = f"{START_MS + min(day, 1) * 86_400_000 + n // 7}-{n % 7}"
            pipeline.xadd(key(self.run_id, stream, symbol), {"d": codec.encode(message)}, id=entry_id)
        pipeline.execute()

    def recorded(self, stream: Stream, symbol: str = "") -> list[tuple[str, bytes]]:
        return list(read(files(self.folder, self.run_id, stream, symbol)))

    def streamed(self, stream: Stream, symbol: str = "") -> list[tuple[str, bytes]]:
        rows = self.redis.xrange(key(self.run_id, stream, symbol))
        return [(entry_id.decode(), fields[b"d"]) for entry_id, fields in rows]

    def health(self) -> Health | None:
        rows = self.redis.xrevrange(health_key(self.run_id, "recorder", "0"), count=1)
        message = codec.decode(rows[0][1][b"d"]) if rows else None
        assert message is None or isinstance(message, Health)
        return message


def wait_for(what: str, condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


@pytest.fixture
def recorder(redis_server: PrivateRedis, run_id: str, tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(redis_server.url, run_id, tmp_path)
    yield made
    made.close()


def test_a_stop_records_everything_of_every_stream(recorder: Recorder) -> None:
    process = recorder.start(record_seconds=900)
    wait_for("the recorder", recorder.health)
    for symbol in SYMBOLS:
        recorder.publish(symbol, 0, 3000)
        recorder.publish(symbol, 0, 50, Stream.PREDICTIONS)
    recorder.redis.xadd(
        key(recorder.run_id, Stream.CONTROL), {"d": codec.encode(Halt(1, "me", "test"))}, "5-0"
    )
    recorder.stop(process)
    for symbol in SYMBOLS:
        assert len(recorder.streamed(Stream.MARKET, symbol)) == 3000
        for stream in (Stream.MARKET, Stream.PREDICTIONS):
            assert recorder.recorded(stream, symbol) == recorder.streamed(stream, symbol)
        assert not files(recorder.folder, recorder.run_id, Stream.FEATURES, symbol)
    assert recorder.recorded(Stream.CONTROL) == recorder.streamed(Stream.CONTROL)
    assert files_of(recorder.folder / recorder.run_id, "health:recorder:0")


def test_kill_9_loses_nothing_and_doubles_nothing(recorder: Recorder) -> None:
    published = 0
    for _ in range(2):
        process = recorder.start()
        wanted = len(files(recorder.folder, recorder.run_id, Stream.MARKET, "BTCUSDT")) + 2
        while len(files(recorder.folder, recorder.run_id, Stream.MARKET, "BTCUSDT")) < wanted or not list(
            recorder.folder.rglob(".part-*.tmp")
        ):
            for symbol in SYMBOLS:
                recorder.publish(symbol, published, 200)
            published += 200
            assert process.poll() is None
        process.kill()
        process.wait()
    recorder.stop(recorder.start())
    assert not list(recorder.folder.rglob(".part-*.tmp"))
    for symbol in SYMBOLS:
        assert recorder.recorded(Stream.MARKET, symbol) == recorder.streamed(Stream.MARKET, symbol)
        assert len(recorder.recorded(Stream.MARKET, symbol)) == published


@pytest.mark.slow
def test_kill_9_at_random_moments_while_entries_flow_over_midnight(recorder: Recorder) -> None:
    """Entries of two days flow all the time; the recorder, which also packs the closed day, is killed again
    and again. Ids and bytes must be those that were published, and the ledgers what the files say."""
    chance = random.Random(7)
    flow = Flow(recorder)
    flow.start()
    try:
        for _ in range(12):
            process = recorder.start(record_seconds=0.05, record_upkeep_seconds=0.05)
            until = time.monotonic() + chance.uniform(0.05, 1.5)
            while time.monotonic() < until:  # the moment is drawn by chance
                assert process.poll() is None
            assert process.poll() is None
            process.kill()
            process.wait()
    finally:
        published = flow.end()
    recorder.stop(recorder.start())
    for symbol in SYMBOLS:
        streamed = recorder.streamed(Stream.MARKET, symbol)
        assert len(streamed) == published
        assert recorder.recorded(Stream.MARKET, symbol) == streamed
    root = recorder.folder / recorder.run_id
    for symbol in SYMBOLS:
        pages = Pages(root, symbol)
        assert not list(check_files(root, f"market:{{{symbol}}}", pages.add, lambda _: None))
        assert not list(pages.problems())
        assert [page.date for page in pages.folded] == ["2024-08-08", "2024-08-09"]
        assert not pages.behind
    assert list(root.rglob("pack-*.parquet"))


class Flow(threading.Thread):
    """Publishes steadily to all symbols, the second half of it after midnight, until it is ended."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._is_ended = threading.Event()
        self._published = 0

    def run(self) -> None:
        while not self._is_ended.wait(0.01):
            for symbol in SYMBOLS:
                # midnight is 2.4 million entries away: the second part of them is a day later
                self._recorder.publish(symbol, self._published, 50, day=self._published // 6000)
            self._published += 50

    def end(self) -> int:
        """Stop, and tell how many entries each symbol has."""
        self._is_ended.set()
        self.join()
        return self._published


@pytest.mark.slow
def test_a_burst_costs_no_memory(recorder: Recorder) -> None:
    process = recorder.start(record_seconds=900)
    wait_for("the recorder", recorder.health)
    counts: list[int] = []
    for n in range(6):
        for symbol in SYMBOLS:
            for at in range(n * 40_000, (n + 1) * 40_000, 5000):
                recorder.publish(symbol, at, 5000)

        def is_seen(wanted: int = (n + 1) * 40_000 * len(SYMBOLS)) -> bool:
            health = recorder.health()
            return health is not None and health.counters.get("entries", 0) >= wanted

        wait_for("the burst to be read", is_seen)
        health = recorder.health()
        assert health is not None
        counts.append(health.rss_bytes)
    recorder.stop(process)
    # The first bursts fill what is held, two row groups. From then on it is flat, whatever comes.
    assert max(counts[2:]) - counts[1] < 16_000_000, counts


async def test_redis_is_not_trimmed_past_the_recorder(recorder: Recorder) -> None:
    process = recorder.start(record_seconds=900)
    wait_for("the recorder", recorder.health)
    recorder.publish("BTCUSDT", 0, 3000)
    published = recorder.streamed(Stream.MARKET, "BTCUSDT")
    settings = Settings(
        _env_file=None, redis_url=recorder.redis_url, run_id=recorder.run_id, retention_minutes=0.001
    )  # type: ignore[call-arg]
    name = key(recorder.run_id, Stream.MARKET, "BTCUSDT")

    def is_seen() -> bool:
        health = recorder.health()
        return health is not None and health.positions.get("seen market:{BTCUSDT}") == published[-1][0]

    wait_for("the entries to be seen", is_seen)
    link = await Link(settings.redis_url).open(5)
    try:
        await trim(link, settings, [name])
        assert recorder.streamed(Stream.MARKET, "BTCUSDT") == published  # not in a finished file yet
        process.kill()
        process.wait()
        recorder.stop(recorder.start())
        await trim(link, settings, [name])
    finally:
        await link.close()
    assert recorder.recorded(Stream.MARKET, "BTCUSDT") == published
    assert len(recorder.streamed(Stream.MARKET, "BTCUSDT")) < len(published)


def test_health_tells_what_is_safe_and_what_is_seen(recorder: Recorder) -> None:
    process = recorder.start(record_seconds=900)
    recorder.publish("BTCUSDT", 0, 10)
    last = recorder.streamed(Stream.MARKET, "BTCUSDT")[-1][0]
    label = "market:{BTCUSDT}"

    def is_seen() -> bool:
        health = recorder.health()
        return health is not None and health.positions.get(f"seen {label}") == last

    wait_for("the entries to be seen", is_seen)
    health = recorder.health()
    assert health is not None
    assert health.positions[label] == "0-0"
    assert health.counters["entries"] >= 10
    recorder.stop(process)
    health = recorder.health()
    assert health is not None
    assert (health.state, health.positions[label]) == ("stopping", last)


def test_entries_trimmed_after_their_file_is_safe_stay_recorded(recorder: Recorder) -> None:
    recorder.publish("BTCUSDT", 0, 100)
    before = recorder.streamed(Stream.MARKET, "BTCUSDT")
    recorder.stop(recorder.start())
    recorder.redis.xtrim(key(recorder.run_id, Stream.MARKET, "BTCUSDT"), maxlen=0)
    recorder.publish("BTCUSDT", 100, 50)
    recorder.stop(recorder.start())
    assert recorder.recorded(Stream.MARKET, "BTCUSDT") == before + recorder.streamed(Stream.MARKET, "BTCUSDT")


def test_a_second_recorder_of_the_run_ends_with_one_line(recorder: Recorder) -> None:
    recorder.start()
    wait_for("the recorder", recorder.health)
    second = recorder.spawn(instance="b")
    _, errors = second.communicate(timeout=DEADLINE_SECONDS)
    assert second.returncode == 2
    assert "another recorder is at work" in errors
    assert "Traceback" not in errors


def test_without_redis_it_ends_with_one_line(recorder: Recorder, tmp_path: Path) -> None:
    process = recorder.spawn(redis_url=f"unix://{tmp_path}/none?db=0", redis_start_seconds=0.2)
    _, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 1
    assert "no Redis at" in errors
    assert "Traceback" not in errors


def test_heartbeats_too(recorder: Recorder) -> None:
    name = key(recorder.run_id, Stream.MARKET, "ETHUSDT")
    recorder.redis.xadd(name, {"d": codec.encode(Heartbeat(1, 1, 2, 3))}, "7-0")
    recorder.stop(recorder.start())
    assert recorder.recorded(Stream.MARKET, "ETHUSDT") == recorder.streamed(Stream.MARKET, "ETHUSDT")


@pytest.fixture
def own_server() -> Iterator[PrivateRedis]:
    """A Redis that a test may stop and start."""
    with PrivateRedis() as server:
        yield server


@pytest.fixture
def own_recorder(own_server: PrivateRedis, tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(own_server.url, "restart", tmp_path)
    yield made
    made.close()


def test_a_redis_that_restarts_costs_nothing(own_server: PrivateRedis, own_recorder: Recorder) -> None:
    process = own_recorder.start()
    own_recorder.publish("BTCUSDT", 0, 500)
    wait_for("a file", lambda: own_recorder.recorded(Stream.MARKET, "BTCUSDT"))
    own_server.stop()
    own_server.start()
    own_recorder.publish("BTCUSDT", 500, 500)
    own_recorder.stop(process)
    streamed = own_recorder.streamed(Stream.MARKET, "BTCUSDT")
    assert len(streamed) == 1000
    assert own_recorder.recorded(Stream.MARKET, "BTCUSDT") == streamed


def test_what_was_read_is_kept_when_redis_is_gone_at_the_stop(
    own_server: PrivateRedis, own_recorder: Recorder
) -> None:
    process = own_recorder.start(record_seconds=900)
    own_recorder.publish("BTCUSDT", 0, 100)
    streamed = own_recorder.streamed(Stream.MARKET, "BTCUSDT")

    def is_seen() -> bool:
        health = own_recorder.health()
        return health is not None and health.positions.get("seen market:{BTCUSDT}") == streamed[-1][0]

    wait_for("the entries to be seen", is_seen)
    own_server.stop()
    assert process.stderr is not None
    while "connection lost" not in process.stderr.readline():
        assert process.poll() is None
    process.terminate()
    wait_for("the file", lambda: files(own_recorder.folder, "restart", Stream.MARKET, "BTCUSDT"))
    assert own_recorder.recorded(Stream.MARKET, "BTCUSDT") == streamed
