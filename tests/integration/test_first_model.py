"""The first model and the next: fitted on synthetic history, served, and promoted at an id."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from model_data import vector

from lobflow.first_models import FirstModels
from lobflow.model_folder import ModelFolder
from lobflow.private_redis import PrivateRedis
from lobflow.replay import free_port
from research.history import END_NS
from research.train import rival_name
from research.walk import AUTO
from services.model.artifact import MANIFEST, SERVING, Registry, read_manifest
from services.model.manifest import Manifest, content_version
from shared import codec
from shared.bus import Link
from shared.codec import pack_tiers
from shared.messages import Lob, Prediction
from shared.settings import to_environment
from shared.streams import Stream, key, parse_id
from shared.units import MS

SYMBOL, OTHER = "BTCUSDT", "ETHUSDT"
FIRST_HOURS, FURTHER_HOURS, SEED = "0.1", "0.12", "9"
PERIOD_SECONDS = 0.05  # between two vectors of the market that goes on meanwhile


def first_model(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the models of the JSON line, what was said to people."""
    done = subprocess.run(
        [sys.executable, "-m", "lobflow.first_model", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout.splitlines()[-1])["models"] if done.stdout else {}
    return done.returncode, answer, done.stderr


def improve(folder: Path, monitor: str = "http://127.0.0.1:1") -> tuple[int, dict[str, Any], str]:
    options = ("--hours", FURTHER_HOURS, "--seed", SEED, "--monitor", monitor)
    return first_model("improve", "--models", str(folder), "--symbols", SYMBOL, *options)


def copied(source: Path, target: Path) -> Path:
    """A folder of models of one's own."""
    for path in source.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return target


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """Two symbols at once, with the answer."""
    folder = tmp_path_factory.mktemp("models") / "new"
    symbols = f"{SYMBOL},{OTHER}"
    code, answer, text = first_model(
        "prepare", "--models", str(folder), "--symbols", symbols, "--hours", FIRST_HOURS
    )
    assert code == 0, text
    return folder, answer, text


@pytest.fixture
def models(prepared: tuple[Path, dict[str, Any], str], tmp_path: Path) -> Path:
    return copied(prepared[0], tmp_path / "models")


def version(folder: Path) -> str:
    one = ModelFolder(folder).serving(SYMBOL)
    assert one is not None
    return one.version


def put_further(models: Path, rate: float, against: float) -> Manifest:
    """A further model beside the first, as `improve` leaves one, with hit rates that are given here."""
    first = read_manifest(next(models.glob(f"{SYMBOL}-*")))
    rows = []
    for row in first.horizons:
        mine = [dict(score) for score in row.scores if score["name"] == AUTO]
        for score in mine:
            score |= {"low": rate - 0.01, "hit_rate": rate, "high": rate + 0.01}
        theirs = [score | {"name": rival_name(first.version), "hit_rate": against} for score in mine]
        rows.append(msgspec.structs.replace(row, scores=(*mine, *theirs)))
    further = msgspec.structs.replace(first, horizons=tuple(rows))
    further = msgspec.structs.replace(further, version=content_version(further))
    place = ModelFolder(models).place(SYMBOL, float(FURTHER_HOURS), int(SEED))
    place.mkdir()
    source = next(models.glob(f"{SYMBOL}-*/{first.joblib_file}"))
    (place / first.joblib_file).write_bytes(source.read_bytes())
    (place / MANIFEST).write_bytes(msgspec.json.encode(further))
    return further


def test_a_model_for_each_symbol_is_there_and_serves(prepared: tuple[Path, dict[str, Any], str]) -> None:
    folder, answer, text = prepared
    assert text.startswith("The data are synthetic")
    for symbol in (SYMBOL, OTHER):
        assert f"{symbol}: walking forward" in text
        one = Registry(folder).default(symbol)
        assert one is not None
        assert one.version == answer[symbol]["version"]
        assert one.manifest.data[symbol].until_ns == END_NS
        assert answer[symbol]["walk_forward"]
    assert sorted((folder / SERVING).read_text().splitlines()) == [
        f"{symbol} {answer[symbol]['version']}" for symbol in sorted(answer)
    ]


def test_what_is_there_is_left_alone(models: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in models.glob("*/*")}
    code, answer, _ = first_model("prepare", "--models", str(models), "--symbols", SYMBOL)
    assert (code, answer[SYMBOL]["is_new"]) == (0, False)
    assert {path: path.stat().st_mtime_ns for path in models.glob("*/*")} == before


def test_half_a_model_is_none(models: Path) -> None:
    """What an interruption leaves: the manifest comes last."""
    place = next(models.glob(f"{SYMBOL}-*"))
    (place / MANIFEST).unlink()
    (models / SERVING).write_text(f"{OTHER} {read_manifest(next(models.glob(f'{OTHER}-*'))).version}\n")
    assert ModelFolder(models).serving(SYMBOL) is None
    options = ("--models", str(models), "--symbols", SYMBOL, "--hours", FIRST_HOURS)
    code, answer, text = first_model("prepare", *options)
    assert (code, answer[SYMBOL]["is_new"]) == (0, True), text
    assert version(models) == answer[SYMBOL]["version"]
    assert len(list(place.glob("pipelines-*"))) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_ended_halfway_it_leaves_no_model_and_no_process(tmp_path: Path) -> None:
    options = ("--models", str(tmp_path), "--symbols", f"{SYMBOL},{OTHER}", "--hours", "24")
    process = subprocess.Popen(
        [sys.executable, "-m", "lobflow.first_model", "prepare", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"The data are synthetic")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30.0
    while not (found := children.read_text().split()):
        assert time.monotonic() < deadline, "no process for the second symbol"
        time.sleep(0.01)
    process.terminate()
    process.communicate(timeout=30.0)
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)
    assert not list(tmp_path.glob(f"*/{MANIFEST}"))
    assert ModelFolder(tmp_path).serving(SYMBOL) is None


def test_a_worse_model_is_not_promoted(models: Path) -> None:
    first, further = version(models), put_further(models, 0.50, 0.52)
    code, answer, text = improve(models)  # no monitor is there to be asked
    assert code == 0, text
    assert f"model {further.version} is worse and not promoted; {first} serves on" in text
    assert (answer[SYMBOL]["is_promoted"], version(models)) == (False, first)


def test_without_a_first_model_there_is_nothing_to_improve(tmp_path: Path) -> None:
    code, _, text = improve(tmp_path)
    assert code == 2
    assert f"no model of {SYMBOL} serves" in text
    assert "Traceback" not in text


class Market:
    """A market that goes on: each beat a book for the monitor and a vector for the model, stamped now."""

    def __init__(self, client: redis.Redis, run_id: str) -> None:
        self.client = client
        self.keys = [key(run_id, stream, SYMBOL) for stream in (Stream.MARKET, Stream.FEATURES)]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        sides = (pack_tiers([600_000, 5]), pack_tiers([600_001, 5]))
        seq = 0
        while not self.stop.wait(PERIOD_SECONDS):
            at_ns = time.time_ns()
            book = Lob(seq, 1, at_ns, at_ns, seq, 10**8, 10**6, *sides)
            pipeline = self.client.pipeline(transaction=False)
            for place, message in zip(self.keys, (book, vector(at_ns)), strict=True):
                pipeline.xadd(place, {"d": codec.encode(message)}, id=f"{at_ns // MS}-0")
            pipeline.execute()
            seq += 1


@contextmanager
def running(
    url: str, run_id: str, models: Path, port: int, logs: Path, names: Sequence[str] = ("model", "monitor")
) -> Iterator[None]:
    """A model service, a monitor and a market."""
    values = {"redis_url": url, "run_id": run_id, "model_dir": models, "symbols": (SYMBOL,)}
    environment = os.environ | to_environment({**values, "monitor_port": port})
    processes = []
    try:
        for name in names:
            with (logs / f"{name}.log").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", f"services.{name}"], env=environment, stderr=log
                )
            processes.append(process)
        with redis.Redis.from_url(url) as client:
            market = Market(client, run_id)
            market.thread.start()
            try:
                yield
                assert [process.poll() for process in processes] == [None] * len(names)
            finally:  # while its connection is open
                market.stop.set()
                market.thread.join()
    finally:
        for process in processes:
            process.kill()
            process.wait()


def served(client: redis.Redis, run_id: str) -> Sequence[tuple[tuple[int, int], str]]:
    """Id and version of each prediction."""
    rows = []
    for entry_id, fields in client.xrange(key(run_id, Stream.PREDICTIONS, SYMBOL)):
        message = codec.decode(fields[b"d"])
        assert isinstance(message, Prediction)
        rows.append((parse_id(entry_id), message.model))
    return rows


@pytest.mark.slow
def test_a_running_service_is_promoted_at_an_id(
    redis_server: PrivateRedis, run_id: str, models: Path, tmp_path: Path
) -> None:
    first, further, port = version(models), put_further(models, 0.53, 0.52), free_port()
    with running(redis_server.url, run_id, models, port, tmp_path):
        code, answer, text = improve(models, f"http://127.0.0.1:{port}")
    assert code == 0, text
    told = answer[SYMBOL]
    assert f"model {further.version} serves from id {told['from_id']} on" in text
    with redis.Redis.from_url(redis_server.url) as client:
        rows = served(client, run_id)
    at = parse_id(told["from_id"])
    assert {model for entry_id, model in rows if entry_id < at} == {first}
    assert {model for entry_id, model in rows if entry_id >= at} == {further.version}
    assert version(models) == further.version  # and after a restart
    code, answer, text = improve(models)
    assert (code, answer[SYMBOL]["version"]) == (0, further.version), text
    assert "serves already" in text


@pytest.mark.slow
def test_a_further_model_is_fitted_beside_the_first(
    redis_server: PrivateRedis, run_id: str, models: Path, tmp_path: Path
) -> None:
    """Whatever the figures say, what is done follows from them."""
    first, port = version(models), free_port()
    with running(redis_server.url, run_id, models, port, tmp_path):
        code, answer, text = improve(models, f"http://127.0.0.1:{port}")
    assert code == 0, text
    told = answer[SYMBOL]
    mean = told["mean"]
    is_better = mean["new"] >= mean["serving"] - mean["error"]
    assert told["is_promoted"] == told["serves"] == is_better
    assert version(models) == (told["version"] if is_better else first)
    assert {path.parent.name for path in models.glob(f"{SYMBOL}-*/{MANIFEST}")} == {
        f"{SYMBOL}-synthetic-{FIRST_HOURS}h-seed1000003",
        f"{SYMBOL}-synthetic-{FURTHER_HOURS}h-seed{SEED}",
    }
    assert rival_name(first) in {score["name"] for score in told["walk_forward"]}


async def replaced(url: str, run_id: str, models: Path, port: int) -> list[bytes]:
    """What `up` does before it starts the model service, and what it says."""
    said: list[bytes] = []
    link = await Link(url).open(5)
    first = FirstModels(models, (SYMBOL,), lambda name, line: said.append(line), ())
    await first.replace_lost(link, run_id, f"http://127.0.0.1:{port}")
    await link.close()
    return said


@pytest.mark.slow
def test_a_promoted_model_that_was_removed_is_replaced_from_the_next_id_on(
    redis_server: PrivateRedis, run_id: str, models: Path, tmp_path: Path
) -> None:
    first, further, port, url = (
        version(models),
        put_further(models, 0.53, 0.52),
        free_port(),
        redis_server.url,
    )
    with running(url, run_id, models, port, tmp_path):
        code, _, text = improve(models, f"http://127.0.0.1:{port}")
    assert code == 0, text
    with redis.Redis.from_url(url) as client:
        before = served(client, run_id)
        assert asyncio.run(replaced(url, run_id, models, port)) == []  # nothing is missing, nobody is asked
        shutil.rmtree(ModelFolder(models).place(SYMBOL, float(FURTHER_HOURS), int(SEED)))
        ModelFolder(models).name(SYMBOL, first)
        with running(url, run_id, models, port, tmp_path, ("monitor",)):
            (said,) = asyncio.run(replaced(url, run_id, models, port))
        assert f"{first} serves in its place".encode() in said
        with running(url, run_id, models, port, tmp_path):
            deadline = time.monotonic() + 30.0
            while len(served(client, run_id)) < len(before) + 20:
                assert time.monotonic() < deadline, "no predictions"
                time.sleep(0.05)
        rows = served(client, run_id)
    assert rows[: len(before)] == before
    assert before[-1][1] == further.version
    assert {model for _, model in rows[len(before) :]} == {first}
