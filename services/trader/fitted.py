"""What the newest flow has fitted, put in the place of settings that are to follow it."""

from __future__ import annotations

import math

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


def as_fitted(costs: Costs, flow: Flow | None, model: str, period_s: int) -> Costs:
    """The costs of a quote decided now."""
    return msgspec.structs.replace(costs, trust=trust_in(flow, model, period_s, costs)[0])


def trust_said(flow: Flow, prediction: Prediction | None, plan: Plan) -> dict[str, object]:
    """For the log: how far quotes believe predictions from this flow on, and why."""
    model = prediction.model if prediction else ""
    costs = plan.quoting.costs if plan.quoting else Costs(0.0, 0.0)
    trust, source = trust_in(flow, model, plan.period_s, costs)
    return {"symbol": plan.instrument.symbol, "model": model, "trust": trust, "from": source}
