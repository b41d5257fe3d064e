"""The state machine of orders as one table, and the book of our orders.

`status` is what is known of the order at the venue; what we have in flight about it (a cancel) is kept apart.
Facts come in any order: an answer and a user event race each other, and reconciliation repeats both.
"""

from __future__ import annotations

from enum import Enum

from shared.messages import Fill, OrderUpdate, Request

KEPT = 10_000  # settled orders and trade ids remembered, for repeats that come late


class Status(Enum):
    """What is known of an order."""

    PENDING = "PENDING"  # the intent is written; nothing came back yet
    UNKNOWN = "UNKNOWN"  # sent without a usable answer: it may or may not exist
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    NOT_PLACED = "NOT_PLACED"  # it certainly never reached the matching engine


EVENTS = (
    "sent",
    "accepted",
    "rejected",
    "partly_filled",
    "filled",
    "canceled",
    "expired",
    "unknown",
    "not_placed",
)
_P, _U, _N, _PF = Status.PENDING, Status.UNKNOWN, Status.NEW, Status.PARTIALLY_FILLED
_F, _C, _E, _R, _NP = Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED, Status.NOT_PLACED

NEXT: dict[tuple[Status, str], Status] = {
    (_P, "sent"): _P,
    (_P, "accepted"): _N,
    (_P, "rejected"): _R,
    (_P, "partly_filled"): _PF,  # the fill overtook the answer
    (_P, "filled"): _F,  # likewise
    (_P, "canceled"): _C,  # likewise
    (_P, "expired"): _E,  # an IOC's rest is gone before its answer is here
    (_P, "unknown"): _U,
    (_P, "not_placed"): _NP,  # no connection, or our own pause after a 429
    (_U, "accepted"): _N,
    (_U, "rejected"): _R,
    (_U, "partly_filled"): _PF,
    (_U, "filled"): _F,
    (_U, "canceled"): _C,
    (_U, "expired"): _E,
    (_U, "unknown"): _U,  # asked, and still not known
    (_U, "not_placed"): _NP,  # no record, and too late for the request to be accepted any more
    (_N, "accepted"): _N,  # the answer and the user event say the same
    (_N, "partly_filled"): _PF,
    (_N, "filled"): _F,
    (_N, "canceled"): _C,
    (_N, "expired"): _E,
    (_N, "unknown"): _N,  # the answer was lost, but the user stream had spoken
    (_PF, "accepted"): _PF,  # late answer
    (_PF, "partly_filled"): _PF,
    (_PF, "filled"): _F,
    (_PF, "canceled"): _C,
    (_PF, "expired"): _E,
    (_PF, "unknown"): _PF,
    (_F, "accepted"): _F,  # late answer
    (_F, "partly_filled"): _F,  # a query said filled before its trades came one by one
    (_F, "filled"): _F,  # repeat after a reconnect
    (_F, "unknown"): _F,
    (_C, "accepted"): _C,  # late answer
    (_C, "partly_filled"): _C,  # the answer to the cancel overtook a trade from before it
    (_C, "canceled"): _C,  # answer and user event
    (_C, "unknown"): _C,
    (_E, "accepted"): _E,  # late answer
    (_E, "partly_filled"): _E,  # a query overtook the trade
    (_E, "expired"): _E,
    (_E, "unknown"): _E,
    (_R, "rejected"): _R,
    # The venue is the truth about orders: a record that appears after all wins over our conclusion.
    (_NP, "accepted"): _N,
    (_NP, "partly_filled"): _PF,
    (_NP, "filled"): _F,
    (_NP, "canceled"): _C,
    (_NP, "expired"): _E,
    (_NP, "not_placed"): _NP,
}
ENDED = frozenset((_F, _C, _E, _R, _NP))


class IllegalEvent(Exception):
    """An event that cannot follow: we or the venue are broken. Ends the process."""


class Order:
    """One order of ours."""

    def __init__(self, client_id: str, decision_id: str, side: int, size_lots: int, request: Request | None):
        self.client_id = client_id
        self.decision_id = decision_id
        self.side = side
        self.size_lots = size_lots
        self.purpose = request.purpose if request else ""  # empty: adopted, the intent is lost
        self.is_reduce_only = request.reduce_only if request else False
        self.price_ticks = request.price_ticks if request else 0  # 0: at the market, or adopted
        self.status = Status.PENDING
        self.order_id = 0  # the venue's; set with the first fact that carries it
        self.filled_lots = 0  # the sum of the trades booked
        self.reported_lots = 0  # the venue's cumulative quantity, which may be ahead of the trades
        self.cancel_ms: int | None = None  # in flight: market time of our last cancel request

    @property
    def is_live(self) -> bool:
        """Whether it may still change the position: not ended, or ended with trades still to come."""
        return self.status not in ENDED or self.filled_lots < self.reported_lots

    @property
    def open_lots(self) -> int:
        """How much may still be filled."""
        if self.status in ENDED:
            return max(0, self.reported_lots - self.filled_lots)
        return self.size_lots - self.filled_lots

    def after(self, event: str) -> Status:
        """The status after `event`. Raises IllegalEvent where the table has no such row."""
        try:
            return NEXT[self.status, event]
        except KeyError:
            raise IllegalEvent(f"order {self.client_id} is {self.status.value}: {event!r}") from None


class Orders:
    """All orders of ours in one symbol, and the trades seen."""

    def __init__(self) -> None:
        self.by_client: dict[str, Order] = {}
        self.by_id: dict[int, Order] = {}
        self.live: dict[str, Order] = {}  # in the order they were decided
        self.last_trade_id = 0  # the highest trade booked; 0 before the first
        self._settled: dict[str, None] = {}  # oldest first
        self._trades: dict[int, None] = {}  # oldest first

    def place(self, decision_id: str, request: Request) -> None:
        """An intent was written."""
        order = Order(request.client_id, decision_id, request.side, request.size_lots, request)
        self.by_client[order.client_id] = self.live[order.client_id] = order

    def update(self, update: OrderUpdate) -> Order:
        """Fold one state change; an order unknown to us is adopted."""
        order = self.by_client.get(update.client_id)
        if order is None:
            order = Order(update.client_id, update.decision_id, update.side, update.size_lots, None)
            order.is_reduce_only = update.reduce_only
            self.by_client[order.client_id] = self.live[order.client_id] = order
        order.status = order.after(update.event)
        order.reported_lots = max(order.reported_lots, update.filled_lots)
        if update.order_id:
            order.order_id = update.order_id
            self.by_id[update.order_id] = order
        self._settle(order)
        return order

    def has_trade(self, trade_id: int) -> bool:
        """Whether this trade was booked before."""
        return trade_id in self._trades

    def book(self, fill: Fill) -> bool:
        """Fold one trade. False where it was booked before."""
        if fill.trade_id in self._trades:
            return False
        self._trades[fill.trade_id] = None
        if len(self._trades) > KEPT:
            del self._trades[next(iter(self._trades))]
        self.last_trade_id = max(self.last_trade_id, fill.trade_id)
        order = self.by_client.get(fill.client_id)
        if order is not None:
            order.filled_lots += fill.size_lots
            if order.filled_lots > order.size_lots:
                raise IllegalEvent(
                    f"order {order.client_id}: {order.filled_lots} of {order.size_lots} filled"
                )
            self._settle(order)
        return True

    def _settle(self, order: Order) -> None:
        if order.is_live:
            self.live[order.client_id] = order
            self._settled.pop(order.client_id, None)
        elif self.live.pop(order.client_id, None) is not None:
            self._settled[order.client_id] = None
            if len(self._settled) > KEPT:
                oldest = next(iter(self._settled))
                del self._settled[oldest]
                self.by_id.pop(self.by_client.pop(oldest).order_id, None)
