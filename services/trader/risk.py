"""The limits: every request goes through `check`, and only what it returns as `Approved` can be sent."""

from __future__ import annotations

import msgspec

from services.trader.instrument import Instrument
from shared.messages import Request
from shared.units import MS

RATE_MS = 10_000  # the window of the order-rate limit, in market time

# The control modes by severity: an order to do less never lifts one to do more, only Resume does.
NORMAL, REDUCE_ONLY, HALTED, FLATTENING = range(4)


class Limits(msgspec.Struct, frozen=True):
    """What is allowed, from settings."""

    max_position_lots: int
    max_orders_10s: int
    stale_ms: int
    needs_edge: bool = False  # entries need an edge after costs that was shown


class Exposure(msgspec.Struct, frozen=True):
    """How things stand when a request is checked. Times are market time."""

    now_ns: int
    book_ns: int | None  # recv_ns of the last book; None before the first
    feed: str  # the state of the feed, `live` or why not
    prediction_ns: int | None
    expires_ns: int
    position_lots: int
    open_buy_lots: int
    open_sell_lots: int
    orders_10s: int
    reference_ticks: int  # the touch at which a MARKET order would fill
    mode: int
    is_reconciled: bool
    has_edge: bool = False  # the gate says so of the version that predicts


class Approved(msgspec.Struct, frozen=True):
    """A request that passed. Made by `check` alone: the gateway takes nothing else."""

    request: Request


class Refused(msgspec.Struct, frozen=True):
    """A request that did not pass, with the limit that stands against it."""

    reason: str


def check(request: Request, now: Exposure, limits: Limits, instrument: Instrument) -> Approved | Refused:
    """Approve or refuse one request.

    Cancels and reduce-only exits always pass: the limits protect against opening, and an exit held back by
    a stale book or a halt would be the greater danger.
    """
    if request.action == "cancel" or request.reduce_only:
        return Approved(request)
    reason = _against(request, now, limits, instrument)
    return Refused(reason) if reason else Approved(request)


def _against(request: Request, now: Exposure, limits: Limits, instrument: Instrument) -> str:
    if not now.is_reconciled:
        return "unreconciled"
    if now.mode >= HALTED:
        return "halted"
    if now.mode == REDUCE_ONLY:
        return "reduce_only"
    if limits.needs_edge and not now.has_edge:
        return "no_edge_shown"
    if now.feed != "live":
        return f"feed_{now.feed}"
    if now.book_ns is None or now.now_ns - now.book_ns > limits.stale_ms * MS:
        return "stale_book"
    if now.prediction_ns is None or now.now_ns - now.prediction_ns > limits.stale_ms * MS:
        return "stale_prediction"
    if now.expires_ns <= now.now_ns:
        return "expired_prediction"
    # Open orders on this side may all be filled before this one is.
    if request.side > 0:
        worst_lots = now.position_lots + now.open_buy_lots + request.size_lots
    else:
        worst_lots = -now.position_lots + now.open_sell_lots + request.size_lots
    if worst_lots > limits.max_position_lots:
        return "max_position"
    if now.orders_10s >= limits.max_orders_10s:
        return "order_rate"
    if not instrument.min_lots <= request.size_lots <= instrument.max_lots:
        return "order_size"
    if not instrument.reaches_notional(request.price_ticks or now.reference_ticks, request.size_lots):
        return "min_notional"
    return ""
