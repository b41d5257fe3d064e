"""The article's formulas, against the answers it prints and those that follow from them by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from research.flow.arrivals import counts_of
from research.flow.durations import duration_of
from research.flow.shocks import changes_of, lots_a_tick, shocks_of
from services.features.flow import impact, law
from services.features.flow.fit import side_of
from services.features.flow.law import ARTICLE, PLAIN, SizeLaw
from services.features.flow.optimum import closed_form, optimum_of
from services.features.flow.orders import Tape, orders_of
from services.features.flow.probe import COLUMNS, Setup
from services.features.flow.windows import unseen, windows_of
from shared.errors import BadInput

ARTICLE_SLOPE, ARTICLE_INTERCEPT = 1.0 / 2e6, -0.000352


def tape(rows: list[tuple[int, int, int, int]]) -> Tape:
    """From (ms, ticks, lots, side) rows."""
    return Tape(*np.array(rows, np.int64).T.copy())


def test_the_bracket_is_2_05_at_the_mean() -> None:
    ones = np.array([1.0])
    assert law.bracket(ones)[0] == pytest.approx(2.05, abs=1e-15)
    assert law.bracket(ones, PLAIN)[0] == 2.0


@pytest.mark.parametrize("form", [ARTICLE, PLAIN])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
def test_the_law_gives_back_the_share_above_the_mean(form: str, share: float) -> None:
    found = SizeLaw(1000.0, law.alpha_of(share, form), form)
    assert found.survival(np.array([1000.0]))[0] == pytest.approx(share)
    assert found.survival(np.array([-1.0, 0.0])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("form", [ARTICLE, PLAIN])
def test_the_density_is_the_slope_of_the_survival(form: str) -> None:
    found = SizeLaw(50.0, -2.3, form)
    at = np.array([0.5, 3.0, 50.0, 400.0])
    step = 1e-4
    slope = (found.survival(at - step) - found.survival(at + step)) / (2.0 * step)
    assert np.exp(found.log_density(at)) == pytest.approx(slope, rel=1e-6)


def test_a_law_of_windows_shrinks_that_of_orders() -> None:
    found = SizeLaw(10.0, -2.0)
    assert found.survival(np.array([40.0]), scale=0.25)[0] == found.survival(np.array([10.0]))[0]


@pytest.mark.parametrize(
    ("share", "quantity"), [(0.20, 2100), (0.22, 2260), (0.25, 2550), (0.28, 2910), (0.30, 3220)]
)
def test_the_articles_optimum(share: float, quantity: int) -> None:
    found = optimum_of(SizeLaw(1000.0, law.alpha_of(share)), ARTICLE_SLOPE, ARTICLE_INTERCEPT)
    assert found.answer == "optimum"
    assert round(found.quantity, -1) == quantity
    assert found.break_even == pytest.approx(704.0)


def test_the_optimum_is_where_nothing_near_it_gains_more() -> None:
    found = SizeLaw(1000.0, law.alpha_of(0.25))
    best = optimum_of(found, ARTICLE_SLOPE, ARTICLE_INTERCEPT)
    around = np.linspace(0.0, 15_000.0, 15_001)  # as the article draws it, but finer
    gains = found.survival(around) * (ARTICLE_SLOPE * around + ARTICLE_INTERCEPT)
    assert abs(around[int(np.argmax(gains))] - best.quantity) <= 1.0
    assert best.gain == pytest.approx(gains.max(), rel=1e-6)


def test_the_closed_form_agrees_with_the_search() -> None:
    plain = SizeLaw(1000.0, -2.2, PLAIN)
    found = optimum_of(plain, ARTICLE_SLOPE, ARTICLE_INTERCEPT)
    assert found.quantity == closed_form(plain, ARTICLE_SLOPE, ARTICLE_INTERCEPT)
    around = np.linspace(0.0, 20_000.0, 20_001)
    gains = plain.survival(around) * (ARTICLE_SLOPE * around + ARTICLE_INTERCEPT)
    assert abs(around[int(np.argmax(gains))] - found.quantity) <= 1.0


@pytest.mark.parametrize("form", [ARTICLE, PLAIN])
@pytest.mark.parametrize(
    ("alpha", "slope", "intercept", "answer"),
    [
        (-2.0, 1e-6, 0.001, "no interior optimum"),  # as on the BTC recording: volume moves the price at once
        (-1.0, 1e-6, -0.001, "unbounded"),
        (-0.5, 1e-6, 0.001, "unbounded"),
        (-2.0, 0.0, 0.001, "no impact"),
        (-2.0, -1e-6, 0.001, "no impact"),
    ],
)
def test_no_optimum_is_an_answer(
    form: str, alpha: float, slope: float, intercept: float, answer: str
) -> None:
    found = optimum_of(SizeLaw(1000.0, alpha, form), slope, intercept)
    assert found.answer == answer
    assert math.isnan(found.quantity)


def test_orders_are_rows_of_one_side_and_time() -> None:
    rows = [(5, 100, 2, 1), (5, 101, 3, 1), (5, 99, 7, -1), (6, 101, 1, 1), (9, 98, 4, -1), (9, 96, 5, -1)]
    buys, sells = orders_of(tape(rows), 1), orders_of(tape(rows), -1)
    assert buys.sizes_lots.tolist() == [5, 1]
    assert buys.shocks_ticks.tolist() == [1, 0]
    assert sells.times_ms.tolist() == [5, 9]
    assert (sells.last_ticks - sells.first_ticks).tolist() == [0, 2]  # down is the sellers' way
    assert sells.rows.tolist() == [1, 2]
    assert buys.between(6, 7).sizes_lots.tolist() == [1]


def test_windows_without_trades_are_left_out_and_counted() -> None:
    rows = [(1_000, 100, 2, 1), (1_900, 103, 3, 1), (4_000, 103, 7, 1), (4_500, 102, 1, 1)]
    windows = windows_of(orders_of(tape(rows), 1), 1.0)
    assert windows.volumes_lots.tolist() == [5, 8]
    assert windows.changes_ticks.tolist() == [3, -1]
    assert (windows.spanned, windows.filled_share) == (4, 0.5)


def test_a_side_that_seldom_trades_is_watched_as_long_as_the_tape() -> None:
    rows = [(500, 100, 2, -1), (50_000, 100, 3, 1), (50_900, 103, 3, 1), (99_999, 100, 1, -1)]
    buys = orders_of(tape(rows), 1)
    windows = windows_of(buys, 1.0)
    assert (windows.filled_share, windows.chance) == (1.0, 0.01)
    assert windows_of(buys.between(40_000, 60_000), 1.0).chance == 1 / 21
    setup = Setup()
    records, books = np.zeros((0, COLUMNS), np.int64), np.zeros((0, 80), np.int64)
    assert side_of(buys, records, books, -1, (0,), setup).life_share == 0.05


def test_windows_inside_a_hole_are_not_empty_but_unknown() -> None:
    rows = [(1_000, 100, 2, 1), (1_900, 103, 3, 1), (4_000, 103, 7, 1), (9_500, 102, 1, 1)]
    holes = np.array([[4_200, 7_900]], np.int64)  # from within second 4 until within second 7
    orders = orders_of(tape(rows)._replace(holes_ms=holes), 1)
    assert windows_of(orders, 1.0).spanned == 9 - 2  # seconds 5 and 6
    assert orders.intervals_ms.tolist() == [900, 2_100]
    assert orders.seen_ms.tolist() == [1_000, 1_900, 4_000, 5_800]
    assert orders.between(1_500, 5_000).holes_ms is holes
    assert counts_of(orders.times_ms, 1.0, unseen(orders, 1_000)).tolist() == [0, 0, 1, 0, 0]


def test_impact_has_both_centers_and_they_move_the_intercept_by_half_a_step() -> None:
    # One window a second, volumes and moves on the article's line, in units of 1e-6 so that ticks are whole.
    rows = []
    for second, volume in enumerate(range(50, 3_000, 100)):
        change = round(volume / 2 - 352)
        rows += [(second * 1_000, 0, volume - 1, 1), (second * 1_000 + 500, change, 1, 1)]
    groups = impact.groups_of(windows_of(orders_of(tape(rows), 1), 1.0), 100)
    code, table = impact.line_of(groups), impact.line_of(groups, impact.TABLE)
    assert code is not None
    assert table is not None
    assert code.slope == table.slope == pytest.approx(0.5, abs=1e-3)
    assert code.intercept == pytest.approx(-352.0, abs=1.0)
    assert code.intercept - table.intercept == pytest.approx(25.0, abs=0.1)
    assert code.r2 == pytest.approx(1.0, abs=1e-4)


def test_two_groups_make_no_line() -> None:
    rows = [(0, 0, 10, 1), (1, 5, 10, 1), (1_000, 5, 150, 1), (1_001, 9, 50, 1)]
    assert impact.line_of(impact.groups_of(windows_of(orders_of(tape(rows), 1), 1.0), 100)) is None


def test_shocks_and_changes_are_counted_as_in_the_article() -> None:
    rows = []
    for place in range(40):
        rows += [(place * 2_000, 100, 1, 1), (place * 2_000 + 1, 100, 1, 1), (place * 2_000 + 1, 103, 5, 1)]
    orders = orders_of(tape(rows), 1)
    shocks = shocks_of(orders)
    assert [(row.ticks, row.times, row.share, row.mean_lots) for row in shocks] == [
        (0, 40, 0.5, 1.0),
        (3, 40, 0.5, 6.0),
    ]
    (change,) = changes_of(windows_of(orders, 2.0))
    assert (change.ticks, change.times, change.mean_lots) == (3, 40, 7.0)
    sizes = orders.sizes_lots
    assert math.isnan(lots_a_tick(orders.shocks_ticks, sizes, 10))  # one distance makes no slope
    seldom = orders.shocks_ticks.copy()
    seldom[np.flatnonzero(seldom)[:4]] = 1  # too rare for the table, not for the mean sizes
    sizes[seldom == 1] = 2
    assert lots_a_tick(seldom, sizes, 10) == pytest.approx((6.0 - 2.0) / (3 - 1))
    assert math.isnan(lots_a_tick(seldom, sizes, 3))


def test_derived_duration_makes_the_means_agree() -> None:
    draws = np.random.default_rng(3)
    times = np.cumsum(draws.exponential(700.0, 4_000)).astype(np.int64) + 1
    orders = orders_of(tape([(int(at), 100, int(size), 1) for at, size in zip(
        np.unique(times), draws.pareto(3.0, 4_000) * 100 + 1, strict=False)]), 1)  # fmt: skip
    found = duration_of(orders, law.fit(orders.sizes_lots), 2.0)
    windows = windows_of(orders, 2.0)
    span_ms = int(orders.times_ms[-1] - orders.times_ms[0])
    interval_ms = span_ms / (len(orders.times_ms) - 1)
    scaled_mean = orders.sizes_lots.mean() * found.derived_ms / interval_ms
    assert scaled_mean == pytest.approx(windows.volumes_lots.mean(), rel=2e-3)
    assert found.fitted_distance <= found.derived_distance


@pytest.mark.parametrize(("sizes", "why"), [([], "none"), ([5, 5, 5], "the same")])
def test_a_constant_size_has_no_law(sizes: list[int], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        law.fit(np.array(sizes, np.int64))
