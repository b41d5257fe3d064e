"""Several symbols fitted together, on data with a known answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_data import START_NS, drawn

from research.dataset import Dataset
from research.estimators import LINEAR
from research.fit import choose_features
from research.labels import Floats
from research.pool import stacked
from research.splits import blocks
from research.train import FOLDS, Training, train, train_horizons, train_pooled
from research.walk import AUTO
from research.weights import Pool
from services.features import schema
from shared.errors import BadInput
from shared.units import SECOND

MICRO = 1.0 / 32.0  # a power of two: scaling by it is exact


def weights(training: Training) -> Floats:
    return np.array([row.served.model.regressor_["regress"].coef_ for row in training.horizons])


def cheaper(data: Dataset, symbol: str, by: float = MICRO) -> Dataset:
    """The same market in coins of a 32nd."""
    values = data.values.copy()
    values[:, list(schema.indices(schema.SIGMAS))] *= by
    track = replace(data.track, mid=data.track.mid * by)
    return replace(
        data, symbol=symbol, values=values, mid=data.mid * by, spread=data.spread * by, track=track
    )


def moved(data: Dataset, after_ns: int) -> Dataset:
    """With other prices from a time on."""
    mid = data.track.mid.copy()
    mid[data.track.recv_ns >= after_ns] += np.linspace(
        0.0, 900.0, int((data.track.recv_ns >= after_ns).sum())
    )
    return replace(data, track=replace(data.track, mid=mid))


@pytest.mark.parametrize("model", [*LINEAR, AUTO])
def test_a_symbol_given_twice_has_the_weights_that_it_has_alone(model: str) -> None:
    data = drawn(4000)
    alone = train_horizons(data, model=model, horizons_s=(5,))
    assert alone.horizons[0].served.model is not None
    if model == AUTO:
        assert alone.horizons[0].served.prior_weight < 1.0  # or the fit beside the prior would not be tried
    twice = train_pooled([data, replace(data, symbol="COPYUSDT")], model=model, horizons_s=(5,))
    assert [one.data.symbol for one in twice] == ["BTCUSDT", "COPYUSDT"]
    (row,) = alone.horizons
    for one in twice:
        np.testing.assert_allclose(weights(one), weights(alone), rtol=1e-6, atol=1e-9)
        (pooled,) = one.horizons
        assert pooled.threshold == pytest.approx(row.threshold, rel=1e-6)
        assert (pooled.majority, pooled.reason) == (row.majority, row.reason)
        for mine, its in zip(pooled.scores, row.scores, strict=True):
            assert (mine.name, mine.selection, mine.rows) == (its.name, its.selection, its.rows)
            assert mine.hit_rate == pytest.approx(its.hit_rate, abs=0.002)  # ties at the edge of a selection


def test_what_is_fitted_is_free_of_price_and_what_is_traded_on_is_not() -> None:
    data = drawn(600)
    alone = train_horizons(data, horizons_s=(5,))
    dear, cheap = train_pooled([data, cheaper(data, "ETHUSDT")], horizons_s=(5,))
    np.testing.assert_allclose(weights(dear), weights(alone), rtol=1e-9)
    assert weights(cheap).tolist() == weights(dear).tolist()
    assert dear.horizons[0].threshold == pytest.approx(alone.horizons[0].threshold, rel=1e-9)
    assert cheap.horizons[0].threshold == pytest.approx(MICRO * dear.horizons[0].threshold, rel=1e-9)


@pytest.mark.parametrize("model", ["linear", "ridge"])
def test_a_symbol_with_more_rows_weighs_no_more(model: str) -> None:
    up, down = drawn(400, seed=1, strength=1.0), drawn(2000, seed=2, strength=-1.0, symbol="ETHUSDT")
    features = choose_features("flow", up, down)
    stack = stacked([up, down], 5, features)
    everything = np.ones(len(stack.y), dtype=np.bool_)
    fitted = stack.fit(model, everything)
    at = features.names.index("imbalance_1")
    found = fitted.model.regressor_["regress"].coef_[at]
    ones = [train_horizons(one, model=model, horizons_s=(5,)) for one in (up, down)]
    apart = [weights(one)[0, at] for one in ones]
    # Near their middle: 400 against 2000 rows would have said -2/3 of it.
    assert abs(found) < 0.25 * max(map(abs, apart))
    assert apart[0] > 0.0 > apart[1]


def test_weights_are_equal_by_symbol_under_rows_that_weigh_unequally_besides() -> None:
    up, down = drawn(400, seed=1), drawn(2000, seed=2, symbol="ETHUSDT")
    stack = stacked([up, down], 5, choose_features("flow", up, down))
    uneven = np.random.default_rng(3).uniform(0.1, 9.0, len(stack.y))
    total = Pool(stack.owners, SECOND).weights(uneven) * uneven
    assert total[stack.owners == 0].sum() == pytest.approx(total[stack.owners == 1].sum())
    assert total.mean() == pytest.approx(1.0)


def test_a_symbol_with_a_few_rows_in_a_fold_does_not_weigh_in_it() -> None:
    early = drawn(500, seed=1)
    late = drawn(300, seed=2, symbol="ETHUSDT", start_ns=START_NS + 380 * SECOND)
    stack = stacked([early, late], 5, choose_features("flow", early, late))
    until = {rows: stack.recv_ns < START_NS + (380 + rows) * SECOND for rows in (29, 30)}
    assert np.unique(stack.owners[stack.weighable(until[29])]).tolist() == [0]
    assert stack.weighable(until[30]).tolist() == until[30].tolist()


def test_each_symbol_is_scored_by_its_own_baselines() -> None:
    up, down = drawn(600, seed=1), drawn(600, seed=2, symbol="ETHUSDT")
    both = train_pooled([up, down], model="linear", horizons_s=(5,))
    for one, data in zip(both, (up, down), strict=True):
        alone = train_horizons(data, model="linear", horizons_s=(5,)).horizons[0]
        learned = ("imbalance 1", "imbalance 5", "last return", "microprice", "majority")
        mine = [row for row in one.horizons[0].scores if row.name in learned and row.coverage == 1.0]
        assert mine
        assert mine == [row for row in alone.scores if row.name in learned and row.coverage == 1.0]
        assert one.horizons[0].majority == alone.majority


@pytest.mark.parametrize("later_s", [0, 137])
def test_nothing_after_the_boundary_reaches_a_fit_of_any_symbol(later_s: int) -> None:
    first = drawn(800, seed=1)
    second = drawn(700, seed=2, symbol="ETHUSDT", start_ns=START_NS + later_s * SECOND)
    both = [first, second]
    until_ns = max(one.until_ns for one in both)
    boundary_ns = START_NS + int((until_ns - START_NS) * 0.6)
    fitted, scores = train(["linear", "auto"], both, train_pct=60, period=10)
    again, others = train(
        ["linear", "auto"], [moved(one, boundary_ns) for one in both], train_pct=60, period=10
    )
    for name, one in fitted.items():
        assert (
            one.model.regressor_["regress"].coef_.tolist()
            == again[name].model.regressor_["regress"].coef_.tolist()
        )
    assert list(scores) == ["BTCUSDT", "ETHUSDT"]
    assert scores != others
    # And up to the boundary every label counts.
    earlier = boundary_ns - 30 * SECOND
    other, _ = train(["linear"], [first, moved(second, earlier)], train_pct=60, period=10)
    assert (
        fitted["linear"].model.regressor_["regress"].coef_.tolist()
        != other["linear"].model.regressor_["regress"].coef_.tolist()
    )


@pytest.mark.parametrize("model", ["linear", "ridge", "auto"])
def test_no_fold_is_fitted_on_what_another_symbol_does_in_or_after_its_test(model: str) -> None:
    first = drawn(500, seed=1)
    second = drawn(500, seed=2, symbol="ETHUSDT", start_ns=START_NS + 90 * SECOND)
    features = choose_features("flow", first, second)
    stack = stacked([first, second], 5, features)
    last_ns = blocks(stack.recv_ns, FOLDS + 1)[-1][0]
    assert first.recv_ns[0] < second.recv_ns[0] < last_ns < first.recv_ns[-1]
    plain, late, early = (
        train_pooled([first, one], model=model, horizons_s=(5,))
        for one in (second, moved(second, last_ns), moved(second, last_ns - 30 * SECOND))
    )
    assert late[0].horizons[0].scores == plain[0].horizons[0].scores
    assert late[1].horizons[0].scores != plain[1].horizons[0].scores
    # Scores walking forward do see what came before the last fold.
    assert early[0].horizons[0].scores != plain[0].horizons[0].scores


def test_a_feature_that_is_still_in_one_symbol_is_left_out_of_all() -> None:
    first, second = drawn(300), drawn(300, seed=8, symbol="ETHUSDT")
    values = second.values.copy()
    values[:, list(schema.indices(["imbalance_5"]))] = 0.25
    features = choose_features("flow", first, replace(second, values=values))
    assert features.dropped == ("imbalance_5",)
    assert features == choose_features("flow", replace(first, values=values[:300]))


def test_what_cannot_be_pooled_is_refused() -> None:
    data, other = drawn(300), drawn(300, seed=8, symbol="ETHUSDT")
    with pytest.raises(BadInput, match="seed is in raw units"):
        train_pooled([data, other], "seed", "linear")
    with pytest.raises(BadInput, match="seed is in raw units"):
        train(["linear"], [data, other], 60, 5, feature_set="seed")
    with pytest.raises(BadInput, match="two symbols at least, each once; given: BTCUSDT, BTCUSDT"):
        train_pooled([data, data])
    with pytest.raises(BadInput, match="two symbols at least"):
        train(["linear"], [data], 60, 5)
    with pytest.raises(BadInput, match="same distance in time"):
        train_pooled([data, replace(other, sample_ms=500)])
    with pytest.raises(BadInput, match="ETHUSDT: 20 rows with whole windows"):
        train_pooled([data, drawn(20, symbol="ETHUSDT")])
    with pytest.raises(BadInput, match="ETHUSDT: 25 labelled rows for 15 s"):
        train_pooled([data, drawn(40, symbol="ETHUSDT")])
    late = drawn(300, symbol="ETHUSDT", start_ns=START_NS + 600 * SECOND)
    with pytest.raises(BadInput, match="ETHUSDT: no data in the part of the time"):
        train(["linear"], [data, late], 50, 5)
