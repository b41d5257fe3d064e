"""A model fitted by days is saved, served and described like one fitted in memory."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import msgspec
import numpy as np
import pytest
from test_rows_stage import lob, market, recorded
from typer.testing import CliRunner

from bench.synthetic_rows import make
from lobflow.cli import app
from research.days.backend import Backend, working
from research.days.job import job
from research.days.training import is_long, train_days
from research.export import save
from research.rows.layout import plan
from research.rows.stage import stage
from research.rows.store import Store
from research.train import Training
from services.features import schema
from services.model import artifact
from shared.errors import BadInput
from shared.messages import AggTrade, Lob, Message
from shared.units import MS, SECOND


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make(tmp_path_factory.mktemp("drawn") / "rows", 3, (5, 10, 15), around_midnight=1500)


def trained(store: Store, model: str, work: Path) -> Training:
    work.mkdir()
    with working(Backend("sequential", 1)) as crew:
        return train_days(store, "flow", model, 0.5, crew, work, ("drawn",))


def test_longer_windows_are_fitted_by_days(tmp_path: Path) -> None:
    drawn = make(tmp_path / "rows", 2, (5,), around_midnight=1500, feature_set="flow+extra")
    (tmp_path / "work").mkdir()
    with working(Backend("sequential", 1)) as crew:
        training = train_days(drawn, "flow+extra", "auto", 0.5, crew, tmp_path / "work")
    manifest = save(training, tmp_path / "model")
    assert (manifest.feature_set, manifest.longest_window_ns) == ("flow+extra", 30 * SECOND)
    assert len(manifest.names) == 31
    short = drawn._replace(source=msgspec.structs.replace(drawn.source, from_ns=drawn.source.until_ns))
    with pytest.raises(BadInput, match=r"0\.0 hours of data; feature set flow\+extra needs 24"):
        job(short, "flow+extra", ("auto",), tmp_path)
    with pytest.raises(BadInput, match="rows without"):
        job(make(tmp_path / "flow", 2, (5,), around_midnight=1500), "flow+extra", ("auto",), tmp_path)


@pytest.mark.parametrize("model", ["auto", "ridge"])
def test_what_is_saved_is_served(store: Store, tmp_path: Path, model: str) -> None:
    training = trained(store, model, tmp_path / "work")
    manifest = save(training, tmp_path / "model")
    assert [row.kind for row in manifest.horizons] == ["shrunk" if model == "auto" else model] * 3
    assert manifest.data["BTCUSDT"].rows == store.rows() == 9000
    assert manifest.data["BTCUSDT"].files == ("drawn",)
    assert np.any(np.array(manifest.microprice) != 0.0)
    names = {row.name for row in manifest.reference}
    assert {"imbalance_1", "sigma", "slow sigma"} <= names
    assert len(names) == len(manifest.names) + 2 + 3  # features, sigmas, residuals of each horizon
    predictor = artifact.load(tmp_path / "model")
    pipelines = joblib.load(tmp_path / "model" / manifest.joblib_file)
    X = store.days[-1].features((*manifest.names, *schema.SIGMAS))[:50]
    vectors = np.zeros((len(X), schema.WIDTH))
    vectors[:, manifest.used] = X
    served = np.array([predictor.moves(row) for row in vectors.tolist()])
    for column, row in enumerate(manifest.horizons):
        np.testing.assert_allclose(served[:, column], pipelines[row.horizon_s].predict(X), rtol=1e-9)
        assert row.threshold is not None
        best = next(one for one in row.scores if (one["name"], one["selection"]) == (model, "20 %"))
        assert float(best["skill_low"] or 0.0) > 0.0


@pytest.mark.parametrize("side", [1, -1])
def test_a_one_sided_tape_is_refused(tmp_path: Path, side: int) -> None:
    draw, messages = np.random.default_rng(4), market(3, 900)
    traded: list[Message] = []
    for seq, one in enumerate(messages):
        last = {"epoch": one.epoch, "exchange_ns": one.recv_ns, "recv_ns": one.recv_ns}  # type: ignore[attr-defined]
        traded.append(msgspec.structs.replace(one, seq=2 * seq))
        ids = dict.fromkeys(("agg_id", "first_id", "last_id"), seq)
        sizes = {"price_ticks": 600_000, "size_lots": int(draw.integers(1, 50)), "tick_e9": 100_000_000}
        traded.append(AggTrade(seq=2 * seq + 1, **last, **ids, **sizes, lot_e9=1_000_000, side=side))
    place = recorded(tmp_path / "run", traded)
    made = stage([place], tmp_path / "rows", plan("flow", (5, 10, 15)))
    did = "bought" if side > 0 else "sold"
    with pytest.raises(BadInput, match=f"BTCUSDT: takers only {did}: a one-sided tape"):
        trained(made, "prior", tmp_path / "work")


def test_a_price_that_never_moves_is_refused(tmp_path: Path) -> None:
    still = [lob(one.seq, one.recv_ns // MS, 600_000, one.epoch) if isinstance(one, Lob) else one
             for one in market(3, 900)]  # fmt: skip
    made = stage([recorded(tmp_path / "run", still)], tmp_path / "rows", plan("flow", (5, 10, 15)))
    with pytest.raises(BadInput, match="BTCUSDT: the mid price never moves"):
        trained(made, "linear", tmp_path / "work")


def test_trees_are_fitted_on_the_sample(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("research.days.tasks.SAMPLE_ROWS", 600)
    training = trained(store, "boosting", tmp_path / "work")
    assert all(row.served.kind == "boosting" for row in training.horizons)
    assert all(row.scores for row in training.horizons)


def test_the_command_trains_by_days(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", market(3, 900))
    told = ["train", "--data", str(run), "-o", str(tmp_path / "model"), "--rows", str(tmp_path / "rows")]
    options = [*told, "--by-days", "--model", "prior", "--backend", "sequential", "--json"]
    answer = CliRunner().invoke(app, options, catch_exceptions=False)
    assert answer.exit_code == 0
    line = json.loads(answer.stdout.splitlines()[-1])
    assert {row["horizon"] for row in line["rows"]} == {5, 10, 15}
    assert artifact.load(tmp_path / "model").version == line["version"]
    left = [path.name for path in (tmp_path / "rows").iterdir() if path.is_dir()]
    assert len(left) == 1  # the staged rows alone, to be used again


def test_folders_of_more_than_a_day_are_long(tmp_path: Path) -> None:
    messages = market(3, 60)
    short = recorded(tmp_path / "short", messages)
    assert not is_long([short], None)
    assert not is_long([tmp_path / "file.gz"], None)
    long = recorded(tmp_path / "long", market(3, 60))
    day = next((long / "stream=market" / "symbol=BTCUSDT").glob("date=*"))
    first = next(day.glob("part-*"))
    ms = int(first.name.split("-")[1]) - 27 * 3_600_000
    first.rename(day / f"part-{ms}-0.parquet")
    assert is_long([long], None)
    assert not is_long([long], "ETHUSDT")
