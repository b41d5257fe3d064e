"""One model of both recordings, from raw frames to tables of each symbol."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lobflow.cli import app
from research.dataset import load
from research.forecast import load as load_model
from research.forecast import whole
from services.model import artifact
from shared.errors import BadInput
from shared.units import SECOND

HORIZONS_S = (5, 10, 15)


def run(*arguments: str | Path) -> Any:
    """The last line of JSON."""
    answer = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert answer.exit_code == 0
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.recorded
def test_both_recordings_are_fitted_together_and_judged_apart(btc: Path, eth: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    told = run("train", "--data", btc, "--data", eth, "--pooled", "--to-share", "0.5", "-o", model)
    manifest = artifact.read_manifest(model)
    assert manifest.symbols == ("BTCUSDT", "ETHUSDT")
    assert len({one.until_ns for one in manifest.data.values()}) == 1
    assert {row["part"] for row in told["rows"]} == {"walk_forward", "held_out"}
    for symbol, path, others in (("BTCUSDT", btc, eth), ("ETHUSDT", eth, btc)):
        judged = run("evaluate", "--model", model, "--data", path)
        assert judged["judged_on"]["symbol"] == symbol
        assert {row["horizon"] for row in judged["rows"]} == set(HORIZONS_S)
        names = {row["model"] for row in judged["rows"]}
        assert {"shrunk", "baseline:imbalance_1", "baseline:microprice", "baseline:majority"} <= names
        # Of the currency of the symbol, as sizes are what a fit at another price gets wrong.
        data = load([path])
        later = data.rows(whole(manifest, data) & (data.recv_ns > manifest.data[symbol].until_ns))
        moves = load_model(model).moves(later, 5)
        threshold = manifest.own[symbol].thresholds[0]
        assert threshold is not None
        assert 0.005 < (np.abs(moves) >= threshold).mean() < 0.5
        with pytest.raises(BadInput, match=f"holds? no {symbol}"):
            run("evaluate", "--model", model, "--data", others, "--symbol", symbol)


@pytest.mark.recorded
def test_a_recording_beside_its_copy_gives_the_model_that_it_gives_alone(btc: Path, tmp_path: Path) -> None:
    own, copy = tmp_path / "own.gz", tmp_path / "copy.gz"
    with gzip.open(btc, "rb") as lines, gzip.open(own, "wb", 1) as first, gzip.open(copy, "wb", 1) as second:
        until_ns = 0
        for line in lines:
            at_ns = int(line.partition(b" ")[0])
            until_ns = until_ns or at_ns + 150 * SECOND
            if at_ns > until_ns:
                break
            first.write(line)
            second.write(line.replace(b"BTCUSDT", b"COPYUSDT").replace(b"btcusdt", b"copyusdt"))
    alone = run("train", "--data", own, "-o", tmp_path / "alone")
    both = run("train", "--data", own, "--data", copy, "--pooled", "-o", tmp_path / "both")
    single, pooled = (artifact.read_manifest(tmp_path / name) for name in ("alone", "both"))
    assert (single.symbols, pooled.symbols) == (("BTCUSDT",), ("BTCUSDT", "COPYUSDT"))
    for mine, its in zip(pooled.horizons, single.horizons, strict=True):
        np.testing.assert_allclose(mine.weights, its.weights, rtol=1e-9)
        assert (mine.low, mine.high, mine.kind) == (its.low, its.high, its.kind)
    for row in both["symbols"]:
        for mine, its in zip(row["horizons"], alone["horizons"], strict=True):
            assert mine["threshold"] == pytest.approx(its["threshold"], rel=1e-9)
