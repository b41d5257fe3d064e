"""Fitted on the first half of a real recording, served on the second: through the command a person uses.

Minutes of one evening say nothing about skill, so none is asserted; what is asserted is that the table says
what it must, and that nothing of the second half was known to the first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lobflow.cli import app
from research.dataset import Dataset, sample
from research.market import market_entries
from services.features.core import FeaturesCore
from services.model import artifact
from services.model.core import ModelCore
from shared.messages import Flow, Message, Prediction
from shared.units import SECOND

pytestmark = pytest.mark.recorded


Fitted = tuple[Path, dict[str, Any], str]  # the model's folder, the JSON line, what a person reads
WORDS = (
    "cover",
    "skill",
    "95 %",
    "y = 0",
    "imbalance 5",
    "majority",
    "last return",
    "held out",
    "unreliable",
)


def run_train(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def entries(btc: Path) -> list[tuple[str, Message]]:
    return [(entry_id, message) for _, entry_id, message in market_entries([btc])]


@pytest.fixture(scope="module")
def whole(entries: list[tuple[str, Message]]) -> Dataset:
    return sample("BTCUSDT", entries)


@pytest.fixture(scope="module")
def fitted(btc: Path, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("model")
    answer = CliRunner().invoke(
        app,
        ["train", "--data", str(btc), "-o", str(folder), "--to-share", "0.5", "--json"],
        catch_exceptions=False,
    )
    assert answer.exit_code == 0
    return folder, json.loads(answer.stdout.splitlines()[-1]), answer.stderr


def test_the_table_says_what_it_must(fitted: Fitted) -> None:
    _, summary, text = fitted
    for word in (
        "cover",
        "skill",
        "95 %",
        "y = 0",
        "imbalance 5",
        "majority",
        "last return",
        "held out",
        "unreliable",
    ):
        assert word in text
    for part, count in (("walk_forward", 9), ("held_out", 6)):
        rows = summary[part]
        assert {row["horizon_s"] for row in rows} == {5, 10, 15}
        # three horizons, four selections; models and five baselines each
        assert len(rows) == 3 * 4 * count
        for row in rows:
            assert row["blocks"] < 30
            assert not row["is_reliable"]
            assert 0.0 <= row["coverage"] <= 1.0
    # A taker's costs are far beyond any edge there is in these minutes.
    full = [row for row in summary["held_out"] if row["selection"] == "100 %"]
    assert all(row["net_edge"] < 0.0 for row in full)


def test_the_manifest_describes_the_model(fitted: Fitted, whole: Dataset) -> None:
    folder, summary, _ = fitted
    manifest = artifact.read_manifest(folder)
    assert manifest.version == summary["version"]
    assert manifest.symbols == ("BTCUSDT",)
    assert manifest.data["BTCUSDT"].sha256 == whole.sha256
    assert manifest.data["BTCUSDT"].until_ns == whole.part(0.0, 0.5).until_ns
    assert manifest.longest_window_ns <= 10 * SECOND
    assert [row.horizon_s for row in manifest.horizons] == [5, 10, 15]
    assert all(row.threshold is not None and row.threshold > 0.0 for row in manifest.horizons if row.kind)


def test_served_event_by_event_on_the_second_half(
    fitted: Fitted, whole: Dataset, entries: list[tuple[str, Message]]
) -> None:
    folder, summary, _ = fitted
    predictor = artifact.load(folder)
    features, model = FeaturesCore(), ModelCore("BTCUSDT", predictor)
    moves: dict[int, tuple[float, ...]] = {}
    reasons: dict[str, int] = {}
    for entry_id, message in entries:
        for vector in features.handle(message, entry_id.encode()):
            (answer,) = model.handle(vector, entry_id.encode())
            if isinstance(answer, Flow):  # once a minute, passed on beside the predictions
                continue
            assert isinstance(answer, Prediction)
            reasons[answer.reason] = reasons.get(answer.reason, 0) + 1
            if answer.moves:
                assert answer.recv_ns > summary["until_ns"]
                moves[answer.recv_ns] = answer.moves
    assert set(reasons) == {"", "in training range"}
    # What was served live is what the table scored: the same rows, the same moves.
    second = whole.rows(whole.recv_ns > summary["until_ns"])
    for at_ns, values in zip(second.recv_ns, second.values, strict=True):
        assert moves[int(at_ns)] == predictor.moves(values.tolist())
