"""What the venue told us, in our own units and before it is stamped: the core's input beside the streams.

Answers to requests, user events and reconciliation all become these three. They know nothing of ids of ours
but the client id; the core adds where in the ledger they belong.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec


class OrderFact(msgspec.Struct, frozen=True):
    """The state of one order, as an answer, a user event or a query gave it.

    `exchange_ns` is the venue's time, never ours: 0 where it gave none (a refusal). `side`, `size_lots` and
    `order_id` are 0 where the source does not say.
    """

    client_id: str
    event: str  # an event of the order table, see `orders.NEXT`
    exchange_ns: int
    order_id: int = 0
    side: int = 0
    size_lots: int = 0
    filled_lots: int = 0  # cumulative
    reduce_only: bool = False
    reason: str = ""


class TradeFact(msgspec.Struct, frozen=True):
    """One trade of the account. `client_id` is empty where the source gives none (userTrades)."""

    order_id: int
    trade_id: int
    exchange_ns: int
    side: int
    price_ticks: int
    size_lots: int
    fee: Decimal
    fee_asset: str
    is_maker: bool
    realized: Decimal
    client_id: str = ""


class PositionFact(msgspec.Struct, frozen=True):
    """The venue's position and number of open orders; `doubt` says why they cannot be known."""

    exchange_ns: int
    position_lots: int
    open_orders: int
    doubt: str = ""


Fact: TypeAlias = OrderFact | TradeFact | PositionFact
