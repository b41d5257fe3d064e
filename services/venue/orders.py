"""Our orders at the venue, and what becomes of them: values that the engine fills and the payloads show."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

NEW, PARTIALLY_FILLED, FILLED = "NEW", "PARTIALLY_FILLED", "FILLED"
CANCELED, EXPIRED, EXPIRED_IN_MATCH = "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"
OPEN = frozenset((NEW, PARTIALLY_FILLED))


class Refusal(NamedTuple):
    """The venue's answer to a request it does not accept: its code, its text, the HTTP status."""

    code: int
    message: str
    status: int = 400


@dataclass(slots=True, frozen=True)
class OrderRequest:
    """A checked request for an order; prices and quantities on the symbol's grid."""

    symbol: str
    client_id: str
    sign: int  # +1 buys, -1 sells
    kind: str  # MARKET | LIMIT
    time_in_force: str  # GTC | IOC | FOK | GTX
    price_ticks: int  # 0 for MARKET
    lots: int
    reduce_only: bool


@dataclass(slots=True)
class Order:
    """An accepted order. `request` never changes; the rest is where it stands."""

    order_id: int
    request: OrderRequest
    created_ns: int
    updated_ns: int
    status: str = NEW
    executed_lots: int = 0
    executed_tick_lots: int = 0  # sum of price_ticks * lots over its fills
    ahead_lots: int = 0  # displayed size that trades must take before us; means something while it rests

    @property
    def open_lots(self) -> int:
        """What is left to fill."""
        return self.request.lots - self.executed_lots

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.status in OPEN


class Fill(NamedTuple):
    """One trade of ours, with what the account made of it."""

    trade_id: int
    order: Order
    at_ns: int
    price_ticks: int
    lots: int
    is_maker: bool
    commission: Decimal
    realized: Decimal
