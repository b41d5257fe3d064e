"""Facts become entries of the executions stream: de-duplicated, with our ids, stamped with the market id."""

from __future__ import annotations

from typing import Protocol

from services.trader.facts import Fact, OrderFact, PositionFact, TradeFact
from services.trader.identity import Identity
from services.trader.instrument import Instrument
from services.trader.orders import Order, Orders
from services.trader.position import Position
from shared.messages import Execution, Fill, OrderUpdate, Reconciled


class Known(Protocol):
    """What stamping needs to know of the core."""

    market_id: str
    orders: Orders
    position: Position

    @property
    def config(self) -> Setup:
        """The fixed part."""


class Setup(Protocol):
    """What stamping needs of the configuration."""

    @property
    def identity(self) -> Identity:
        """Who we are to the venue."""

    @property
    def instrument(self) -> Instrument:
        """The scale of the trading venue."""


def executions_of(fact: Fact, known: Known) -> list[Execution]:
    """The messages that record `fact`; none where it is no news."""
    if isinstance(fact, OrderFact):
        return _order(fact, known)
    if isinstance(fact, TradeFact):
        return _trade(fact, known)
    return [_position(fact, known)]


def _order(fact: OrderFact, known: Known) -> list[Execution]:
    decision_id = known.config.identity.decision_id(fact.client_id)
    if not decision_id:
        return []  # not ours; its trades still move the position
    order = known.orders.by_client.get(fact.client_id)
    if order is None:
        if fact.event in ("rejected", "not_placed", "unknown") or not fact.size_lots:
            return []
        # Ours by its id, but its intent was lost with the last second of the ledger: adopted.
        order = Order(fact.client_id, decision_id, fact.side, fact.size_lots, None)
    status = order.after(fact.event)
    tells = fact.order_id != 0 and order.order_id == 0
    if status is order.status and fact.filled_lots <= order.reported_lots and not tells:
        return []
    return [
        OrderUpdate(
            as_of=known.market_id,
            exchange_ns=fact.exchange_ns,
            client_id=fact.client_id,
            decision_id=order.decision_id,
            order_id=fact.order_id or order.order_id,
            side=order.side,
            event=fact.event,
            status=status.value,
            size_lots=order.size_lots,
            filled_lots=max(fact.filled_lots, order.reported_lots),
            reduce_only=order.is_reduce_only or fact.reduce_only,
            reason=fact.reason,
        )
    ]


def _trade(fact: TradeFact, known: Known) -> list[Execution]:
    if known.orders.has_trade(fact.trade_id):
        return []
    order = known.orders.by_id.get(fact.order_id)
    client_id = fact.client_id or (order.client_id if order else "")
    scale = known.config.instrument.scale
    return [
        Fill(
            as_of=known.market_id,
            exchange_ns=fact.exchange_ns,
            client_id=client_id,
            decision_id=known.config.identity.decision_id(client_id),
            order_id=fact.order_id,
            trade_id=fact.trade_id,
            side=fact.side,
            price_ticks=fact.price_ticks,
            size_lots=fact.size_lots,
            tick_e9=scale.tick_e9,
            lot_e9=scale.lot_e9,
            fee=fact.fee,
            fee_asset=fact.fee_asset,
            is_maker=fact.is_maker,
            realized=fact.realized,
        )
    ]


def _position(fact: PositionFact, known: Known) -> Reconciled:
    ours = known.position.lots
    reason = fact.doubt
    if not reason and fact.position_lots != ours:
        reason = f"the venue holds {fact.position_lots} lots, the ledger {ours}"
    return Reconciled(
        as_of=known.market_id,
        exchange_ns=fact.exchange_ns,
        position_lots=fact.position_lots,
        open_orders=fact.open_orders,
        agrees=not reason,
        reason=reason,
    )
