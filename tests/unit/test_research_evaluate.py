"""A model judged on what it did not see: which rows count, what is refused, what stands beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_data import START_NS, drawn, trained

from research.dataset import Dataset
from research.evaluate import Judged, evaluate
from research.export import save
from research.forecast import CHALLENGER, load
from research.microprice import STATES
from research.simulate import simulate
from research.train import train_horizons
from services.features import schema
from services.model import artifact
from shared.errors import BadInput, BadSetting
from shared.units import SECOND

LATER_NS = START_NS + 10_000 * SECOND


def rows_by_horizon(judged: Judged) -> dict[int, int]:
    return {row.horizon_s: row.rows for row in judged.scores}


def test_rows_that_were_fitted_on_are_left_out(tmp_path: Path) -> None:
    data = drawn(800)
    save(train_horizons(data.part(0.25, 0.5)), tmp_path)
    judged = evaluate(load(tmp_path), data)
    # 200 rows before, less the horizon and the 6 s of the longest window; 400 after, less the horizon.
    assert rows_by_horizon(judged) == {h: (200 - h - 6) + (400 - h) for h in (5, 10, 15)}
    assert "are left out" in judged.warnings[0]


def test_nothing_but_the_training_data_is_refused(tmp_path: Path) -> None:
    data = drawn(800)
    save(train_horizons(data), tmp_path)
    with pytest.raises(BadInput, match=r"rows lie in the time that model .* was fitted on"):
        evaluate(load(tmp_path), data)


def test_the_baselines_know_what_the_training_data_taught_them(tmp_path: Path) -> None:
    manifest = trained(tmp_path)
    assert len(manifest.microprice) == STATES
    judged = evaluate(load(tmp_path), drawn(600, seed=9, start_ns=LATER_NS))
    full = {row.name: row for row in judged.scores if (row.horizon_s, row.selection) == (5, "100 %")}
    assert list(full) == ["linear", "imbalance 1", "imbalance 5", "last return", "microprice", "majority"]
    assert full["microprice"].coverage > 0.5  # a state that never changed has no estimate
    assert full["majority"].coverage == 1.0
    assert full["majority"].skill == pytest.approx(0.0)
    # The imbalance moves these data, so the model and its nearest relative are better than chance.
    null = judged.nulls[5, "100 %"]
    assert null.p_value < 0.02
    assert null.center == pytest.approx(0.5, abs=0.05)
    # Shifts farther than horizon, latency and the longest window from both ends.
    assert null.shifts == 595 - 2 * 12 + 1


def test_each_model_is_held_against_each_baseline_at_its_own_coverage(tmp_path: Path) -> None:
    trained(tmp_path)
    judged = evaluate(load(tmp_path), drawn(600, seed=9, start_ns=LATER_NS), threshold=3.0)
    assert len(judged.pairs) == 3 * 4 * 5
    rates = {(row.horizon_s, row.selection, row.name): row.hit_rate for row in judged.scores}
    for pair in judged.pairs:
        key = (pair.horizon_s, pair.selection)
        expected = rates[*key, pair.name] - rates[*key, pair.against]
        assert pair.difference == pytest.approx(expected)
        assert pair.low <= pair.difference <= pair.high


def test_the_folded_model_and_its_pipelines_judge_alike(tmp_path: Path) -> None:
    training = train_horizons(drawn(400))
    save(training, tmp_path)
    data = drawn(300, seed=3, start_ns=LATER_NS)
    served = load(tmp_path)
    for row in training.horizons:
        np.testing.assert_allclose(
            served.moves(data, row.horizon_s), row.served.moves(data, row.horizon_s), rtol=1e-9, atol=1e-9
        )


def test_rows_without_whole_windows_get_no_prediction(tmp_path: Path) -> None:
    trained(tmp_path)
    data = drawn(300, seed=3, start_ns=LATER_NS)
    clean_ns = data.clean_ns.copy()
    clean_ns[100:110] = SECOND
    judged = load(tmp_path).moves(replace(data, clean_ns=clean_ns), 5)
    assert np.flatnonzero(np.isnan(judged)).tolist() == list(range(100, 110))


def test_nothing_is_predicted_of_the_training_time_nor_of_another_symbol(tmp_path: Path) -> None:
    data = drawn(400)
    save(train_horizons(data.part(0.0, 0.5), model="prior"), tmp_path)
    model = load(tmp_path)
    assert np.flatnonzero(np.isfinite(model.moves(data, 5))).tolist() == list(range(200, 400))
    with pytest.raises(BadInput, match="the model predicts on none of"):
        simulate(model, data.part(0.0, 0.4), period=5)
    with pytest.raises(BadInput, match="the model is of BTCUSDT, the data of ETHUSDT"):
        simulate(model, drawn(400, symbol="ETHUSDT", start_ns=LATER_NS), period=5)


def test_trees_are_evaluated_and_never_serve(tmp_path: Path) -> None:
    training = train_horizons(drawn(500), model="boosting", horizons_s=(5,))
    manifest = save(training, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHALLENGER, manifest.joblib_file]
    with pytest.raises(BadSetting, match="holds no manifest"):
        artifact.Registry(tmp_path).default("BTCUSDT")
    model = load(tmp_path)
    data = drawn(500, seed=9, start_ns=LATER_NS)
    # Walked node by node as scikit-learn predicts, on values that no threshold was made for and on those that
    # one was.
    for asked in (data, drawn(500, start_ns=LATER_NS)):
        np.testing.assert_allclose(
            model.moves(asked, 5), training.horizons[0].served.moves(asked, 5), rtol=1e-9, atol=1e-12
        )
    best = next(row for row in evaluate(model, data).scores if row.selection == "100 %")
    assert best.skill > 0.2
    with pytest.raises(BadInput, match="no model for 10 s; it has 5 s"):
        model.moves(data, 10)
    # A linear model written over it takes its place.
    trained(tmp_path)
    assert not (tmp_path / CHALLENGER).exists()
    assert load(tmp_path).manifest.is_linear


def test_trees_turn_round_with_the_market(tmp_path: Path) -> None:
    save(train_horizons(drawn(500), model="boosting", horizons_s=(5,)), tmp_path)
    data = drawn(300, seed=9, start_ns=LATER_NS)
    mirrored = -data.values
    sigmas = list(schema.indices(schema.SIGMAS))
    mirrored[:, sigmas] = data.values[:, sigmas]
    there, back = (load(tmp_path).moves(one, 5) for one in (data, replace(data, values=mirrored)))
    np.testing.assert_allclose(there, -back, rtol=1e-9, atol=1e-12)


def test_a_damaged_joblib_file_is_refused(tmp_path: Path) -> None:
    manifest = trained(tmp_path)
    path = tmp_path / manifest.joblib_file
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(BadInput, match="its sha256 is not the one"):
        load(tmp_path)


def later(rows: int = 600) -> Dataset:
    return drawn(rows, seed=9, start_ns=LATER_NS)


def unmoved() -> Dataset:
    data = later()
    return replace(data, track=replace(data.track, mid=np.full(len(data.track.mid), 60_000.0)))


def still() -> Dataset:
    data = later()
    values = data.values.copy()
    values[:, list(schema.indices(["imbalance_1"]))] = 0.25
    return replace(data, values=values)


def full_of_gaps() -> Dataset:
    data = later()
    breaks_ns = data.recv_ns[::2].copy()
    return replace(
        data,
        clean_ns=np.zeros_like(data.clean_ns),
        track=replace(data.track, breaks_ns=breaks_ns),
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: drawn(symbol="ETHUSDT"), "the model is of BTCUSDT, the data of ETHUSDT"),
        (lambda: replace(later(), schema="other"), "of feature schema .*, the data of other"),
        (lambda: later(40), "rows with a label for 15 s; judging needs 30"),
        (lambda: later(20), "the data have 20 rows"),
        (full_of_gaps, "on 0 rows all windows of 6 s are whole.*there are 300 gaps in 600 rows"),
        (unmoved, "the mid price never moves in the data"),
        (still, "imbalance_1 never varies in the data, and the model uses it"),
    ],
)
def test_what_is_refused(tmp_path: Path, make: object, text: str) -> None:
    trained(tmp_path)
    with pytest.raises(BadInput, match=text):
        evaluate(load(tmp_path), make())  # type: ignore[operator]


def test_a_tape_without_trades_is_said_and_judged(tmp_path: Path) -> None:
    trained(tmp_path)
    data = later()
    values = data.values.copy()
    values[:, list(schema.indices(["trades_5s"]))] = 0.0
    judged = evaluate(load(tmp_path), replace(data, values=values))
    assert any("the data hold no trades" in warning for warning in judged.warnings)
    assert judged.scores


def one_sided(side: float, rows: int = 600) -> Dataset:
    data = later()
    values = data.values.copy()
    values[:, [schema.NAMES.index(name) for name in schema.NAMES if name.startswith("trades_")]] = 0.0
    values[:rows, schema.indices(["trades_30s"])] = side
    return replace(data, values=values)


@pytest.mark.parametrize(("side", "did"), [(1.0, "bought"), (-1.0, "sold")])
def test_a_one_sided_tape_is_refused(tmp_path: Path, side: float, did: str) -> None:
    trained(tmp_path)
    with pytest.raises(BadInput, match=f"takers only {did}: a one-sided tape"):
        evaluate(load(tmp_path), one_sided(side))
    with pytest.raises(BadInput, match=f"takers only {did}: a one-sided tape"):
        train_horizons(one_sided(side))


def test_few_trades_of_one_side_are_no_reason(tmp_path: Path) -> None:
    trained(tmp_path)
    assert evaluate(load(tmp_path), one_sided(1.0, rows=20)).scores
    assert evaluate(load(tmp_path), replace(one_sided(1.0), trades=5)).scores


def test_a_book_that_is_lost_after_a_gap_is_said(tmp_path: Path) -> None:
    trained(tmp_path)
    data = later()
    half = np.arange(len(data.recv_ns)) < 300
    lost = replace(data.rows(half), track=replace(data.track, breaks_ns=data.recv_ns[300:301]))
    assert any("a book is known at 300 of 599" in one for one in evaluate(load(tmp_path), lost).warnings)
    assert evaluate(load(tmp_path), data).warnings == []
