"""`lobflow train --pooled` as a person calls it, on small archives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from archive_data import START_MS, archived
from typer.testing import CliRunner

from lobflow.cli import app
from services.model import artifact
from shared.errors import BadInput

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
LATER_MS = START_MS + 3_600_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of three symbols, another two an hour later, and two ends of a long day."""
    folder = tmp_path_factory.mktemp("pooled")
    archived(folder / "first", START_MS, 600, SYMBOLS)
    archived(folder / "later", LATER_MS, 600, SYMBOLS, seed=5)
    for start_ms in (START_MS, START_MS + 30 * 3_600_000):
        archived(folder / "day", start_ms, 60, SYMBOLS[:2])
    return folder


def run(*arguments: str | Path) -> Any:
    """The last line of JSON."""
    answer = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert answer.exit_code == 0
    return json.loads(answer.stdout.splitlines()[-1])


def test_all_symbols_of_the_data_are_fitted_together_and_told_apart(place: Path, tmp_path: Path) -> None:
    told = run("train", "--data", place / "first", "--pooled", "-o", tmp_path / "m", "--model", "linear")
    manifest = artifact.read_manifest(tmp_path / "m")
    assert manifest.symbols == SYMBOLS
    assert told["version"] == manifest.version
    assert [row["symbol"] for row in told["symbols"]] == list(SYMBOLS)
    for row in told["symbols"]:
        assert row["trained_rows"] == manifest.data[row["symbol"]].rows
        thresholds = [one["threshold"] for one in row["horizons"]]
        assert thresholds == list(manifest.own[row["symbol"]].thresholds)
        assert all(thresholds)
        assert row["walk_forward"]
    assert {row["symbol"] for row in told["rows"]} == set(SYMBOLS)
    for symbol in SYMBOLS:
        names = {row["model"] for row in told["rows"] if row["symbol"] == symbol}
        assert {"linear", "baseline:imbalance_1", "baseline:microprice", "baseline:majority"} <= names
        judged = run("evaluate", "--model", tmp_path / "m", "--data", place / "later", "--symbol", symbol)
        assert judged["judged_on"]["symbol"] == symbol
        assert judged["trained_on"]["sha256"] == manifest.data[symbol].sha256
        assert {row["symbol"] for row in judged["rows"]} == {symbol}
    run("model", "register", tmp_path / "m", "--models", tmp_path / "models")
    shown = run("model", "show", manifest.version, "--models", tmp_path / "models")
    assert {row["symbol"] for row in shown["scores"]} == set(SYMBOLS)
    assert set(shown["thresholds"]) == set(SYMBOLS)


def test_some_symbols_may_be_named(place: Path, tmp_path: Path) -> None:
    options = ("--pooled", "--symbol", "solusdt,BTCUSDT", "--model", "linear", "--to-share", "0.6")
    told = run("train", "--data", place / "first", "-o", tmp_path / "m", *options)
    manifest = artifact.read_manifest(tmp_path / "m")
    assert manifest.symbols == ("BTCUSDT", "SOLUSDT")
    assert manifest.data["BTCUSDT"].until_ns == manifest.data["SOLUSDT"].until_ns
    held_out = [row for row in told["rows"] if row["part"] == "held_out"]
    assert {row["symbol"] for row in held_out} == {"BTCUSDT", "SOLUSDT"}
    with pytest.raises(BadInput, match="the model is of BTCUSDT, SOLUSDT, the data of ETHUSDT"):
        run("evaluate", "--model", tmp_path / "m", "--data", place / "later", "--symbol", "ETHUSDT")


@pytest.mark.parametrize(
    ("data", "options", "text"),
    [
        ("first", ("--features", "seed"), "feature set seed is in raw units"),
        ("first", ("--symbol", "BTCUSDT"), "two symbols at least, each once; given: BTCUSDT"),
        ("first", ("--symbol", "BTCUSDT,DOGEUSDT"), "the data hold no DOGEUSDT"),
        ("first", ("--by-days",), "--pooled holds its rows in memory"),
        ("day", (), "--pooled holds its rows in memory"),
        ("first", ("--to-share", "0.1"), "training needs 30"),
        ("first", ("--from-share", "0.9", "--to-share", "0.1"), "is no part of 0 to 1"),
    ],
)
def test_what_is_refused(place: Path, tmp_path: Path, data: str, options: tuple[str, ...], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        run("train", "--data", place / data, "--pooled", "-o", tmp_path / "m", *options)
    assert not (tmp_path / "m").exists()
