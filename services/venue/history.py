"""What the venue remembers of our orders, trades and funding: all open orders, the latest of the rest."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import NamedTuple

import msgspec

from services.venue.orders import Fill, Order

KEPT = 20_000  # ended orders, and trades; the real venue forgets by age (docs: GET order, GET userTrades)


class KeptFill(NamedTuple):
    """A fill that names its order by id; see Fill."""

    trade_id: int
    order_id: int
    at_ns: int
    price_ticks: int
    lots: int
    is_maker: bool
    commission: Decimal
    realized: Decimal


class Payment(NamedTuple):
    """Funding of one symbol, signed: what was received."""

    number: int  # counts from 1
    at_ns: int
    symbol: str
    received: Decimal


class HistoryState(msgspec.Struct):
    """A history at one moment; a fill names its order by id."""

    last_order_id: int
    last_trade_id: int
    orders: list[Order]
    fills: list[KeptFill]
    payments: list[Payment]


class History:
    """Orders by id and by client id, and fills in order of trade id; ids count from 1 and are not reused."""

    def __init__(self, kept: int = KEPT) -> None:
        self.orders: dict[int, Order] = {}  # oldest first
        self.fills: deque[Fill] = deque(maxlen=kept)
        self.payments: deque[Payment] = deque(maxlen=kept)
        self.last_order_id = 0
        self.last_trade_id = 0
        self._kept = kept
        self._latest: dict[tuple[str, str], Order] = {}  # (symbol, client id) -> the last order of that name

    @property
    def next_order_id(self) -> int:
        """The id of the order that is accepted next."""
        return self.last_order_id + 1

    @property
    def next_trade_id(self) -> int:
        """The id of the fill that comes next."""
        return self.last_trade_id + 1

    def add(self, order: Order) -> None:
        """Remember an order under its id, which is above all before, and its client id."""
        self.last_order_id = order.order_id
        self.orders[order.order_id] = self._latest[order.request.symbol, order.request.client_id] = order
        if len(self.orders) > 2 * self._kept:
            self._forget()

    def add_fill(self, fill: Fill) -> None:
        """Remember a fill."""
        self.last_trade_id = fill.trade_id
        self.fills.append(fill)

    def add_payment(self, at_ns: int, symbol: str, received: Decimal) -> None:
        """Remember a payment of funding."""
        number = self.payments[-1].number + 1 if self.payments else 1
        self.payments.append(Payment(number, at_ns, symbol, received))

    def find(self, symbol: str, order_id: int | None, client_id: str | None) -> Order | None:
        """The order with this id, or the latest with this client id; None where there is none."""
        if order_id is None:
            return self._latest.get((symbol, client_id or ""))
        order = self.orders.get(order_id)
        return order if order is not None and order.request.symbol == symbol else None

    def state(self) -> HistoryState:
        """What `resume` needs. Of a fill whose order is forgotten nothing is kept."""
        fills = [KeptFill(fill[0], fill.order.order_id, *fill[2:]) for fill in self.fills]
        known = [row for row in fills if row.order_id in self.orders]
        orders, payments = list(self.orders.values()), list(self.payments)
        return HistoryState(self.last_order_id, self.last_trade_id, orders, known, payments)

    def resume(self, state: HistoryState) -> None:
        """Become the history whose state it is."""
        for order in state.orders:
            self.add(order)
        for row in state.fills:
            self.add_fill(Fill(row.trade_id, self.orders[row.order_id], *row[2:]))
        self.payments.extend(state.payments)
        self.last_order_id, self.last_trade_id = state.last_order_id, state.last_trade_id

    def _forget(self) -> None:
        """Drop the oldest ended orders, as many as there are too many."""
        ended = [order_id for order_id, order in self.orders.items() if not order.is_open]
        for order_id in ended[: max(0, len(self.orders) - self._kept)]:
            order = self.orders.pop(order_id)
            name = (order.request.symbol, order.request.client_id)
            if self._latest.get(name) is order:
                del self._latest[name]
