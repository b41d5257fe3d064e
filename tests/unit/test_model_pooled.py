"""A model of several symbols: one set of weights, and what belongs to a symbol told as that symbol's."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from pathlib import Path

import joblib
import msgspec
import numpy as np
import pytest
from model_data import START_NS, drawn, vector

from lobflow import registry
from research.comparison import compared
from research.dataset import Dataset
from research.evaluate import evaluate, signals_of
from research.export import save
from research.forecast import load
from research.microprice import states
from research.report.judgement import Trading, loaded
from research.train import Training, train_horizons, train_pooled
from services.features import schema
from services.model import artifact
from services.model.artifact import MANIFEST, Registry
from services.model.core import ModelCore
from services.model.drift import FEWEST
from services.model.manifest import Manifest, content_version, defect
from services.model.shadow_core import ShadowCore
from shared.errors import BadInput
from shared.messages import FeatureVector, Prediction, Shadows
from shared.units import MS, SECOND

LATER_NS = START_NS + 3600 * SECOND
BTC, ETH = "BTCUSDT", "ETHUSDT"


def cheap(data: Dataset) -> Dataset:
    """Of ETHUSDT, at a twentieth of the price."""
    values = data.values.copy()
    values[:, list(schema.indices(schema.SIGMAS))] /= 20.0
    track = replace(data.track, mid=data.track.mid / 20.0)
    return replace(data, symbol=ETH, values=values, mid=data.mid / 20.0, track=track)


@pytest.fixture(scope="module")
def trainings() -> list[Training]:
    return train_pooled([drawn(500), cheap(drawn(500, seed=8, start_ns=START_NS + 100 * SECOND))])


@pytest.fixture(scope="module")
def folder(trainings: list[Training], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pooled")
    save(trainings, place / "model")
    return place / "model"


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    return artifact.read_manifest(folder)


def test_the_manifest_names_every_symbol_and_keeps_what_is_its_own(
    manifest: Manifest, trainings: list[Training]
) -> None:
    assert manifest.symbols == (BTC, ETH)
    assert set(manifest.data) == set(manifest.own) == {BTC, ETH}
    assert (manifest.microprice, manifest.reference) == ((), ())
    assert all((row.threshold, row.majority, row.scores) == (None, None, ()) for row in manifest.horizons)
    for training in trainings:
        data, one = training.data, manifest.of(training.data.symbol)
        told = manifest.data[data.symbol]
        assert (told.from_ns, told.until_ns, told.rows) == (data.from_ns, data.until_ns, len(data.recv_ns))
        assert told.sha256 == data.sha256
        assert [row.threshold for row in one.horizons] == [row.threshold for row in training.horizons]
        assert [row.majority for row in one.horizons] == [row.majority for row in training.horizons]
        assert [row.weights for row in one.horizons] == [row.weights for row in manifest.horizons]
        assert all(row.scores for row in one.horizons)
        assert one.microprice
        assert {"sigma", "residual 5 s"} <= {reference.name for reference in one.reference}
    for mine, its in zip(manifest.own[BTC].thresholds, manifest.own[ETH].thresholds, strict=True):
        assert mine is not None
        assert its is not None
        assert 10.0 < mine / its < 40.0
    assert manifest.own[BTC].microprice != manifest.own[ETH].microprice


def test_the_folded_model_is_the_pipeline_for_every_symbol(tmp_path: Path, trainings: list[Training]) -> None:
    data = [training.data for training in trainings]
    for model in ("auto", "linear", "ridge"):
        both = train_pooled(data, model=model)
        manifest = save(both, tmp_path)
        pipelines, predictor = joblib.load(tmp_path / manifest.joblib_file), artifact.load(tmp_path)
        for training in both:
            X = training.features.matrix(training.data)
            folded = np.array([predictor.moves(row.tolist()) for row in training.data.values])
            for column, row in enumerate(manifest.horizons):
                np.testing.assert_allclose(
                    folded[:, column], pipelines[row.horizon_s].predict(X), rtol=1e-9, atol=1e-9
                )


def test_a_model_of_one_symbol_says_nothing_of_pooling(tmp_path: Path) -> None:
    alone = save(train_horizons(drawn(300), model="linear"), tmp_path)
    assert '"own"' not in (tmp_path / MANIFEST).read_text()
    assert alone.of(BTC) is alone
    assert alone.of("SOLUSDT") is alone


def test_what_is_kept_of_a_symbol_is_part_of_the_version(manifest: Manifest) -> None:
    own = {**manifest.own, ETH: msgspec.structs.replace(manifest.own[ETH], thresholds=(1.0, 2.0, 3.0))}
    changed = msgspec.structs.replace(manifest, own=own)
    assert "does not hash to its version" in defect(changed)
    assert content_version(changed) != manifest.version


def redone(manifest: Manifest, **own: object) -> Manifest:
    changed = msgspec.structs.replace(
        manifest, own={**manifest.own, ETH: msgspec.structs.replace(manifest.own[ETH], **own)}
    )
    return msgspec.structs.replace(changed, version=content_version(changed))


def test_what_does_not_fit_is_refused(manifest: Manifest) -> None:
    assert defect(redone(manifest)) == ""
    assert "what it keeps of ETHUSDT does not fit" in defect(redone(manifest, thresholds=(1.0,)))
    assert "what it keeps of ETHUSDT does not fit" in defect(redone(manifest, scores=()))
    wrong = (msgspec.structs.replace(manifest.own[ETH].reference[0], name="nothing"),)
    assert "its reference 'nothing'" in defect(redone(manifest, reference=wrong))
    fewer = msgspec.structs.replace(manifest, own={ETH: manifest.own[ETH]})
    fewer = msgspec.structs.replace(fewer, version=content_version(fewer))
    assert "values of other symbols" in defect(fewer)


def asked(symbol: str, recv_ns: int = LATER_NS) -> FeatureVector:
    scale = 1.0 if symbol == BTC else 0.05
    values = np.random.default_rng(recv_ns % 2**32).uniform(-1.0, 1.0, schema.WIDTH)
    values[list(schema.indices(schema.SIGMAS))] = 2.0 * scale
    return vector(recv_ns, values.tolist())


def test_predictions_carry_the_thresholds_of_their_symbol(folder: Path, manifest: Manifest) -> None:
    moves = {}
    for symbol in (BTC, ETH):
        (answer,) = ModelCore(symbol, artifact.load(folder)).handle(asked(symbol), b"5-0")
        assert isinstance(answer, Prediction)
        assert (answer.reason, answer.model) == ("", manifest.version)
        assert answer.thresholds == manifest.own[symbol].thresholds
        moves[symbol] = np.array(answer.moves)
    np.testing.assert_allclose(moves[ETH], 0.05 * moves[BTC], rtol=1e-9)
    (answer,) = ModelCore("SOLUSDT", artifact.load(folder)).handle(asked(ETH), b"5-0")
    assert isinstance(answer, Prediction)
    assert (answer.reason, answer.moves) == ("no model for the symbol", ())


def test_nothing_is_predicted_while_any_of_its_symbols_was_trained_on(folder: Path) -> None:
    # BTC was fitted on up to second 499, ETH from second 100 on up to 599.
    for symbol in (BTC, ETH):
        core = ModelCore(symbol, artifact.load(folder))
        for second, reason in ((50, "in training range"), (550, "in training range"), (600, "")):
            (answer,) = core.handle(asked(symbol, START_NS + second * SECOND), b"5-0")
            assert isinstance(answer, Prediction)
            assert answer.reason == reason


def test_drift_is_measured_against_the_symbol(folder: Path, tmp_path: Path, manifest: Manifest) -> None:
    later = drawn(FEWEST + 130, seed=99, start_ns=LATER_NS)
    for data in (later, cheap(later)):
        model = artifact.load(folder)
        core = ShadowCore(data.symbol, "other")
        core.follow([model])
        made = []
        for recv_ns, values in zip(data.recv_ns.tolist(), data.values.tolist(), strict=True):
            made += core.handle(vector(recv_ns, values), f"{recv_ns // MS}-0".encode())
        last = made[-1]
        assert isinstance(last, Shadows)
        assert last.shadows[0].thresholds == manifest.own[data.symbol].thresholds
        drift = next(one.drift for one in reversed(made) if isinstance(one, Shadows) and one.drift)
        psi = {one.name: one.psi for one in drift}
        assert {"sigma", "slow sigma", "imbalance_1"} <= set(psi)
        assert psi["sigma"] < 0.25


def test_it_is_judged_by_the_baselines_of_the_symbol(folder: Path, manifest: Manifest) -> None:
    later = drawn(600, seed=9, start_ns=LATER_NS)
    for data in (later, cheap(later)):
        judged = evaluate(load(folder), data)
        names = [row.name for row in judged.scores if (row.horizon_s, row.selection) == (5, "100 %")]
        assert names == ["shrunk", "imbalance 1", "imbalance 5", "last return", "microprice", "majority"]
        signals = signals_of(manifest, 10, data)
        own = manifest.own[data.symbol]
        place = states(data.imbalance_1, data.spread_ticks)
        assert signals["microprice"].tolist() == np.array(own.microprice)[place].tolist()
        assert set(signals["majority"]) == {own.majorities[1]}
        best = next(row for row in judged.scores if row.selection == "100 %")
        assert best.r2 > 0.0  # also in the currency of the cheaper one
    with pytest.raises(BadInput, match="the model is of BTCUSDT, ETHUSDT, the data of SOLUSDT"):
        evaluate(load(folder), replace(later, symbol="SOLUSDT"))


def test_rows_of_the_time_of_any_symbol_are_left_out(folder: Path) -> None:
    data = cheap(drawn(800))  # from second 0 on; the model knows BTC from there, ETH up to 599
    judged = evaluate(load(folder), data)
    assert {row.horizon_s: row.rows for row in judged.scores} == {h: 200 - h for h in (5, 10, 15)}
    moves = load(folder).moves(data, 5)
    assert np.flatnonzero(~np.isnan(moves)).tolist() == list(range(600, 800))
    with pytest.raises(BadInput, match="was fitted on"):
        evaluate(load(folder), drawn(500))


def test_trading_is_simulated_at_the_threshold_of_the_symbol(folder: Path, manifest: Manifest) -> None:
    data = cheap(drawn(600, seed=9, start_ns=LATER_NS))
    judged = loaded(load(folder), data, 0.5, Trading(), lambda text: None)
    own = manifest.own[ETH].thresholds[1]
    assert own is not None
    assert not isnan(own)
    assert f"{own:.3g} USDT, the model's own threshold" in judged.trips[-1].what


def test_a_registry_keeps_it_for_all_its_symbols(folder: Path, tmp_path: Path, manifest: Manifest) -> None:
    root = tmp_path / "models"
    registry.register(root, folder)
    for symbol in (BTC, ETH):
        served = Registry(root).default(symbol)
        assert served is not None
        assert served.version == manifest.version
        assert registry.may_serve(served.manifest, symbol) == ""
    assert Registry(root).default("SOLUSDT") is None
    assert "is of BTCUSDT, ETHUSDT, not of SOLUSDT" in registry.may_serve(manifest, "SOLUSDT")
    alone = save(train_horizons(drawn(400), model="linear"), tmp_path / "alone")
    result = compared([manifest, alone], drawn(500, seed=4, start_ns=LATER_NS))
    assert result.versions == (manifest.version, alone.version)
    with pytest.raises(BadInput, match="no rows of the data are new to"):
        compared([manifest, alone], drawn(180, seed=4, start_ns=START_NS + 410 * SECOND))
