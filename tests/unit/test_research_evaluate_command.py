"""`lobflow evaluate` as a person calls it, on small archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from archive_data import START_MS, archived, books
from click.testing import Result
from typer.testing import CliRunner

from lobflow.cli import app
from research.dataset import sample
from services.model import artifact
from shared import codec
from shared.errors import BadInput

LATER_MS = START_MS + 3_600_000
KEYS = {
    "model", "symbol", "horizon", "threshold", "coverage_asked", "coverage", "hit_rate",
    "hit_rate_with_zeros", "skill", "lower", "upper", "blocks", "r2", "ic", "gross_edge", "net_edge",
    "zero_share", "reliable",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of BTCUSDT, and beside it later data of two symbols and earlier ones it was fitted on."""
    place = tmp_path_factory.mktemp("evaluate")
    archived(place / "first", START_MS, 600)
    archived(place / "later", LATER_MS, 700, seed=5)
    archived(place / "after", LATER_MS + 200_000, 400, seed=8)
    options = ["--data", str(place / "first"), "-o", str(place / "model"), "--symbol", "BTCUSDT"]
    assert CliRunner().invoke(app, ["train", *options], catch_exceptions=False).exit_code == 0
    return place


def evaluate(folder: Path, *data: str, options: tuple[str, ...] = ()) -> Result:
    places = [str(folder / one) for one in data]
    arguments = ["evaluate", "--model", str(folder / "model"), "--data", *places, *options]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_rows_of_models_and_baselines_in_one_line_of_json(folder: Path) -> None:
    answer = evaluate(folder, "later", options=("--json", "--threshold", "0.25"))
    assert answer.exit_code == 0
    told = json.loads(answer.stdout.splitlines()[-1])
    manifest = artifact.read_manifest(folder / "model")
    assert told["model"]["version"] == manifest.version
    fitted = manifest.data["BTCUSDT"]
    assert told["trained_on"]["sha256"] == fitted.sha256 != told["judged_on"]["sha256"]
    assert (told["trained_on"]["files"], told["judged_on"]["files"]) == (["first"], ["later"])
    rows = told["rows"]
    assert all(set(row) >= KEYS for row in rows)
    assert {row["symbol"] for row in rows} == {"BTCUSDT"}
    assert {row["horizon"] for row in rows} == {5, 10, 15}
    assert {(row["threshold"], row["coverage_asked"]) for row in rows} == {
        (0.25, None), (None, 1.0), (None, 0.5), (None, 0.2)
    }  # fmt: skip
    assert {row["model"] for row in rows} == {
        "shrunk", "baseline:imbalance_1", "baseline:imbalance_5", "baseline:last_return",
        "baseline:microprice", "baseline:majority", "baseline:zero",
    }  # fmt: skip
    mine = [row for row in rows if row["model"] == "shrunk"]
    assert len(mine) == 3 * 4
    for row in mine:
        other = next(
            one
            for one in rows
            if one["model"] == "baseline:imbalance_1"
            and all(one[key] == row[key] for key in ("horizon", "threshold", "coverage_asked"))
        )
        assert other["coverage"] == pytest.approx(row["coverage"], abs=0.02)
        difference = row["against"]["baseline:imbalance_1"]["difference"]
        assert difference == pytest.approx(row["hit_rate"] - other["hit_rate"])
        assert row["permutation"]["shifts"] > 50
    (zero,) = [row for row in rows if row["model"] == "baseline:zero" and row["horizon"] == 5]
    assert (zero["r2"], zero["hit_rate"]) == (0.0, None)


def test_several_folders_are_one_capture(folder: Path) -> None:
    alone, both = (
        json.loads(evaluate(folder, *data, options=("--json",)).stdout.splitlines()[-1])
        for data in (("later",), ("later", "after"))
    )
    assert both["judged_on"]["rows"] > alone["judged_on"]["rows"]
    assert both["rows"][0]["rows"] > alone["rows"][0]["rows"]


def test_the_words_without_json(folder: Path) -> None:
    answer = evaluate(folder, "first", "later")
    assert answer.exit_code == 0
    for word in (
        "trained on BTCUSDT",
        "judged on",
        "are left out",
        "not seen in training",
        "circular shifts",
    ):
        assert word in answer.stdout


@pytest.mark.parametrize(
    ("data", "options", "text"),
    [
        (("first",), (), "was fitted on: nothing is left"),
        (("later",), ("--symbol", "ETHUSDT"), "the model is of BTCUSDT, the data of ETHUSDT"),
        (("after", "later"), (), "is before"),
        (("nothing",), (), "no such file or folder"),
        (("",), (), r"holds runs; give one of them: after, first, later"),
        (("later",), ("--period", "60"), "judging needs 30"),
    ],
)
def test_what_is_refused(folder: Path, data: tuple[str, ...], options: tuple[str, ...], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        evaluate(folder, *data, options=options)


def test_a_folder_without_a_model_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"manifest\.json: No such file"):
        CliRunner().invoke(
            app,
            ["evaluate", "--model", str(tmp_path), "--data", str(folder / "later")],
            catch_exceptions=False,
        )


def test_time_that_goes_back_is_refused_in_one_line() -> None:
    entries = [(entry_id.decode(), codec.decode(data)) for entry_id, data in books(1, 40)]
    with pytest.raises(BadInput, match=r"BTCUSDT: seq 5: recv_ns .* is before"):
        sample("BTCUSDT", [*entries[:20], *entries[5:]])
