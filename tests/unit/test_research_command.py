"""`lobflow train` as a person calls it, on a small archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from archive_data import START_MS, archived
from click.testing import Result
from typer.testing import CliRunner

from lobflow.cli import app
from services.model import artifact
from shared.errors import BadInput


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of two symbols that wander, five books a second."""
    return archived(tmp_path_factory.mktemp("archive") / "run", START_MS, 600)


def train(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False)


def test_a_model_and_a_last_line_of_json(archive: Path, tmp_path: Path) -> None:
    answer = train("--data", str(archive), "-o", str(tmp_path), "--symbol", "ethusdt", "--json")
    assert answer.exit_code == 0
    summary = json.loads(answer.stdout.splitlines()[-1])
    manifest = artifact.read_manifest(tmp_path)
    assert (summary["version"], summary["symbol"]) == (manifest.version, "ETHUSDT")
    assert [row["horizon_s"] for row in summary["horizons"]] == [5, 10, 15]
    assert summary["held_out"] == []
    assert {row["part"] for row in summary["rows"]} == {"walk_forward"}
    names = {row["model"] for row in summary["rows"]}
    assert names >= {"auto", "prior", "lasso", "linear", "baseline:imbalance_1", "baseline:zero"}
    assert manifest.data["ETHUSDT"].files == (archive.name,)
    # There are no trades in these data: their features never vary and are left out by name.
    assert "trades_1s" in manifest.dropped
    assert "trades_1s" in answer.stderr


@pytest.mark.parametrize("features", ["flow", "seed"])
def test_the_table_without_json(archive: Path, tmp_path: Path, features: str) -> None:
    options = ("--symbol", "BTCUSDT", "--features", features, "--model", "linear", "--to-share", "0.6")
    answer = train("--data", str(archive), "-o", str(tmp_path), *options)
    assert answer.exit_code == 0
    for word in ("skill", "cover", "imbalance 1", "held out", "unreliable"):
        assert word in answer.stdout


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "name one with --symbol"),
        (("--symbol", "SOLUSDT"), "the data hold no SOLUSDT"),
        (("--symbol", "BTCUSDT", "--to-share", "0.1"), "training needs 30"),
        (("--symbol", "BTCUSDT", "--from-share", "0.9", "--to-share", "0.1"), "is no part of 0 to 1"),
        (("--symbol", "BTCUSDT", "--model", "forest"), "none of auto, linear, ridge, lasso"),
        (("--symbol", "BTCUSDT", "--features", "all"), "none of flow, seed, flow"),
        (
            ("--symbol", "BTCUSDT", "--features", "flow+extra"),
            r"0\.0 hours of data; feature set flow\+extra needs 24",
        ),
        (("--symbol", "BTCUSDT", "--model", "linear", "--threshold", "inf"), "inf is no number of USDT"),
    ],
)
def test_what_is_refused(archive: Path, tmp_path: Path, options: tuple[str, ...], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        train("--data", str(archive), "-o", str(tmp_path / "model"), *options)
    assert not (tmp_path / "model").exists()


def test_a_model_stays_where_the_rest_is_too_short_to_judge(archive: Path, tmp_path: Path) -> None:
    options = ("--symbol", "BTCUSDT", "--model", "linear", "--to-share", "0.95", "--json")
    answer = train("--data", str(archive), "-o", str(tmp_path), *options)
    assert answer.exit_code == 0
    told = json.loads(answer.stdout.splitlines()[-1])
    assert told["held_out"] == []
    assert "judging needs 30" in told["held_out_refused"]
    assert "what was held out is not judged" in answer.stderr
    assert artifact.load(tmp_path).version == told["version"]


def test_a_folder_that_cannot_be_written_is_one_line(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    options = ("--symbol", "BTCUSDT", "--model", "linear")
    with pytest.raises(BadInput, match=r"file/model: cannot be written: Not a directory"):
        train("--data", str(archive), "-o", str(tmp_path / "file" / "model"), *options)


def test_a_file_is_not_overwritten(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="not a folder"):
        train(
            "--data", str(archive), "-o", str(tmp_path / "file"), "--symbol", "BTCUSDT", "--model", "linear"
        )
    assert (tmp_path / "file").read_text() == "mine"
