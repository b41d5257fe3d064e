"""Shadows: one entry a second of every version but the one that serves, and the drift once a minute."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from model_data import START_NS, drawn, trained, vector

from research.export import save
from research.train import train_horizons
from services.features import schema
from services.model import artifact
from services.model.artifact import Registry
from services.model.core import ModelCore
from services.model.drift import FEWEST
from services.model.manifest import Horizon, Manifest, Tree, content_version, defect
from services.model.predictor import Predictor
from services.model.shadow_core import ShadowCore, chosen
from shared.errors import BadInput
from shared.messages import Flow, Heartbeat, Prediction, Shadows
from shared.units import MS, SECOND

LATER_NS = START_NS + 3600 * SECOND
FIRST_MS = LATER_NS // MS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("one", "two", "three")):
        trained(made / name, seed=seed)
    return made


@pytest.fixture(scope="module")
def models(folder: Path) -> list[Predictor]:
    return [artifact.load(folder / name) for name in ("one", "two", "three")]


def fed(core: ShadowCore, ms: int) -> list[Shadows]:
    made = core.handle(vector(LATER_NS + ms * MS), f"{FIRST_MS + ms}-0".encode())
    assert all(isinstance(one, Shadows) for one in made)
    return made  # type: ignore[return-value]


def test_the_first_vector_of_a_second_is_predicted_by_all_others(models: list[Predictor]) -> None:
    core = ShadowCore("BTCUSDT", models[0].version)
    core.follow(models)
    (made,) = fed(core, 100)
    assert fed(core, 900) == []
    assert len(fed(core, 1000)) == 1
    assert sorted(one.model for one in made.shadows) == sorted(one.version for one in models[1:])
    for shadow in made.shadows:
        model = next(one for one in models if one.version == shadow.model)
        (alone,) = ModelCore("BTCUSDT", model).handle(vector(LATER_NS + 100 * MS), b"5-0")
        assert isinstance(alone, Prediction)
        assert (alone.moves, alone.thresholds, alone.reason) == (shadow.moves, shadow.thresholds, "")
        assert (alone.recv_ns, alone.bid_ticks, alone.schema) == (made.recv_ns, made.bid_ticks, made.schema)


def test_a_flow_is_passed_over(models: list[Predictor]) -> None:
    core = ShadowCore("BTCUSDT", models[0].version)
    core.follow(models)
    flow = Flow(LATER_NS, LATER_NS, 10**8, 10**6, 100, 5000, 5000, (), "too short")
    assert core.handle(flow, f"{FIRST_MS}-1".encode()) == []
    assert len(fed(core, 100)) == 1


def test_the_one_that_serves_changes_at_an_id(models: list[Predictor]) -> None:
    core = ShadowCore("BTCUSDT", models[0].version)
    core.follow(models)
    core.promote(models[1].version, f"{FIRST_MS + 2000}-0")
    for ms, serving in ((1999, 0), (2000, 1), (3000, 1)):
        (made,) = fed(core, ms)
        assert models[serving].version not in {one.model for one in made.shadows}
        assert len(made.shadows) == 2
    assert core.champion == models[1].version


def test_nothing_is_published_without_shadows_and_refusals_say_why(models: list[Predictor]) -> None:
    core = ShadowCore("BTCUSDT", models[0].version)
    core.follow(models[:1])
    assert fed(core, 0) == []
    core.follow(models[:2])
    (made,) = core.handle(vector(LATER_NS + SECOND, schema="other"), b"6-0")
    assert isinstance(made, Shadows)
    assert made.shadows[0].reason.startswith("schema mismatch")
    assert made.shadows[0].moves == ()
    with pytest.raises(BadInput, match="Heartbeat in the features"):
        core.handle(Heartbeat(0, 0, 0, 0), b"7-0")


def test_drift_comes_once_a_minute_of_the_one_that_serves_too(models: list[Predictor]) -> None:
    core = ShadowCore("BTCUSDT", models[0].version)
    core.follow(models[:1])
    drifts = [row.drift for second in range(FEWEST + 130) for row in fed(core, 1000 * second)]
    assert 2 <= len(drifts) <= 3
    assert {one.model for one in drifts[-1]} == {models[0].version}
    by_name = {one.name: one for one in drifts[-1]}
    assert {"imbalance_1", "sigma", "slow sigma", "residual 5 s"} <= set(by_name)
    assert by_name["sigma"].psi > 1.0  # sigma never moves here
    assert by_name["imbalance_5"].psi < 0.2
    assert by_name["imbalance_5"].rows >= FEWEST


def test_residuals_of_the_default_model_do_not_drift_where_nothing_changed(tmp_path: Path) -> None:
    """They count in units of sigma, in training and here, also where it is calmer than before."""
    fitted, data = drawn(900), drawn(FEWEST + 400, seed=99, start_ns=LATER_NS)
    (slow,) = schema.indices(["sigma_600s"])
    for market in (fitted, data):
        market.values[:, slow] *= 4.0
    one = Predictor(save(train_horizons(fitted, model="auto"), tmp_path))
    core = ShadowCore("BTCUSDT", one.version)
    core.follow([one])
    for at_ns, mid, values in zip(
        data.recv_ns.tolist(), data.mid.tolist(), data.values.tolist(), strict=True
    ):
        bid = round(mid * 10.0)
        core.handle(vector(at_ns, values, bid_ticks=bid, ask_ticks=bid + 1), f"{at_ns // MS}-0".encode())
    found = {name: index for name, index, _ in core._drifts[one.version].indices()}
    residuals = [index for name, index in found.items() if name.startswith("residual")]
    assert len(residuals) == 3
    assert max(residuals) < 0.25


def test_a_gap_voids_the_residuals_it_lies_in(models: list[Predictor]) -> None:
    whole, broken = (ShadowCore("BTCUSDT", models[0].version) for _ in range(2))
    for core in (whole, broken):
        core.follow(models[:1])
    counted = []
    for core, clean_ns in ((whole, 60 * SECOND), (broken, 12 * SECOND)):
        for second in range(FEWEST + 100):
            at_ns = LATER_NS + second * SECOND
            core.handle(vector(at_ns, clean_ns=clean_ns), f"{at_ns // MS}-0".encode())
        counted.append({name for name, _, _ in core._drifts[models[0].version].indices()})
    assert {"residual 5 s", "residual 10 s", "residual 15 s"} <= counted[0]
    assert "residual 15 s" not in counted[1]


def test_the_newest_versions_are_followed(folder: Path, models: list[Predictor], tmp_path: Path) -> None:
    registry = Registry(folder)
    found, defects = registry.shadows("BTCUSDT", 2)
    assert (len(found), defects) == (2, [])
    assert registry.shadows("ETHUSDT", 2) == ([], [])
    assert len(chosen(models, models[0], 1)) == 2
    assert len(chosen(models, None, 2)) == 2
    before = registry.signature()
    extra = folder / "extra"
    try:
        trained(extra, seed=9)
        assert registry.signature() != before
        (extra / "manifest.json").write_text((extra / "manifest.json").read_text().replace("linear", "bent"))
        found, defects = registry.shadows("BTCUSDT", 9)
        assert len(found) == 3
        assert len(defects) == 1
        assert "does not hash" in defects[0]
    finally:
        for path in extra.iterdir():
            path.unlink()
        extra.rmdir()


def forest(manifest: Manifest, *trees: Tree) -> Manifest:
    rows = [
        msgspec.structs.replace(row, kind="boosting", low=(), high=(), weights=(), offset=0.5, trees=trees)
        for row in manifest.horizons
    ]
    made = msgspec.structs.replace(manifest, horizons=tuple(rows))
    return msgspec.structs.replace(made, version=content_version(made))


STUMP = Tree((0, -1, -1), (0.0, 0.0, 0.0), (1, 0, 0), (2, 0, 0), (0.0, -1.0, 1.0))


def test_trees_are_walked_and_never_serve(folder: Path, tmp_path: Path, models: list[Predictor]) -> None:
    manifest = forest(models[0].manifest, STUMP, STUMP)
    assert defect(manifest) == ""
    one = Predictor(manifest)
    row: Horizon = manifest.horizons[0]
    values = [-0.25] * manifest.vector_size
    assert row.is_scaled
    for index in manifest.scaled_by:
        values[index] = 2.0
    assert one.moves(values)[0] == pytest.approx(2.0 * 5**0.5 * (0.5 - 2.0))
    values[manifest.indices[0]] = 0.1
    assert one.moves(values)[0] == pytest.approx(2.0 * 5**0.5 * (0.5 + 2.0))
    values[manifest.indices[1]] = float("nan")
    asked = vector(LATER_NS, values)
    assert one.predict("BTCUSDT", asked, values) == ((), f"{manifest.names[1]} is not finite")
    place = tmp_path / "trees"
    place.mkdir()
    (place / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    (place / manifest.joblib_file).write_bytes((folder / "one" / manifest.joblib_file).read_bytes())
    with pytest.raises(BadInput, match="can only be a shadow"):
        Registry(tmp_path).default("BTCUSDT")


@pytest.mark.parametrize(
    "tree",
    [
        Tree((), (), (), (), ()),
        Tree((0, -1), (0.0, 0.0), (1, 0), (2, 0), (0.0, 1.0)),  # a child that is not there
        Tree((0, -1, -1), (0.0, 0.0, 0.0), (0, 0, 0), (2, 0, 0), (0.0, 1.0, 2.0)),  # back to the root
        Tree((99, -1, -1), (0.0, 0.0, 0.0), (1, 0, 0), (2, 0, 0), (0.0, 1.0, 2.0)),  # no such feature
        Tree((0, -1, -1), (0.0, 0.0, 0.0), (1, 0, 0), (2, 0, 0), (0.0, 1.0, float("inf"))),
    ],
)
def test_a_tree_that_leads_nowhere_is_a_defect(tree: Tree, models: list[Predictor]) -> None:
    assert "leads nowhere" in defect(forest(models[0].manifest, tree))
