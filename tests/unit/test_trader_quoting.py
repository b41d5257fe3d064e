"""What a resting order is worth: the arithmetic, the bound, and the refusal to quote."""

from __future__ import annotations

import math

import msgspec
import pytest

from services.trader.costs import costs_of
from services.trader.fitted import slippage_at, trust_in
from services.trader.quoting import Costs, Standing, best, value_of, values_of
from shared.messages import DepthFlow, Flow, Trust
from shared.settings import load

DEPTH = DepthFlow(
    ticks=2,
    probes=600,
    fills=300,
    predicted=0.6,
    fill_rate=0.5,
    edge_ticks=4.0,
    edge_error=0.5,
    lifetime_s=4.0,
    blocks=60,
    gain_variance=0.09,
    fill_variance=0.0004,
    covariance=0.001,
)
NOW = Standing(side=-1, bid_ticks=10_000, ask_ticks=10_001)
FREE = Costs(maker_fee=0.0, taker_fee=0.0, trust=0.0)


def test_without_costs_the_value_is_fills_times_edge_less_half_a_spread() -> None:
    value = value_of(DEPTH, NOW, FREE)
    assert value.price_ticks == 10_003
    assert value.net_ticks == pytest.approx(0.5 * (4.0 - 0.5))
    assert value.net_ticks_s == pytest.approx(0.5 * 3.5 / 4.0)
    assert value.error_ticks == pytest.approx(math.sqrt(0.09 - 2 * 0.5 * 0.001 + 0.25 * 0.0004))
    assert value.lower_ticks == pytest.approx(value.net_ticks - 1.645 * value.error_ticks)


def test_fees_of_both_legs_are_paid_on_their_prices() -> None:
    value = value_of(DEPTH, NOW, Costs(maker_fee=0.0002, taker_fee=0.0005, slippage_ticks=0.25, trust=0.0))
    assert value.cost_ticks == pytest.approx(0.0002 * 10_003 + 0.0005 * 10_000.5 + 0.5 + 0.25)


def test_leaving_costs_the_spread_that_is_expected_not_the_one_at_hand() -> None:
    costs = Costs(maker_fee=0.0, taker_fee=0.0, spread_ticks=3.0, slippage_ticks=0.25)
    assert value_of(DEPTH, NOW, costs).cost_ticks == pytest.approx(1.5 + 0.25)


def test_slippage_between_the_sizes_told_is_on_the_cautious_side() -> None:
    told = ((1, 0.0), (2, 0.5), (5, 2.0))
    assert [slippage_at(told, lots) for lots in (1, 2, 5)] == [0.0, 0.5, 2.0]
    assert slippage_at(told, 3) == pytest.approx((1.0 + 9.0 / 3.0) / 3.0)
    assert math.isnan(slippage_at(told, 6))  # the books do not hold it: nothing is known
    assert slippage_at((), 6) == 0.0  # an older flow tells none
    # Of a real book: 10 lots at the best price, then 10 a tick. At what lies between it is never too cheap.
    paid = {lots: sum(min(max(lots - 10 * n, 0), 10) * n for n in range(20)) / lots for lots in range(1, 201)}
    grid = tuple((lots, paid[lots]) for lots in (1, 2, 5, 10, 20, 50, 100, 200))
    for lots, ticks in paid.items():
        assert ticks - 1e-9 <= slippage_at(grid, lots) <= ticks + 1.0


def test_a_makers_exit_costs_the_takers_as_often_as_it_is_not_filled() -> None:
    costs = Costs(maker_fee=0.0002, taker_fee=0.0005, leaves_as_maker=True, trust=0.0)
    taker = 0.0005 * 10_000.5 + 0.5
    value = value_of(DEPTH, NOW, costs, exit_rate=0.75)
    assert value.cost_ticks == pytest.approx(2 * 0.0002 * 10_003 + 0.25 * taker)


def test_what_closes_a_position_pays_no_exit() -> None:
    costs = Costs(maker_fee=0.0002, taker_fee=0.0005, trust=0.0, aversion=0.0003)
    closing = value_of(DEPTH, msgspec.structs.replace(NOW, growth=-1.0), costs)
    assert closing.cost_ticks == pytest.approx((0.0002 - 0.0003) * 10_003)
    opening = value_of(DEPTH, NOW, costs)
    assert opening.cost_ticks == pytest.approx(0.0005 * 10_003 + 0.0005 * 10_000.5 + 0.5)


def test_the_settings_aversion_is_basis_points_of_the_price() -> None:
    costs = costs_of(load(maker_fee=0.0, taker_fee=0.0, maker_trust=0.0, maker_aversion=3.0))
    closing = value_of(DEPTH, msgspec.structs.replace(NOW, growth=-1.0), costs)
    assert closing.cost_ticks == pytest.approx(-3e-4 * 10_003)


@pytest.mark.parametrize(("side", "gains"), [(1, True), (-1, False)])
def test_a_predicted_rise_favors_bids(side: int, gains: bool) -> None:
    costs = msgspec.structs.replace(FREE, trust=0.5)
    now = Standing(side, 10_000, 10_001)
    still = value_of(DEPTH, now, costs)
    moved = value_of(DEPTH, msgspec.structs.replace(now, move_ticks=2.0), costs)
    assert moved.net_ticks - still.net_ticks == pytest.approx(0.5 * (1.0 if gains else -1.0))


def test_a_predicted_move_needs_a_trust() -> None:
    moved = msgspec.structs.replace(NOW, move_ticks=2.0)
    with pytest.raises(ValueError, match="trust"):
        value_of(DEPTH, moved, Costs(maker_fee=0.0, taker_fee=0.0))


def trusting(*trusts: Trust) -> Flow:
    return Flow(0, 0, 1, 1, 100, 5_000, 5_000, (), "", trusts)


def test_trust_is_what_was_fitted_of_the_version_and_horizon_that_is_traded() -> None:
    auto = costs_of(load())
    flow = trusting(
        Trust(5, "v1", 600, 120, 0.9, 0.1, 0.9),
        Trust(10, "v1", 600, 60, 1.2, 0.1, 1.0),
        Trust(15, "v1", 90, 6, 0.7, 0.1, math.nan),
    )
    assert trust_in(flow, "v1", 5, auto) == (0.9, "fitted")
    assert trust_in(flow, "v1", 10, auto) == (1.0, "fitted")
    for case in ((flow, "v1", 15), (flow, "v2", 10), (flow, "v1", 20), (None, "v1", 10)):
        assert trust_in(*case, auto) == (0.5, "unproven")
    assert trust_in(flow, "v1", 5, costs_of(load(maker_trust=0.25))) == (0.25, "setting")
    assert trust_in(flow, "v1", 5, costs_of(load(maker_trust=0.0))) == (0.0, "setting")


def test_the_best_is_that_of_most_value_per_second_of_life() -> None:
    slow = msgspec.structs.replace(DEPTH, ticks=5, edge_ticks=5.0, lifetime_s=8.0)
    chosen = best(values_of([DEPTH, slow], NOW, FREE))
    assert chosen is not None
    assert chosen.ticks == 2


@pytest.mark.parametrize(
    "change",
    [{"edge_ticks": 0.4}, {"gain_variance": 4.0}, {"blocks": 9}, {"fills": 9}, {"gain_variance": math.nan}],
)
def test_do_not_quote_unless_the_lower_bound_is_above_zero(change: dict[str, float]) -> None:
    values = values_of([msgspec.structs.replace(DEPTH, **change)], NOW, FREE)
    assert best(values) is None
    shown = best(values, is_demonstration=True)
    assert shown is not None
    assert shown.ticks == 2


def test_a_depth_never_filled_is_worth_nothing_even_in_a_demonstration() -> None:
    never = msgspec.structs.replace(DEPTH, fills=0, fill_rate=0.0, edge_ticks=math.nan)
    assert best(values_of([never], NOW, FREE), is_demonstration=True) is None
