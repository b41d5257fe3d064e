"""Serving: one prediction per vector, refusals with reasons, promotions at ids."""

from __future__ import annotations

from math import inf, isfinite, nan
from pathlib import Path

import pytest
from model_data import SIGMA, START_NS, drawn, trained, two_versions, vector

from research.export import save
from research.train import train_horizons
from services.features import schema
from services.model import artifact
from services.model.artifact import Registry
from services.model.core import ModelCore
from services.model.predictor import Predictor
from services.model.schedule import Schedule, is_id
from shared.errors import BadInput, BadSetting, LobflowError
from shared.messages import Heartbeat, Prediction
from shared.units import SECOND

LATER_NS = START_NS + 3600 * SECOND


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions side by side."""
    return two_versions(tmp_path_factory.mktemp("models"))


@pytest.fixture
def one(folders: Path) -> Predictor:
    return artifact.load(folders / "one")


@pytest.fixture
def two(folders: Path) -> Predictor:
    return artifact.load(folders / "two")


def only(core: ModelCore, message: object, entry_id: bytes = b"5-0") -> Prediction:
    (result,) = core.handle(message, entry_id)  # type: ignore[arg-type]
    assert isinstance(result, Prediction)
    return result


def test_a_prediction_carries_its_origin(one: Predictor) -> None:
    asked = vector(LATER_NS)
    answer = only(ModelCore("BTCUSDT", one), asked)
    assert (answer.recv_ns, answer.expires_ns) == (LATER_NS, LATER_NS + SECOND)
    assert (answer.model, answer.schema, answer.reason) == (one.version, asked.schema, "")
    assert (answer.bid_ticks, answer.ask_ticks, answer.tick_e9) == (600_000, 600_001, 100_000_000)
    assert answer.horizons_s == (5, 10, 15)
    assert all(isfinite(move) for move in answer.moves)
    assert answer.thresholds == one.thresholds("BTCUSDT")


def with_value(name: str, value: float) -> list[float]:
    values = [0.1] * schema.WIDTH
    for index in schema.indices(schema.SIGMAS):
        values[index] = SIGMA
    values[schema.indices([name])[0]] = value
    return values


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (vector(LATER_NS, schema="other"), "schema mismatch"),
        (vector(LATER_NS, clean_ns=5 * SECOND), "windows not whole"),
        (vector(LATER_NS, with_value("imbalance_1", nan)), "imbalance_1 is not finite"),
        (vector(LATER_NS, with_value("trades_1s", inf)), "trades_1s is not finite"),
        (vector(LATER_NS, with_value("sigma_30s", 0.0)), "volatility not known"),
        (vector(LATER_NS, with_value("sigma_30s", nan)), "volatility not known"),
        (vector(LATER_NS, with_value("sigma_600s", 0.0)), "volatility not known"),
        (vector(START_NS), "in training range"),
        (vector(START_NS + 399 * SECOND), "in training range"),
    ],
)
def test_refusals_are_predictions_with_a_reason(one: Predictor, asked: object, reason: str) -> None:
    answer = only(ModelCore("BTCUSDT", one), asked)
    assert answer.reason.startswith(reason)
    assert (answer.horizons_s, answer.moves, answer.thresholds) == ((), (), ())


def test_the_training_range_ends(one: Predictor) -> None:
    core = ModelCore("BTCUSDT", one)
    assert only(core, vector(START_NS - 1)).reason == ""
    assert only(core, vector(START_NS + 399 * SECOND + 1)).reason == ""


def test_a_feature_that_is_not_used_may_be_anything(one: Predictor) -> None:
    assert only(ModelCore("BTCUSDT", one), vector(LATER_NS, with_value("spread", nan))).reason == ""


def test_a_model_serves_its_own_symbol_only(one: Predictor) -> None:
    assert only(ModelCore("ETHUSDT", one), vector(LATER_NS)).reason == "no model for the symbol"


def test_a_vector_of_another_length_is_a_broken_invariant(one: Predictor) -> None:
    with pytest.raises(BadInput, match="values, not"):
        ModelCore("BTCUSDT", one).handle(vector(LATER_NS, [0.0] * 3), b"5-0")


def test_only_vectors_lie_in_features(one: Predictor) -> None:
    with pytest.raises(BadInput, match="Heartbeat in the features"):
        ModelCore("BTCUSDT", one).handle(Heartbeat(0, 0, 0, 0), b"5-0")


def test_a_promotion_takes_effect_at_its_id(one: Predictor, two: Predictor) -> None:
    core = ModelCore("BTCUSDT", one)
    core.load(two)
    core.promote(two.version, "10-3")
    versions = [
        only(core, vector(LATER_NS), entry_id).model for entry_id in (b"9-9", b"10-2", b"10-3", b"11-0")
    ]
    assert versions == [one.version, one.version, two.version, two.version]


def test_a_promotion_of_what_is_not_loaded_stops_at_its_id(one: Predictor) -> None:
    core = ModelCore("BTCUSDT", one)
    core.promote("absent", "10-0")
    only(core, vector(LATER_NS), b"9-0")
    with pytest.raises(LobflowError, match="version absent serves id 10-0"):
        core.handle(vector(LATER_NS), b"10-0")


def test_a_promotion_that_comes_too_late_stops(one: Predictor, two: Predictor) -> None:
    core = ModelCore("BTCUSDT", one)
    core.load(two)
    only(core, vector(LATER_NS), b"10-0")
    with pytest.raises(LobflowError, match="already handled"):
        core.promote(two.version, "10-0")


def test_a_promotion_from_before_the_start_comes_too_late_for_a_copy_too(
    one: Predictor, two: Predictor
) -> None:
    core = ModelCore("BTCUSDT", one)
    core.load(two)
    core.recall(vector(LATER_NS), b"10-0")
    with pytest.raises(LobflowError, match="already handled"):
        core.promote(two.version, "10-0")
    core.promote(two.version, "11-0")
    assert only(core, vector(LATER_NS + SECOND), b"11-0").model == two.version


def test_a_later_promotion_supersedes_those_after_its_id() -> None:
    schedule = Schedule("a")
    schedule.promote("b", (20, 0))
    schedule.promote("c", (10, 0))
    assert [schedule.version((ms, 0)) for ms in (9, 10, 20, 30)] == ["a", "c", "c", "c"]
    schedule.promote("d", (25, 1))
    assert [schedule.version(at) for at in ((25, 0), (25, 1))] == ["c", "d"]


@pytest.mark.parametrize(
    ("text", "answer"), [("5-1", True), ("5", True), ("", False), ("x-1", False), ("0-0", False)]
)
def test_ids(text: str, answer: bool) -> None:
    assert is_id(text) is answer


def test_without_any_model_the_answer_says_so() -> None:
    answer = only(ModelCore("BTCUSDT", None), vector(LATER_NS))
    assert (answer.model, answer.reason, answer.moves) == ("", "no model for the symbol", ())


def default(registry: Registry, symbol: str) -> str | None:
    found = registry.default(symbol)
    return None if found is None else found.version


def test_a_registry_finds_versions_beside_each_other(folders: Path, one: Predictor, two: Predictor) -> None:
    single = Registry(folders / "one")
    assert default(single, "BTCUSDT") == default(single, "ETHUSDT") == one.version
    assert single.find(two.version).version == two.version
    with pytest.raises(BadInput, match="no model of version 000000000000"):
        single.find("000000000000")


def test_each_symbol_is_served_by_its_own_model(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="LOBFLOW_MODEL_DIR"):
        Registry(tmp_path).default("BTCUSDT")
    versions = {
        symbol: trained(tmp_path / symbol, symbol=symbol).version for symbol in ("BTCUSDT", "ETHUSDT")
    }
    for symbol, version in versions.items():
        assert default(Registry(tmp_path), symbol) == version
    assert default(Registry(tmp_path), "SOLUSDT") is None


def test_of_several_models_a_file_names_what_serves(folders: Path, one: Predictor, two: Predictor) -> None:
    serving = folders / "serving"
    with pytest.raises(BadSetting, match="holds 2 models of BTCUSDT"):
        Registry(folders).default("BTCUSDT")
    try:
        serving.write_text(f"{two.version}\n")
        assert default(Registry(folders), "BTCUSDT") == two.version
        serving.write_text(f"{two.version}\n\nETHUSDT {one.version}\n")
        assert default(Registry(folders), "ETHUSDT") == one.version
        assert default(Registry(folders), "BTCUSDT") == two.version
        serving.write_text("a b c\n")
        with pytest.raises(BadInput, match="neither a version nor"):
            Registry(folders).default("BTCUSDT")
    finally:
        serving.unlink()


def test_damage_is_refused_by_name(tmp_path: Path) -> None:
    manifest = trained(tmp_path)
    path = tmp_path / "manifest.json"
    good = path.read_bytes()
    cases = [
        (b"{", "manifest.json: "),
        (good.replace(b'"rows": 400', b'"rows": 401'), "does not hash to its version"),
        (good.replace(b'"format": 1', b'"format": 2'), "format 2 is not 1"),
    ]
    for bad, text in cases:
        path.write_bytes(bad)
        with pytest.raises(BadInput, match=text):
            artifact.load(tmp_path)
    path.write_bytes(good)
    (tmp_path / manifest.joblib_file).write_bytes(b"other")
    with pytest.raises(BadInput, match="its sha256 is not the one"):
        artifact.load(tmp_path)
    (tmp_path / manifest.joblib_file).unlink()
    with pytest.raises(BadInput, match="No such file"):
        artifact.load(tmp_path)


def test_a_model_in_raw_units_needs_no_volatility(tmp_path: Path) -> None:
    save(train_horizons(drawn(400), "seed", "linear"), tmp_path)
    core = ModelCore("BTCUSDT", artifact.load(tmp_path))
    answer = only(core, vector(LATER_NS, with_value("sigma_30s", 0.0), clean_ns=0))
    assert answer.reason == ""
    assert len(answer.moves) == 3
