"""The model service as a process on a real Redis: restarts, copies and promotions change no byte."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from model_data import START_NS, trained, two_versions, vector

from lobflow.private_redis import PrivateRedis
from services.model.artifact import read_manifest
from shared import codec
from shared.messages import Prediction, Promote, Shadows
from shared.settings import to_environment
from shared.streams import Stream, key
from shared.units import SECOND

COUNT = 600
FIRST_MS = START_NS // 1_000_000 + 3_600_000
SYMBOL = "BTCUSDT"
Entries = list[tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_versions(tmp_path_factory.mktemp("models"))


@pytest.fixture
def client(redis_server: PrivateRedis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as made:
        yield made


class Process:
    """One copy of the service."""

    def __init__(
        self, url: str, run_id: str, folder: Path, instance: str, log: Path, module: str = "services.model"
    ) -> None:
        self.log = log
        values = {
            "redis_url": url,
            "run_id": run_id,
            "model_dir": folder,
            "symbols": (SYMBOL, "ETHUSDT"),
            "instance": instance,
        }
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                env={**os.environ, **to_environment(values)},
                stderr=file,
            )

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def service(
    url: str, run_id: str, folder: Path, log: Path, instance: str = "0", module: str = "services.model"
) -> Iterator[Process]:
    process = Process(url, run_id, folder, instance, log, module)
    try:
        yield process
    finally:
        process.end(signal.SIGKILL)


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def add_vectors(client: redis.Redis, run_id: str, start: int, stop: int, symbol: str = SYMBOL) -> None:
    pipeline = client.pipeline(transaction=False)
    for at in range(start, stop):
        message = vector((FIRST_MS + 50 * at) * 1_000_000 + at)
        pipeline.xadd(
            key(run_id, Stream.FEATURES, symbol),
            {"d": codec.encode(message)},
            id=f"{FIRST_MS + 50 * at}-{at % 3}",
        )
    pipeline.execute()


def promote(client: redis.Redis, run_id: str, version: str, at: int, symbol: str = SYMBOL) -> None:
    message = Promote(0, "test", "it is better", symbol, version, f"{FIRST_MS + 50 * at}-0")
    client.xadd(key(run_id, Stream.CONTROL), {"d": codec.encode(message)})


def published(client: redis.Redis, run_id: str, symbol: str = SYMBOL) -> Entries:
    rows = client.xrange(key(run_id, Stream.PREDICTIONS, symbol))
    return [(entry_id, fields[b"d"]) for entry_id, fields in rows]


def predictions(entries: Entries) -> list[Prediction]:
    out = [codec.decode(data) for _, data in entries]
    assert all(isinstance(one, Prediction) for one in out)
    return out  # type: ignore[return-value]


def version(folder: Path) -> str:
    return read_manifest(folder).version


@pytest.fixture
def plain(client: redis.Redis, redis_server: PrivateRedis, models: Path, tmp_path: Path) -> Entries:
    """What one copy that nobody disturbs publishes, with a promotion at vector 400."""
    run_id = f"plain-{tmp_path.name}"[:40]
    promote(client, run_id, version(models / "two"), 400)
    add_vectors(client, run_id, 0, COUNT)
    with service(redis_server.url, run_id, models / "one", tmp_path / "plain.log") as copy:
        until(lambda: len(published(client, run_id)) == COUNT, "all predictions")
        assert copy.end() == 0
    return published(client, run_id)


def test_one_prediction_per_vector_under_its_id(
    client: redis.Redis, redis_server: PrivateRedis, run_id: str, models: Path, tmp_path: Path
) -> None:
    add_vectors(client, run_id, 0, 50)
    add_vectors(client, run_id, 0, 20, "ETHUSDT")
    with service(redis_server.url, run_id, models / "one", tmp_path / "log") as copy:
        until(lambda: len(published(client, run_id)) == 50, "predictions of BTCUSDT")
        until(lambda: len(published(client, run_id, "ETHUSDT")) == 20, "predictions of ETHUSDT")
        assert copy.end() == 0
    asked = [entry_id for entry_id, _ in client.xrange(key(run_id, Stream.FEATURES, SYMBOL))]
    assert [entry_id for entry_id, _ in published(client, run_id)] == asked
    assert {one.reason for one in predictions(published(client, run_id))} == {""}
    assert {one.reason for one in predictions(published(client, run_id, "ETHUSDT"))} == {
        "no model for the symbol"
    }


def test_a_promotion_applies_from_its_id(plain: Entries, models: Path) -> None:
    served = [one.model for one in predictions(plain)]
    assert served == [version(models / "one")] * 400 + [version(models / "two")] * 200


def test_kill_and_restart_change_no_byte(
    plain: Entries,
    client: redis.Redis,
    redis_server: PrivateRedis,
    run_id: str,
    models: Path,
    tmp_path: Path,
) -> None:
    promote(client, run_id, version(models / "two"), 400)
    done = 0
    for stop in (150, 380, 420, COUNT):  # on both sides of the promotion
        add_vectors(client, run_id, done, stop)
        with service(redis_server.url, run_id, models / "one", tmp_path / "log") as copy:
            # Killed as soon as it has published something new: in the middle, or just after the last.
            until(lambda done=done: len(published(client, run_id)) > done, "something new")
            copy.end(signal.SIGKILL)
        done = stop
    with service(redis_server.url, run_id, models / "one", tmp_path / "log"):
        until(lambda: len(published(client, run_id)) == COUNT, "the rest")
    assert published(client, run_id) == plain


def test_two_copies_publish_one_stream(
    plain: Entries,
    client: redis.Redis,
    redis_server: PrivateRedis,
    run_id: str,
    models: Path,
    tmp_path: Path,
) -> None:
    with (
        service(redis_server.url, run_id, models / "one", tmp_path / "a.log", "a") as first,
        service(redis_server.url, run_id, models / "one", tmp_path / "b.log", "b") as second,
    ):
        add_vectors(client, run_id, 0, 200)
        until(lambda: len(published(client, run_id)) == 200, "the first predictions")
        promote(client, run_id, version(models / "two"), 400)  # read while they run
        for copy in (first, second):
            until(lambda copy=copy: b"promoted" in copy.log.read_bytes(), "the promotion")
        add_vectors(client, run_id, 200, COUNT)
        until(lambda: len(published(client, run_id)) == COUNT, "all predictions")
        assert (first.end(), second.end()) == (0, 0)
    assert published(client, run_id) == plain


def test_a_copy_without_the_promoted_version_stops(
    client: redis.Redis, redis_server: PrivateRedis, run_id: str, models: Path, tmp_path: Path
) -> None:
    promote(client, run_id, "000000000000", 10)
    add_vectors(client, run_id, 0, 10)
    with service(redis_server.url, run_id, models / "one", tmp_path / "log") as copy:
        until(lambda: len(published(client, run_id)) == 10, "what the old version still serves")
        add_vectors(client, run_id, 10, 20)
        assert copy.process.wait(20) == 1
        text = copy.log.read_text()
    assert "version 000000000000 serves id" in text
    assert "Traceback" not in text
    assert len(published(client, run_id)) == 10


def test_bad_entries_are_parked(
    client: redis.Redis, redis_server: PrivateRedis, run_id: str, models: Path, tmp_path: Path
) -> None:
    client.xadd(key(run_id, Stream.CONTROL), {"d": b"\xc1"})
    bad = Promote(0, "test", "typo", SYMBOL, version(models / "two"), "soon")
    client.xadd(key(run_id, Stream.CONTROL), {"d": codec.encode(bad)})
    client.xadd(key(run_id, Stream.FEATURES, SYMBOL), {"d": b"\xc1"}, id=f"{FIRST_MS - 1}-0")
    add_vectors(client, run_id, 0, 5)
    with service(redis_server.url, run_id, models / "one", tmp_path / "log") as copy:
        until(lambda: len(published(client, run_id)) == 5, "predictions")
        assert copy.end() == 0
    assert client.xlen(f"{run_id}:parked:model") == 3


def test_no_model_is_one_clear_line(redis_server: PrivateRedis, run_id: str, tmp_path: Path) -> None:
    with service(redis_server.url, run_id, tmp_path / "none", tmp_path / "log") as copy:
        assert copy.process.wait(20) == 2
        text = copy.log.read_text()
    assert "LOBFLOW_MODEL_DIR" in text
    assert "Traceback" not in text


def test_serving_imports_no_training_library(models: Path) -> None:
    code = (
        "import sys, services.model.__main__\n"
        "from services.model.artifact import load\n"
        "from pathlib import Path\n"
        f"load(Path({str(models / 'one')!r}))\n"
        "print([name for name in ('sklearn', 'numba', 'pandas', 'pyarrow', 'scipy', 'joblib', 'numpy') "
        "if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_prediction_lives_a_second(plain: Entries) -> None:
    assert all(one.expires_ns - one.recv_ns == SECOND for one in predictions(plain))


def shadows(client: redis.Redis, run_id: str) -> list[tuple[bytes, Shadows]]:
    rows = client.xrange(key(run_id, Stream.SHADOWS, SYMBOL))
    found = [(entry_id, codec.decode(fields[b"d"])) for entry_id, fields in rows]
    assert all(isinstance(one, Shadows) for _, one in found)
    return found  # type: ignore[return-value]


def test_shadows_are_a_process_of_their_own_that_may_lag_die_and_find_new_versions(
    client: redis.Redis, redis_server: PrivateRedis, run_id: str, models: Path, tmp_path: Path
) -> None:
    promote(client, run_id, version(models / "two"), 400)
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    add_vectors(client, run_id, 0, 500)  # 50 ms apart: 25 s
    arguments = (
        redis_server.url,
        run_id,
        folder / "one",
        tmp_path / "log",
        "shadows",
        "services.model.shadows",
    )
    with service(*arguments) as process:
        until(lambda: len(shadows(client, run_id)) >= 10, "some shadows")
        process.end(signal.SIGKILL)
    with service(*arguments) as process:
        until(lambda: len(shadows(client, run_id)) >= 25, "the rest")
        trained(folder / "three", seed=3)
        until(lambda: process.log.read_bytes().count(version(folder / "three").encode()) > 0, "the new one")
        add_vectors(client, run_id, 500, COUNT)
        until(lambda: len(shadows(client, run_id)) >= 30, "those after it")
        assert process.end() == 0
    rows = shadows(client, run_id)
    asked = {entry_id for entry_id, _ in client.xrange(key(run_id, Stream.FEATURES, SYMBOL))}
    assert {entry_id for entry_id, _ in rows} <= asked
    seconds = [one.recv_ns // SECOND for _, one in rows]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))  # each once, over the kill too
    promoted = FIRST_MS + 50 * 400
    for entry_id, one in rows:
        serving = "two" if int(entry_id.split(b"-")[0]) >= promoted else "one"
        names = {shadow.model for shadow in one.shadows}
        assert version(models / serving) not in names
        assert version(models / ("one" if serving == "two" else "two")) in names
    assert version(folder / "three") in {shadow.model for shadow in rows[-1][1].shadows}
    assert client.xlen(f"{run_id}:parked:model") == 0
