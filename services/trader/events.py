"""Frames of the user stream and rows of userTrades as facts."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from services.trader.answers import STATUS_EVENTS
from services.trader.facts import Fact, OrderFact, TradeFact
from shared.errors import BadFrame
from shared.units import MS, Scale


def order_facts(frame: Mapping[str, Any], scale: Scale) -> list[Fact]:
    """An ORDER_TRADE_UPDATE: the state of the order, then its trade. Raises BadFrame where it is none.

    The state comes first: an order that has ended stays live until the trades it reports are booked.
    """
    try:
        order = frame["o"]
        exchange_ns = int(order["T"]) * MS
        event = STATUS_EVENTS.get(order["X"])
        if event is None:
            raise BadFrame(f"order status {order['X']!r} is unknown")
        side = _side(order["S"])
        facts: list[Fact] = [
            OrderFact(
                client_id=order["c"],
                event=event,
                exchange_ns=exchange_ns,
                order_id=int(order["i"]),
                side=side,
                size_lots=scale.lots(order["q"]),
                filled_lots=scale.lots(order["z"]),
                reduce_only=bool(order.get("R")),
                reason="" if str(order.get("er", "0")) == "0" else f"er {order['er']}",
            )
        ]
        last_lots = scale.lots(order["l"])
        if last_lots:
            facts.append(
                TradeFact(
                    order_id=int(order["i"]),
                    trade_id=int(order["t"]),
                    exchange_ns=exchange_ns,
                    side=side,
                    price_ticks=scale.ticks(order["L"]),
                    size_lots=last_lots,
                    fee=Decimal(order.get("n") or "0"),
                    fee_asset=order.get("N") or "",
                    is_maker=bool(order.get("m")),
                    realized=Decimal(order.get("rp") or "0"),
                    client_id=order["c"],
                )
            )
        return facts
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise BadFrame(f"no ORDER_TRADE_UPDATE: {error!r}") from error


def trade_fact(row: Mapping[str, Any], scale: Scale) -> TradeFact:
    """One row of userTrades. Raises BadFrame where it is none."""
    try:
        return TradeFact(
            order_id=int(row["orderId"]),
            trade_id=int(row["id"]),
            exchange_ns=int(row["time"]) * MS,
            side=_side(row["side"]),
            price_ticks=scale.ticks(row["price"]),
            size_lots=scale.lots(row["qty"]),
            fee=Decimal(row["commission"]),
            fee_asset=row["commissionAsset"],
            is_maker=bool(row["maker"]),
            realized=Decimal(row["realizedPnl"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise BadFrame(f"no row of userTrades: {error!r}") from error


def _side(text: str) -> int:
    if text not in ("BUY", "SELL"):
        raise BadFrame(f"side {text!r} is unknown")
    return 1 if text == "BUY" else -1
