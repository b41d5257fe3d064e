"""What the newest flow has fitted, put in the place of settings that are to follow it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from services.trader.quoting import Costs
from services.trader.strategy import Plan
from shared.messages import Flow, Prediction

UNPROVEN_TRUST = 0.5  # the middle of what it can be, until there is evidence
SETTING, FITTED, UNPROVEN = "setting", "fitted", "unproven"


def trust_in(flow: Flow | None, model: str, period_s: int, costs: Costs) -> tuple[float, str]:
    """lambda for what `model` foretells at `period_s`, and where it is from. What was fitted of another
    version, or of too little, says nothing."""
    if costs.trust is not None:
        return costs.trust, SETTING
    for each in flow.trusts if flow else ():
        if (each.horizon_s, each.model) == (period_s, model) and math.isfinite(each.trust):
            return each.trust, FITTED
    return UNPROVEN_TRUST, UNPROVEN


def slippage_at(slippages: Sequence[tuple[int, float]], lots: int) -> float:
    """What a taker of `lots` pays beyond the best price, in ticks, between the sizes that are told: the whole
    payment is convex in the size, so a straight line errs to the cautious side. NaN beyond the largest; 0 of
    a flow that tells none.

    >>> slippage_at(((1, 0.0), (2, 0.5), (5, 2.0)), 4)
    1.75
    """
    if not slippages:
        return 0.0
    sizes = [size for size, _ in slippages]
    place = bisect_left(sizes, lots)
    if place == len(sizes):
        return math.nan
    size, ticks = slippages[place]
    if place == 0 or size == lots:
        return ticks
    before, paid = slippages[place - 1][0], slippages[place - 1][0] * slippages[place - 1][1]
    return (paid + (size * ticks - paid) * (lots - before) / (size - before)) / lots


def as_fitted(costs: Costs, flow: Flow | None, model: str, plan: Plan, side: int) -> Costs:
    """The costs of a quote of `side` decided now."""
    trust, _ = trust_in(flow, model, plan.period_s, costs)
    if flow is None:
        return msgspec.structs.replace(costs, trust=trust)
    # Of the size of an order in the lots of the data venue, rounded up.
    lots = -(-plan.size_lots * plan.instrument.scale.lot_e9 // flow.lot_e9)
    told = next((each.slippages for each in flow.sides if each.side == side), ())
    return msgspec.structs.replace(
        costs, trust=trust, spread_ticks=flow.spread_ticks, slippage_ticks=slippage_at(told, lots)
    )


def trust_said(flow: Flow, prediction: Prediction | None, plan: Plan) -> dict[str, object]:
    """For the log: how far quotes believe predictions from this flow on, and why."""
    model = prediction.model if prediction else ""
    costs = plan.quoting.costs if plan.quoting else Costs(0.0, 0.0)
    trust, source = trust_in(flow, model, plan.period_s, costs)
    return {"symbol": plan.instrument.symbol, "model": model, "trust": trust, "from": source}
