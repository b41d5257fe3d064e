"""Resting orders: a bid and an ask at the depth that is worth most, net, by the probes of the last minutes.

A quote rests as long as a probe did, at the price it had when it was placed, and is then replaced; it is
canceled before that when its side is no longer worth quoting. A position is left one horizon after it was
opened, unless an order on the other side closed it before. Prediction and position skew both sides: a
predicted rise raises what bids are worth and lowers asks, and an order that closes pays no exit.
"""

from __future__ import annotations

import math

from services.trader.fitted import as_fitted
from services.trader.quoting import Costs, Standing, Value, best, values_of
from services.trader.strategy import (
    RECANCEL_MS,
    Plan,
    Quoting,
    Resting,
    View,
    Want,
    close,
    move_of,
    waits,
)
from shared.messages import DepthFlow, Flow, Prediction
from shared.units import SECOND

FLOW_LIFE_NS = 150 * SECOND  # two fits may be missed; older ones are not believed
LIFETIME_MS, HORIZON_MS = 5_000, 5_000  # where no flow says it: the demonstration quotes without one
NO_DEPTHS: tuple[DepthFlow, ...] = ()


def maker(plan: Plan, view: View) -> tuple[Want, ...]:
    """Quote where the lower bound of the net value is above zero; leave a horizon after a fill."""
    quoting = plan.quoting
    if quoting is None:
        return ()
    flow = _believed(view)
    horizon_ms = flow.horizon_ms if flow else HORIZON_MS
    if view.position_lots and view.opened_ms is not None and view.now_ms - view.opened_ms >= horizon_ms:
        # What rests could fill beside the order that leaves: it goes first.
        return _cancels(view, view.resting) if view.resting else close("exit", view)
    prediction = view.prediction
    if view.cause != "predictions" or prediction is None or prediction.bid_ticks <= 0:
        return ()
    wants: list[Want] = []
    for side in (1, -1):
        mine = [order for order in view.resting if order.side == side]
        price = _price(plan, quoting, view, prediction, flow, side)
        if mine:
            lifetime_ms = flow.lifetime_ms if flow else LIFETIME_MS
            wants += _cancels(
                view, [one for one in mine if price is None or view.now_ms - one.placed_ms >= lifetime_ms]
            )
        elif price is not None:
            wants += _quote(plan, quoting, view, side, price)
    return tuple(wants)


def _believed(view: View) -> Flow | None:
    """The flow, if it is young enough and has both sides, in the ticks of the prediction."""
    flow, prediction = view.flow, view.prediction
    if flow is None or prediction is None or not flow.sides or flow.tick_e9 != prediction.tick_e9:
        return None
    return flow if prediction.recv_ns - flow.recv_ns <= FLOW_LIFE_NS else None


def _price(
    plan: Plan, quoting: Quoting, view: View, prediction: Prediction, flow: Flow | None, side: int
) -> int | None:
    """Where to rest on one side, in ticks of the trading venue; None: do not quote."""
    position = view.position_lots
    if position * side >= 0 and abs(position) + plan.size_lots > quoting.max_position_lots:
        return None
    move, _ = move_of(prediction, plan)
    now = Standing(
        side=side,
        bid_ticks=prediction.bid_ticks,
        ask_ticks=prediction.ask_ticks,
        move_ticks=0.0 if math.isnan(move) else move * SECOND / prediction.tick_e9,
        growth=-1.0 if position * side < 0 else 1.0,
    )
    costs = as_fitted(quoting.costs, flow, prediction.model, plan, side)
    value = choose(flow, now, costs, quoting.is_demonstration)
    if value is not None:
        ticks = value.price_ticks
    elif quoting.is_demonstration:
        ticks = now.price_ticks(0)
    else:
        return None
    # Where ticks differ, away from the other side: a quote must not take.
    return plan.instrument.price_ticks(ticks, prediction.tick_e9, -side)


def choose(flow: Flow | None, now: Standing, costs: Costs, is_demonstration: bool) -> Value | None:
    """The depth that is worth most on one side; None where none is worth it, or nothing is known."""
    depths = {each.side: each.depths for each in flow.sides} if flow else {}
    facing = depths.get(-now.side, NO_DEPTHS)
    exit_rate = facing[0].fill_rate if facing and facing[0].probes else 0.0
    values = values_of(depths.get(now.side, NO_DEPTHS), now, costs, exit_rate)
    return best(values, is_demonstration)


def _quote(plan: Plan, quoting: Quoting, view: View, side: int, price: int) -> tuple[Want, ...]:
    purpose = "demonstration" if quoting.is_demonstration else "quote"
    if waits(purpose, view):
        return ()
    is_closing = view.position_lots * side < 0
    size = min(plan.size_lots, abs(view.position_lots)) if is_closing else plan.size_lots
    return (
        Want(
            purpose,
            side=side,
            size_lots=size,
            kind="LIMIT",
            time_in_force="GTX",
            price_ticks=price,
            reduce_only=is_closing,
        ),
    )


def _cancels(view: View, orders: list[Resting] | tuple[Resting, ...]) -> tuple[Want, ...]:
    return tuple(
        Want("cancel", client_id=order.client_id)
        for order in orders
        if order.cancel_ms is None or view.now_ms - order.cancel_ms >= RECANCEL_MS
    )
