"""Fitting anew: registered, contested on what neither saw, promoted at an id where it wins."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import redis
from model_data import START_NS, drawn
from test_first_model import SYMBOL, running, served

from bench.record import measure
from lobflow import registry, serving_history
from lobflow.model_folder import ModelFolder
from lobflow.private_redis import PrivateRedis
from lobflow.promotion import Monitor
from lobflow.replay import free_port
from lobflow.retrain_contest import contest
from lobflow.retrain_symbol import retrain
from lobflow.retraining import Retraining
from research.comparison import compared
from research.dataset import load
from research.export import save
from research.recent import recent
from research.train import train_horizons
from services.features.schema import NAMES
from services.model.manifest import Manifest
from shared.settings import Settings
from shared.streams import parse_id
from shared.units import SECOND

BEFORE_NS = START_NS - 10_000 * SECOND
ROWS = 4800  # a quarter of them are more than 30 blocks


def fitted(folder: Path, strength: float, start_ns: int = BEFORE_NS, rows: int = 1000) -> Manifest:
    """A model of earlier data in which imbalance leads with this strength."""
    place = folder.parent / f"source{strength:g}"
    save(train_horizons(drawn(rows, strength=strength, start_ns=start_ns), model="linear"), place)
    entry = registry.register(folder, place)
    assert entry.manifest is not None
    return entry.manifest


def test_the_contest_is_won_by_more_than_an_error(tmp_path: Path) -> None:
    good, bad = (fitted(tmp_path / "models", strength) for strength in (1.0, -1.0))
    data = drawn(ROWS)
    won = contest(compared([bad, good], data), good.version, bad.version)
    lost = contest(compared([good, bad], data), bad.version, good.version)
    assert won is not None
    assert lost is not None
    assert won.is_won
    assert not lost.is_won
    assert won.difference == pytest.approx(-lost.difference)
    assert "neither was fitted on" in won.sentence
    same = contest(compared([good, bad], data), good.version, good.version)
    assert same is None
    few = contest(compared([bad, good], drawn(600)), good.version, bad.version)
    assert few is not None
    assert not few.is_won  # 20 blocks show nothing
    assert few.sentence.endswith("too few")


@pytest.mark.slow
def test_a_better_model_is_promoted_and_a_worse_one_goes_on_in_shadow(
    redis_server: PrivateRedis, run_id: str, tmp_path: Path
) -> None:
    models, port = tmp_path / "models", free_port()
    old, data = fitted(models, -1.0), drawn(ROWS)
    monitor, folder = Monitor(f"http://127.0.0.1:{port}"), ModelFolder(models)
    with running(redis_server.url, run_id, models, port, tmp_path):
        until_serves(monitor, old.version)
        won = retrain(data, folder, monitor)
        assert won.is_promoted, won
        again = retrain(data, folder, monitor)
        assert not again.is_promoted
        assert again.why == "the same as the one that serves"
        worse = retrain(
            drawn(ROWS, seed=8, strength=-1.0, start_ns=START_NS + 5000 * SECOND), folder, monitor
        )
        later = retrain(drawn(ROWS, start_ns=START_NS + 1000 * SECOND), folder, monitor)
    assert worse.version != won.version
    assert "fitted on some of the newest quarter" in later.why
    with redis.Redis.from_url(redis_server.url) as client:
        rows = served(client, run_id)
    at = parse_id(won.from_id)
    assert {model for entry_id, model in rows if entry_id < at} == {old.version}
    assert won.version in {model for entry_id, model in rows if entry_id >= at}
    kept = serving_history.read(models)[0]
    assert (kept.version, kept.previous, kept.who) == (won.version, old.version, "retrain")
    assert "neither was fitted on" in kept.why


def until_serves(monitor: Monitor, version: str) -> None:
    monitor.promote(SYMBOL, version, "test", "to begin with", 30.0)


def test_too_little_and_nothing_recorded_are_told(tmp_path: Path) -> None:
    short = retrain(drawn(600), ModelFolder(tmp_path / "models"), Monitor("http://127.0.0.1:1"))
    assert (short.version, short.is_promoted) == ("", False)
    assert "599 s were recorded, 1800 are needed" in short.why
    arguments = ["--models", str(tmp_path), "--recordings", str(tmp_path / "data"), "--run-id", "live"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "lobflow.retrain",
            *arguments,
            "--symbols",
            SYMBOL,
            "--monitor",
            "http://127.0.0.1:1",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"nothing was recorded of {SYMBOL} yet" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.recorded
def test_the_newest_hours_are_read_and_no_more(btc: Path, tmp_path: Path) -> None:
    measure(btc, tmp_path / "run", 1, lambda what, share: None)
    whole = load([tmp_path / "run"], "S00")
    part = recent(tmp_path / "run", "S00", 0.05)
    assert part.until_ns == whole.until_ns
    assert 179 <= (part.until_ns - part.from_ns) / SECOND <= 180
    tail = whole.rows(whole.recv_ns >= part.recv_ns[0])
    np.testing.assert_array_equal(part.recv_ns, tail.recv_ns)
    np.testing.assert_array_equal(part.mid, tail.mid)
    warm = part.clean_ns >= 60 * SECOND
    assert warm.sum() > 100
    # The slow sigma is of what was read, and goes on gathering for ten minutes.
    soon = [name != "sigma_600s" for name in NAMES]
    np.testing.assert_array_equal(part.values[warm][:, soon], tail.values[warm][:, soon])
    assert len(recent(tmp_path / "run", "S00", 1.0).recv_ns) == len(whole.recv_ns)


async def test_by_the_clock_a_round_that_fails_is_told_and_the_next_comes(tmp_path: Path) -> None:
    settings = {
        "symbols": (SYMBOL,),
        "model_dir": tmp_path / "models",
        "record_dir": tmp_path / "data",
        "run_id": "live",
    }
    said: list[str] = []
    own = Settings(_env_file=None, retrain_hours=1e-9)  # type: ignore[call-arg]
    by_clock = Retraining(
        settings, own, "http://127.0.0.1:1", lambda name, line: said.append(f"{name} {line.decode()}"), ()
    )
    task = asyncio.create_task(by_clock.run())
    async with asyncio.timeout(90.0):
        while sum("ended with 1" in line for line in said) < 2:
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert any(f"nothing was recorded of {SYMBOL} yet" in line for line in said)
    assert all(line.startswith("retrain ") for line in said)
