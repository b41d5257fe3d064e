"""Training on data with a known answer, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import joblib
import msgspec
import numpy as np
import pytest
from model_data import drawn, trained

from research.export import save
from research.fit import Fitted, choose_features
from research.prior import SIGNALS
from research.train import train, train_horizons
from research.walk import AUTO, serve
from services.features import schema
from services.model import artifact
from services.model.manifest import Manifest, content_version, defect
from services.model.predictor import Predictor
from shared.errors import BadInput

BASELINES = ("imbalance 1", "imbalance 5", "last return", "microprice", "majority")


@pytest.mark.parametrize(
    "model", ["lasso", "elastic-net", "lasso-nonnegative", "ridge", "linear", "boosting"]
)
def test_every_kind_finds_what_is_there(model: str) -> None:
    (row,) = train_horizons(drawn(800, strength=1.0), model=model, horizons_s=(5,)).horizons
    assert row.served.kind == model
    assert row.threshold is not None
    assert row.threshold > 0.0
    best = next(one for one in row.scores if one.name == model and one.selection == "100 %")
    assert best.skill > 0.2
    assert best.coverage > 0.99
    assert {pair.against for pair in row.pairs} == {*BASELINES}
    if model != "boosting":
        weights = row.served.model.regressor_["regress"].coef_
        assert row.served.features.names[int(np.argmax(np.abs(weights)))] == "imbalance_1"


def test_lasso_leaves_features_out() -> None:
    (row,) = train_horizons(drawn(800, strength=1.0), model="lasso", horizons_s=(5,)).horizons
    assert 0 < row.served.kept < len(row.served.features.names)


def test_a_nonnegative_lasso_has_no_negative_weight() -> None:
    data = drawn(800, strength=-1.0)
    (row,) = train_horizons(data, model="lasso-nonnegative", horizons_s=(5,)).horizons
    assert row.served.model is None or row.served.model.regressor_["regress"].coef_.min() >= 0.0
    (other,) = train_horizons(data, model="lasso", horizons_s=(5,)).horizons
    assert other.served.model.regressor_["regress"].coef_.min() < 0.0


def test_minutes_are_not_enough_to_leave_the_prior() -> None:
    (row,) = train_horizons(drawn(500, strength=1.0), horizons_s=(5,)).horizons
    assert (row.served.kind, row.served.prior_weight) == ("shrunk", 1.0)
    weights = dict(zip(row.served.features.names, row.served.model.regressor_["regress"].coef_, strict=True))
    assert {name for name, weight in weights.items() if weight} == set(SIGNALS)
    size = weights["ofi_1_1s"]
    assert size > 0.0
    assert {name: weight / size for name, weight in weights.items() if weight} == pytest.approx(SIGNALS)


def test_hours_leave_the_prior_where_it_is_wrong_and_keep_it_where_it_is_right() -> None:
    data = drawn(4000, strength=1.0)
    (row,) = train_horizons(data, horizons_s=(5,)).horizons
    # Of the prior's signals only the imbalance moves these data.
    assert row.served.prior_weight is not None
    assert row.served.prior_weight < 1.0
    assert "% prior" in row.reason
    noise = train_horizons(drawn(4000, strength=0.0), horizons_s=(5,)).horizons[0]
    assert noise.served.prior_weight == 1.0
    assert noise.served.model is not None


def test_the_prior_is_not_turned_round_by_data() -> None:
    (row,) = train_horizons(drawn(800, strength=-1.0), model="prior", horizons_s=(5,)).horizons
    weights = dict(zip(row.served.features.names, row.served.model.regressor_["regress"].coef_, strict=True))
    assert weights["imbalance_1"] > 0.0 > weights["trades_5s"]


def test_in_raw_units_lasso_serves_or_linear_regression_in_its_place() -> None:
    kinds = set()
    for seed in range(4):
        data = drawn(300, seed, strength=0.0)
        row = train_horizons(data, "seed", horizons_s=(5,)).horizons[0]
        kinds.add(row.served.kind)
        if row.served.kind == "linear":
            assert "no feature" in row.reason
    assert "linear" in kinds
    assert kinds <= {"linear", "lasso"}


def test_lasso_alone_may_say_no_model(tmp_path: Path) -> None:
    training = train_horizons(drawn(300, 1, strength=0.0), model="lasso", horizons_s=(5,))
    if training.horizons[0].served.model is not None:
        pytest.fail("this seed was chosen because LASSO keeps nothing")
    manifest = save(training, tmp_path)
    assert (manifest.horizons[0].kind, manifest.horizons[0].threshold) == ("", None)
    assert np.isnan(Predictor(manifest).moves([0.5] * schema.WIDTH)[0])


def test_one_call_trains_and_scores() -> None:
    models = ["linear", "lasso", "auto", "boosting"]
    fitted, scores = train(models, drawn(600), train_pct=60, period=5, threshold=0.5)
    assert list(fitted) == models
    assert fitted["auto"].kind == "shrunk"
    assert {row.name for row in scores} == {*models, *BASELINES}
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
    for feature_set, model in (("flow", "linear"), ("flow", "auto"), ("flow", "ridge"), ("seed", "ridge")):
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


def test_constant_features_are_left_out_and_named() -> None:
    data = drawn(200)
    values = data.values.copy()
    values[:, schema.indices(["imbalance_5"])] = 0.25
    features = choose_features("flow", replace(data, values=values))
    assert features.dropped == ("imbalance_5",)
    assert "imbalance_5" not in features.names
    assert len(features.names) == len(features.indices) == len(schema.names("flow")) - 1


def without_signals() -> object:
    data = drawn(200)
    values = data.values.copy()
    values[:, list(schema.indices(SIGNALS))] = 0.0
    return replace(data, values=values)


def unmoved() -> object:
    data = drawn(200)
    flat = np.full(200, 60_000.0)
    return replace(data, mid=flat, track=replace(data.track, mid=flat))


def constant() -> object:
    data = drawn(200)
    return replace(data, values=np.ones_like(data.values))


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        (lambda: drawn(20), {}, "training needs 30"),
        (lambda: drawn(35), {}, "labelled rows"),
        (constant, {}, "every feature of set flow is constant"),
        (unmoved, {}, "the mid price never moves in the data"),
        (without_signals, {}, "the prior needs one of imbalance_1"),
        (lambda: drawn(200), {"feature_set": "other"}, "none of flow, seed, flow\\+extra"),
        (lambda: drawn(200), {"model": "forest"}, "none of auto"),
        (lambda: drawn(200), {"model": "prior", "feature_set": "seed"}, "prior is of feature set flow"),
        (lambda: drawn(200), {"model": "boosting", "feature_set": "seed"}, "boosting is of feature set flow"),
        (lambda: replace(drawn(200), schema="other"), {}, "features of schema other"),
    ],
)
def test_what_is_refused(make: object, options: dict[str, str], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        train_horizons(make(), **options)  # type: ignore[operator]


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.6, 0.4), (-0.1, 1.0), (0.0, 1.1)])
def test_a_part_lies_within_the_whole(low: float, high: float) -> None:
    with pytest.raises(BadInput, match="is no part of 0 to 1"):
        drawn(50).part(low, high)


@pytest.mark.parametrize(
    ("train_pct", "period", "text"),
    [(70, 0, "period 0 is not above zero"), (99.5, 10, "no row of the last 0.5 % has a label for 10 s")],
)
def test_a_call_without_anything_to_judge_by_is_refused(train_pct: float, period: int, text: str) -> None:
    with pytest.raises(BadInput, match=text):
        train(["prior"], drawn(200), train_pct=train_pct, period=period)


def test_a_prior_without_moves_says_so() -> None:
    data = drawn(200)
    features = choose_features("flow", data)
    empty = Fitted("shrunk", None, None, 0, 5, features, 1.0)
    assert serve(AUTO, {"shrunk": empty}, features)[1].endswith("no model")
