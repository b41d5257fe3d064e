"""What an answer to a request means: the order is there, refused, certainly not placed, or unknown.

Only a definite answer is final. Everything else may or may not have reached the matching engine and is
`unknown`: it is asked about, never sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from services.trader.facts import OrderFact
from shared.errors import BadFrame
from shared.units import MS, Scale

Kind = Literal["order", "refused", "not_placed", "unknown", "missing", "clock", "limited", "banned"]

CLOCK = (-1021, -5028)  # outside recvWindow or ahead: not executed
UNSURE = (-1000, -1001, -1006, -1007)  # the venue itself does not know
MISSING = -2013
CANCEL_UNKNOWN = -2011
DUPLICATE = -4116  # an earlier request with this id is open: it was ours
THROTTLED = -1008  # overload: not executed
TOO_MANY_ORDERS = -1015
TOO_MANY_REQUESTS = -1003

STATUS_EVENTS = {
    "NEW": "accepted",
    "PARTIALLY_FILLED": "partly_filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
    "REJECTED": "rejected",
}


class Outcome(msgspec.Struct, frozen=True):
    """One classified answer. `order` is the venue's object where `kind` is `order`."""

    kind: Kind
    reason: str = ""
    code: int = 0
    order: dict[str, Any] | None = None
    headers: Mapping[str, str] = {}
    sent_ms: int = 0  # the timestamp that was signed, venue time


def classify(status: int, body: bytes, headers: Mapping[str, str], sent_ms: int) -> Outcome:
    """Classify the answer to an order, a cancel or a query of an order."""

    def outcome(kind: Kind, reason: str, code: int = 0) -> Outcome:
        return Outcome(kind, reason, code, None, headers, sent_ms)

    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        answer = None
    if status == 418:
        return outcome("banned", "banned (418)")
    if status == 429:
        return outcome("limited", "too many requests (429)")
    if not isinstance(answer, dict):
        if status == 503 and b"Service Unavailable" in body:
            return outcome("not_placed", "service unavailable (503)")
        return outcome("unknown", f"HTTP {status} without a JSON object")
    code, text = int(answer.get("code", 0)), str(answer.get("msg", ""))
    if status == 200 and "clientOrderId" in answer and "status" in answer:
        return Outcome("order", "", 0, answer, headers, sent_ms)
    reason = f"{code} {text}".strip()
    if status == 503 and (code == THROTTLED or text.startswith("Service Unavailable")):
        return outcome("not_placed", reason, code)
    if not 400 <= status < 500 or status == 408 or code >= 0 or code in UNSURE or code == DUPLICATE:
        return outcome("unknown", reason or f"HTTP {status}", code)
    if code in CLOCK:
        return outcome("clock", reason, code)
    if code in (TOO_MANY_ORDERS, TOO_MANY_REQUESTS):
        return outcome("limited", reason, code)
    if code == THROTTLED:
        return outcome("not_placed", reason, code)
    if code == MISSING:
        return outcome("missing", reason, code)
    return outcome("refused", reason, code)


def order_fact(order: Mapping[str, Any], scale: Scale) -> OrderFact:
    """An order object of the venue (acknowledgement, query, open order). Raises BadFrame where it is none."""
    try:
        return OrderFact(
            client_id=order["clientOrderId"],
            event=STATUS_EVENTS[order["status"]],
            exchange_ns=int(order.get("updateTime") or 0) * MS,
            order_id=int(order["orderId"]),
            side=1 if order["side"] == "BUY" else -1,
            size_lots=scale.lots(order["origQty"]),
            filled_lots=scale.lots(order.get("executedQty") or "0"),
            reduce_only=bool(order.get("reduceOnly")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadFrame(f"no order: {error!r}") from error


def placed(client_id: str, outcome: Outcome, scale: Scale) -> tuple[OrderFact, ...]:
    """What the answer to a new order tells; a query that finds no record tells nothing by itself."""
    if outcome.kind == "order" and outcome.order is not None:
        return (order_fact(outcome.order, scale),)
    if outcome.kind == "missing":
        return ()
    event = {"refused": "rejected", "unknown": "unknown"}.get(outcome.kind, "not_placed")
    return (OrderFact(client_id, event, 0, reason=outcome.reason),)
