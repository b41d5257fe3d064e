"""Orders of one symbol: what was decided, what the venue said, what was filled. Pure.

Decisions and executions are two streams and may be read in either order: a row is made by whichever names
the order first, and the other fills in what it knows.
"""

from __future__ import annotations

from decimal import Decimal

from services.monitor.money import ZERO, total
from shared.messages import Decision, Fill, OrderUpdate, Request

KEPT_ORDERS = 20_000  # rows; totals are counted over all


class OrderRow:
    """One order by its client id."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.decision_id = ""
        self.cause = ""  # `<stream>/<id>` of the entry that led to it
        self.decided_ns: int | None = None
        self.purpose = ""
        self.kind = ""
        self.time_in_force = ""
        self.price_e9: int | None = None  # None for a market order
        self.order_id: int | None = None  # the venue's
        self.side = 0
        self.size_e9: int | None = None  # set by the decision
        self.reduce_only = False
        self.status = "requested"
        self.event = ""
        self.reason = ""
        self.updated_ns: int | None = None
        self.filled_e9 = 0
        self.filled_e18 = 0  # notional
        self.fees: dict[str, Decimal] = {}
        self.trade_ids: list[int] = []


class OrderLog:
    """The newest orders, and counts over all."""

    def __init__(self) -> None:
        self.rows: dict[str, OrderRow] = {}  # oldest first
        self.causes: dict[str, str] = {}  # decision id -> cause, of decisions with an order; oldest first
        self.decisions = 0
        self.requests = 0  # sent, cancels too
        self.refusals: dict[str, int] = {}  # by our own limits, by reason
        self.events: dict[str, int] = {}
        self.rejects: dict[str, int] = {}  # by the venue, by reason

    def decide(self, decision_id: str, decision: Decision) -> None:
        """Fold one decision."""
        self.decisions += 1
        for request in decision.requests:
            if request.refusal:
                self.refusals[request.refusal] = self.refusals.get(request.refusal, 0) + 1
                continue
            self.requests += 1
            if request.action == "place":
                self._place(decision_id, decision, request)

    def _place(self, decision_id: str, decision: Decision, request: Request) -> None:
        self.causes[decision_id] = decision.cause
        if len(self.causes) > KEPT_ORDERS:
            del self.causes[next(iter(self.causes))]
        row = self._row(request.client_id)
        row.decision_id, row.cause, row.decided_ns = decision_id, decision.cause, decision.decided_ns
        row.purpose, row.kind, row.time_in_force = request.purpose, request.kind, request.time_in_force
        row.side, row.reduce_only = request.side, request.reduce_only
        row.size_e9 = request.size_lots * decision.lot_e9
        row.price_e9 = None if request.kind == "MARKET" else request.price_ticks * decision.tick_e9

    def update(self, update: OrderUpdate) -> None:
        """Fold one state the venue or the gateway reported."""
        row = self._row(update.client_id)
        row.decision_id = row.decision_id or update.decision_id
        row.side, row.reduce_only = update.side, update.reduce_only
        row.order_id = update.order_id or row.order_id
        row.status, row.event, row.updated_ns = update.status, update.event, update.exchange_ns
        row.reason = update.reason or row.reason
        self.events[update.event] = self.events.get(update.event, 0) + 1
        if update.event == "rejected":
            self.rejects[update.reason] = self.rejects.get(update.reason, 0) + 1

    def fill(self, fill: Fill) -> None:
        """Fold one new fill (the ledger tells which are new)."""
        row = self._row(fill.client_id)
        row.decision_id = row.decision_id or fill.decision_id
        row.order_id = fill.order_id or row.order_id
        row.side = fill.side
        size_e9 = fill.size_lots * fill.lot_e9
        row.filled_e9 += size_e9
        row.filled_e18 += fill.price_ticks * fill.tick_e9 * size_e9
        row.fees[fill.fee_asset] = total(row.fees.get(fill.fee_asset, ZERO), fill.fee)
        row.trade_ids.append(fill.trade_id)
        row.updated_ns = max(row.updated_ns or 0, fill.exchange_ns)

    def _row(self, client_id: str) -> OrderRow:
        row = self.rows.get(client_id)
        if row is None:
            row = self.rows[client_id] = OrderRow(client_id)
            if len(self.rows) > KEPT_ORDERS:
                del self.rows[next(iter(self.rows))]
        return row
