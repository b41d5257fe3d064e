"""What we want, given how things stand: pure functions of a `View`, with no state of their own.

Whatever a strategy remembers must be in the view, and the view follows from the streams: decisions can then
be derived again, and a restarted trader wants what the stopped one would have wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from services.trader.instrument import Instrument
from services.trader.quoting import Costs
from shared.messages import Flow, Prediction

RECANCEL_MS = 1_000  # market time after which a cancel without effect is asked again
RETRY_MS = 1_000  # after an order that came to nothing, the same purpose waits so long, in market time


class Want(msgspec.Struct, frozen=True):
    """One order a strategy would like to send; `client_id` names the order to cancel."""

    purpose: str  # enter | exit | flatten | cancel | quote | demonstration
    side: int = 0
    size_lots: int = 0
    kind: str = "MARKET"
    time_in_force: str = ""
    price_ticks: int = 0
    reduce_only: bool = False
    client_id: str = ""


class Resting(msgspec.Struct, frozen=True):
    """A live order of ours. `cancel_ms`: when a cancel was last asked; None: never."""

    client_id: str
    side: int
    open_lots: int
    placed_ms: int
    cancel_ms: int | None


class View(msgspec.Struct, frozen=True):
    """What a strategy may look at. Times are market time."""

    cause: str  # the stream that made us look: market | predictions | executions | control
    now_ms: int
    prediction: Prediction | None
    position_lots: int
    opened_ms: int | None
    live_orders: int
    fruitless_ms: dict[str, int]  # purpose -> when its last order ended without a fill
    last_side: int  # of the last request decided upon; 0 before the first
    flow: Flow | None = None  # trade flow and probes, as published each minute
    resting: tuple[Resting, ...] = ()  # oldest first


class Quoting(msgspec.Struct, frozen=True):
    """The settings of resting orders. A demonstration rests the best there is, whatever it is worth."""

    costs: Costs
    max_position_lots: int
    is_demonstration: bool = False


class Plan(msgspec.Struct, frozen=True):
    """The settings of a strategy."""

    instrument: Instrument
    size_lots: int
    period_s: int
    threshold: float | None  # USDT; None takes the prediction's own
    quoting: Quoting | None = None  # of the maker strategy


Strategy: TypeAlias = Callable[[Plan, View], tuple[Want, ...]]


def none(plan: Plan, view: View) -> tuple[Want, ...]:
    """Want nothing."""
    return ()


def threshold(plan: Plan, view: View) -> tuple[Want, ...]:
    """Enter at a large predicted move, leave after the period, one position at a time.

    Enters with MARKET at a prediction whose move at horizon == period is at least the threshold, when flat
    with nothing open. Leaves `period` seconds after the fill that opened the position, at whatever comes
    first then. A prediction is acted upon when it arrives or not at all.
    """
    if view.live_orders:
        return ()
    if view.position_lots:
        if view.opened_ms is None or view.now_ms - view.opened_ms < plan.period_s * 1000:
            return ()
        return close("exit", view)
    if view.cause != "predictions" or view.prediction is None or waits("enter", view):
        return ()
    move, least = move_of(view.prediction, plan)
    if not abs(move) >= least:  # False for NaN on either side
        return ()
    return (Want("enter", side=1 if move > 0 else -1, size_lots=plan.size_lots),)


def bench(plan: Plan, view: View) -> tuple[Want, ...]:
    """For measuring: at every prediction the smallest LIMIT IOC at the far touch, sides in turn."""
    prediction = view.prediction
    if view.cause != "predictions" or prediction is None:
        return ()
    side = -view.last_side or 1
    touch = prediction.ask_ticks if side > 0 else prediction.bid_ticks
    if touch <= 0:
        return ()
    price = plan.instrument.price_ticks(touch, prediction.tick_e9, side)
    size = plan.instrument.smallest_lots(price)
    return (Want("enter", side=side, size_lots=size, kind="LIMIT", time_in_force="IOC", price_ticks=price),)


def close(purpose: str, view: View) -> tuple[Want, ...]:
    """A reduce-only MARKET order for the whole position, unless the last one came to nothing just now."""
    if not view.position_lots or waits(purpose, view):
        return ()
    side = -1 if view.position_lots > 0 else 1
    return (Want(purpose, side=side, size_lots=abs(view.position_lots), reduce_only=True),)


def waits(purpose: str, view: View) -> bool:
    """Whether the last order of this purpose came to nothing just now."""
    at_ms = view.fruitless_ms.get(purpose)
    return at_ms is not None and view.now_ms - at_ms < RETRY_MS


def move_of(prediction: Prediction, plan: Plan) -> tuple[float, float]:
    """(expected move, least move to act on), NaN where there is none."""
    if not prediction.moves or plan.period_s not in prediction.horizons_s:
        return math.nan, math.nan
    place = prediction.horizons_s.index(plan.period_s)
    if plan.threshold is not None:
        return prediction.moves[place], plan.threshold
    return prediction.moves[place], prediction.thresholds[place]
