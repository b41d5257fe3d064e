"""The folded model is the pipeline: to 1e-9, whatever the data and wherever the vector lies."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.estimators import LINEAR, PRIORS, Believed, estimator
from research.export import folded
from services.model.fold import Fold
from services.model.manifest import NO_BOUND, Horizon
from services.model.straight import Line, straight


def fold_of(model: object, is_scaled: bool, horizon_s: int, width: int) -> Fold:
    low, high, weights, offset = folded(model, is_scaled)
    bounds = (tuple(low.tolist()), tuple(high.tolist()))
    horizon = described(horizon_s, *bounds, tuple(weights.tolist()), offset, is_scaled)
    return Fold(powered(horizon, model), range(width))


def line_of(model: object, is_scaled: bool, horizon_s: int, width: int) -> Line:
    low, high, weights, offset = folded(model, is_scaled)
    bounds = (tuple(low.tolist()), tuple(high.tolist()))
    horizon = described(horizon_s, *bounds, tuple(weights.tolist()), offset, is_scaled)
    return straight([powered(horizon, model)], range(width))


def powered(horizon: Horizon, model: object) -> Horizon:
    power = getattr(model, "power", 1.0)
    return msgspec.structs.replace(horizon, sigma_power=power, slow_power=1.0 - power)


def described(
    horizon_s: int,
    low: tuple[float, ...],
    high: tuple[float, ...],
    weights: tuple[float, ...],
    offset: float,
    is_scaled: bool,
) -> Horizon:
    return Horizon(
        horizon_s=horizon_s,
        kind="linear",
        reason="",
        alpha=None,
        low=low,
        high=high,
        weights=weights,
        offset=offset,
        is_scaled=is_scaled,
        threshold=None,
        scores=(),
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 12),
    magnitude=st.integers(-3, 4),
    horizon_s=st.sampled_from([1, 5, 10, 15]),
    kind=st.sampled_from(LINEAR),
    is_raw=st.booleans(),
    prior_weight=st.sampled_from([0.0, 0.25, 1.0]),
)
@settings(max_examples=150, deadline=None)
def test_the_fold_equals_the_pipeline(
    seed: int, width: int, magnitude: int, horizon_s: int, kind: str, is_raw: bool, prior_weight: float
) -> None:
    is_scaled = kind in PRIORS or not is_raw
    draw = np.random.default_rng(seed)
    rows = 3 * width + 20
    X = draw.normal(draw.normal(size=width), 10.0**magnitude, (rows, width))
    sigmas = draw.uniform(0.1, 30.0, (rows, 2))
    y = sigmas[:, 0] * (X @ draw.normal(size=width) / 10.0**magnitude + draw.normal(size=rows))
    design = np.column_stack([X, sigmas]) if is_scaled else X
    directions = tuple(draw.choice([-1.0, 0.0, 2.0], width).tolist())
    believed = Believed(directions, 20.0, prior_weight) if kind in PRIORS else None
    model = estimator(kind, horizon_s, is_scaled, 0.05, believed).fit(design, y)
    fold = fold_of(model, is_scaled, horizon_s, width)
    # Asked beyond what was seen, where clipping bites.
    beyond = design * draw.uniform(-3.0, 3.0, design.shape)
    asked = np.vstack([beyond, design])
    if is_scaled:
        asked[:, -2:] = np.abs(asked[:, -2:]) + 1e-3
    expected = model.predict(asked)
    both = asked[:, -2:] if is_scaled else np.zeros((len(asked), 2))
    vectors = list(zip(asked[:, :width].tolist(), both.tolist(), strict=True))
    line = line_of(model, is_scaled, horizon_s, width)
    lined = [line(values, *pair) for values, pair in vectors]
    assert None not in lined[rows:]  # inside of what training saw, the straight line answers
    for move, wanted in zip(lined, expected, strict=True):
        if move is not None:
            np.testing.assert_allclose(
                move[0], wanted, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(expected).max())
            )
    moves = [fold.move(values, *pair) for values, pair in vectors]
    np.testing.assert_allclose(moves, expected, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(expected).max()))


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(LINEAR))
@settings(max_examples=60, deadline=None)
def test_a_mirrored_book_gives_the_mirrored_prediction(seed: int, kind: str) -> None:
    draw = np.random.default_rng(seed)
    design = np.column_stack([draw.uniform(-1, 1, (60, 5)), draw.uniform(0.5, 5.0, (60, 2))])
    believed = Believed((2.0, 1.0, 1.0, -1.0, 0.0), 20.0, 0.5) if kind in PRIORS else None
    model = estimator(kind, 5, True, 0.05, believed).fit(design, draw.normal(size=60))
    fold = fold_of(model, True, 5, 5)
    values = draw.uniform(-2.0, 2.0, 5)
    assert fold.move(values.tolist(), 1.5, 2.5) == -fold.move((-values).tolist(), 1.5, 2.5)


@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(LINEAR),
    factor=st.sampled_from([1e-3, 0.1, 10.0, 1e4]) | st.floats(1e-4, 1e4),
)
@settings(max_examples=100, deadline=None)
def test_moves_grow_with_the_market(seed: int, kind: str, factor: float) -> None:
    """Prices in another unit, or a market as many times as wild: fitted there or here, moves grow as much."""
    draw = np.random.default_rng(seed)
    X, sigmas, y = draw.uniform(-1, 1, (60, 5)), draw.uniform(0.5, 5.0, (60, 2)), draw.normal(size=60)
    believed = Believed((2.0, 1.0, 1.0, -1.0, 0.0), 20.0, 0.5) if kind in PRIORS else None
    here, there = (
        estimator(kind, 5, True, 0.05, believed).fit(np.column_stack([X, times * sigmas]), times * y)
        for times in (1.0, factor)
    )
    inside = X[0].tolist()
    sigma, slow = sigmas[0].tolist()
    served = [fold_of(here, True, 5, 5).move, fold_of(there, True, 5, 5).move]
    served += [line_of(model, True, 5, 5) for model in (here, there)]
    moves = [float(np.squeeze(move(inside, sigma, slow))) for move in served]
    for move, small in zip(served, moves, strict=True):
        large = float(np.squeeze(move(inside, factor * sigma, factor * slow)))
        assert large == pytest.approx(factor * small, rel=1e-12)
        # By a power of two nothing is rounded at all.
        assert float(np.squeeze(move(inside, 1024.0 * sigma, 1024.0 * slow))) == 1024.0 * small
    assert moves == pytest.approx([moves[0]] * 4, rel=1e-9, abs=1e-12)


def test_a_model_without_a_slow_sigma_is_read_as_it_was_written() -> None:
    old = msgspec.structs.replace(described(5, (-1.0,), (1.0,), (0.5,), 0.0, True), sigma_power=-0.5)
    expected = 0.5 * 0.25 * 5.0**0.5 / 4.0**0.5
    assert Fold(old, [0]).move([0.25], 4.0, 0.0) == pytest.approx(expected, rel=1e-15)
    assert straight([old], [0])([0.25], 4.0, 0.0) == pytest.approx((expected,), rel=1e-15)


def test_the_sum_does_not_depend_on_its_order() -> None:
    draw = np.random.default_rng(3)
    weights, values = draw.normal(size=25) * 10.0 ** draw.integers(-8, 8, 25), draw.normal(size=25)
    low, high = (-NO_BOUND,) * 25, (NO_BOUND,) * 25
    answers = set()
    for _ in range(20):
        order = draw.permutation(25)
        horizon = described(5, low, high, tuple(weights[order].tolist()), 0.1, False)
        answers.add(Fold(horizon, order.tolist()).move(values.tolist(), 0.0, 0.0))
    assert len(answers) == 1
    assert answers.pop() == pytest.approx(0.1 + float(weights @ values))


@given(
    bad=st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    place=st.integers(0, 4),
    bound=st.sampled_from([1.0, NO_BOUND]),
    weights=st.lists(st.sampled_from([0.0, 0.5, -2.0]), min_size=10, max_size=10),
)
def test_the_straight_line_gives_no_move_for_a_value_that_is_not_finite(
    bad: float, place: int, bound: float, weights: list[float]
) -> None:
    bounds = ((-bound,) * 5, (bound,) * 5)
    rows = [
        described(5, *bounds, tuple(weights[:5]), 0.0, True),
        described(10, *bounds, tuple(weights[5:]), 0.1, False),
    ]
    line = straight(rows, range(5))
    values = [0.5] * 5
    assert line(values, 2.0, 2.0) is not None
    values[place] = bad
    assert line(values, 2.0, 2.0) is None


def test_a_horizon_without_model_is_not_a_number() -> None:
    none = msgspec.structs.replace(described(5, (), (), (), 0.0, True), kind="")
    one = described(10, (-1.0,), (1.0,), (0.5,), 0.25, False)
    answer = straight([none, one], [1])([9.0, 0.5], 2.0, 2.0)
    assert answer is not None
    assert np.isnan(answer[0])
    assert answer[1] == 0.5
    assert straight([none, one], [1])([9.0, 1.5], 2.0, 2.0) is None  # to be clipped
    only = straight([none], [])([9.0], 2.0, 2.0)
    assert only is not None
    assert np.isnan(only[0])
