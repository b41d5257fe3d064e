"""Training on data with a known answer, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import joblib
import msgspec
import numpy as np
import pytest
from model_data import drawn, trained

from research.evaluate import evaluate
from research.export import save
from research.fit import choose_features
from research.train import train, train_horizons
from services.features import schema
from services.model import artifact
from services.model.manifest import Manifest, content_version, defect
from services.model.predictor import Predictor
from shared.errors import BadInput


def test_lasso_finds_what_is_there_and_little_else() -> None:
    training = train_horizons(drawn(800, strength=1.0))
    names = training.features.names
    for row in training.horizons:
        assert row.served.kind == "lasso"
        weights = row.served.model.regressor_["regress"].coef_
        assert names[int(np.argmax(np.abs(weights)))] == "imbalance_1"
        assert row.threshold is not None
        assert row.threshold > 0.0
        best = next(one for one in row.scores if one.name == "auto" and one.selection == "100 %")
        assert best.skill > 0.2
        assert best.coverage == 1.0


def test_lasso_finds_nothing_in_noise_and_linear_regression_serves() -> None:
    kinds = []
    for seed in range(3):
        row = train_horizons(drawn(300, seed, strength=0.0), horizons_s=(5,)).horizons[0]
        kinds.append(row.served.kind)
        if row.served.kind == "linear":
            assert "no feature" in row.reason
    assert "linear" in kinds


def test_lasso_alone_may_say_no_model(tmp_path: Path) -> None:
    training = train_horizons(drawn(300, 1, strength=0.0), model="lasso", horizons_s=(5,))
    if training.horizons[0].served.model is not None:
        pytest.fail("this seed was chosen because LASSO keeps nothing")
    manifest = save(training, tmp_path)
    assert (manifest.horizons[0].kind, manifest.horizons[0].threshold) == ("", None)
    assert np.isnan(Predictor(manifest).moves([0.5] * schema.WIDTH)[0])


def test_one_call_trains_and_scores() -> None:
    fitted, scores = train(["linear", "lasso"], drawn(600), train_pct=60, period=5, threshold=0.5)
    assert set(fitted) == {"linear", "lasso"}
    names = {row.name for row in scores}
    assert names == {"linear", "lasso", "imbalance 1", "imbalance 5", "last return", "microprice", "majority"}
    assert {row.selection for row in scores} == {"|yhat| ≥ 0.5", "100 %", "50 %", "20 %"}
    assert all(row.rows == scores[0].rows for row in scores)


def test_baselines_have_the_coverage_of_the_model() -> None:
    _, scores = train(["linear"], drawn(600), train_pct=60, period=5, threshold=3.0)
    first = [row for row in scores if row.selection == "|yhat| ≥ 3"]
    assert 0.0 < first[0].coverage < 1.0
    assert all(row.coverage == pytest.approx(first[0].coverage) for row in first)


def test_labels_do_not_look_beyond_the_part_they_are_fitted_on() -> None:
    data = drawn(400)
    half = data.part(0.0, 0.5)
    # Whatever comes after the part must not change a weight.
    changed = replace(data, track=replace(data.track, mid=data.track.mid.copy()))
    changed.track.mid[data.track.recv_ns > half.until_ns] += 1000.0
    weights = [
        train_horizons(one, horizons_s=(5,)).horizons[0].served.model.regressor_["regress"].coef_
        for one in (half, changed.part(0.0, 0.5))
    ]
    assert weights[0].tolist() == weights[1].tolist()


def test_the_served_model_is_the_trained_one(tmp_path: Path) -> None:
    data = drawn(400)
    for feature_set, model in (("flow", "linear"), ("flow", "auto"), ("seed", "linear")):
        training = train_horizons(data, feature_set, model)
        manifest = save(training, tmp_path)
        pipelines = joblib.load(tmp_path / manifest.joblib_file)
        predictor = artifact.load(tmp_path)
        X = training.features.matrix(data)
        folded = np.array([predictor.moves(row.tolist()) for row in data.values])
        for column, row in enumerate(manifest.horizons):
            expected = pipelines[row.horizon_s].predict(X)
            np.testing.assert_allclose(folded[:, column], expected, rtol=1e-9, atol=1e-9)


def test_the_version_is_the_content(tmp_path: Path) -> None:
    first, again, other = trained(tmp_path / "a"), trained(tmp_path / "b"), trained(tmp_path / "c", seed=8)
    assert first.version == again.version != other.version
    assert content_version(first) == first.version
    assert defect(first) == ""
    decoded = msgspec.json.decode(msgspec.json.encode(first), type=Manifest)
    assert decoded == first


def test_writing_again_leaves_one_model(tmp_path: Path) -> None:
    trained(tmp_path)
    manifest = trained(tmp_path, seed=8)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", manifest.joblib_file]
    assert artifact.load(tmp_path).version == manifest.version


def test_evaluation_leaves_out_what_was_fitted_on(tmp_path: Path) -> None:
    data = drawn(800)
    manifest = save(train_horizons(data.part(0.25, 0.5)), tmp_path)
    scores = evaluate(manifest, data)
    rows = {row.horizon_s: row.rows for row in scores}
    # 200 rows before, less the horizon and the 6 s of the longest window; 400 after, less the horizon.
    assert rows == {h: (200 - h - 6) + (400 - h) for h in (5, 10, 15)}
    assert evaluate(save(train_horizons(data), tmp_path), data) == []


def test_constant_features_are_left_out_and_named() -> None:
    data = drawn(200)
    values = data.values.copy()
    values[:, schema.indices(["imbalance_5"])] = 0.25
    features = choose_features("flow", replace(data, values=values))
    assert features.dropped == ("imbalance_5",)
    assert "imbalance_5" not in features.names
    assert len(features.names) == len(features.indices) == len(schema.names("flow")) - 1


def constant() -> object:
    data = drawn(200)
    return replace(data, values=np.ones_like(data.values))


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        (lambda: drawn(20), {}, "training needs 30"),
        (lambda: drawn(35), {}, "labelled rows"),
        (constant, {}, "every feature of set flow is constant"),
        (lambda: drawn(200), {"feature_set": "other"}, "neither flow nor seed"),
        (lambda: drawn(200), {"model": "forest"}, "none of auto"),
        (lambda: replace(drawn(200), schema="other"), {}, "features of schema other"),
    ],
)
def test_what_is_refused(make: object, options: dict[str, str], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        train_horizons(make(), **options)  # type: ignore[operator]


def test_a_model_is_not_evaluated_on_another_symbol(tmp_path: Path) -> None:
    manifest = trained(tmp_path)
    with pytest.raises(BadInput, match="the model is of BTCUSDT, the data of ETHUSDT"):
        evaluate(manifest, drawn(symbol="ETHUSDT"))


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.6, 0.4), (-0.1, 1.0), (0.0, 1.1)])
def test_a_part_lies_within_the_whole(low: float, high: float) -> None:
    with pytest.raises(BadInput, match="is no part of 0 to 1"):
        drawn(50).part(low, high)
