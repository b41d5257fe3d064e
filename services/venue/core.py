"""The exchange: markets, our orders and account. Synchronous and deterministic.

`handle` takes the market's events in order; `place` and `cancel` take requests at the market time at which
they take effect. What a user would be told gathers in `events` and is taken with `take_events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from services.venue import filters, payloads
from services.venue.account import LEVERAGE, Account
from services.venue.boards import Board, Matching
from services.venue.engine import Match
from services.venue.events import Event, Own
from services.venue.history import History
from services.venue.orders import (
    CANCELED,
    EXPIRED,
    EXPIRED_IN_MATCH,
    FILLED,
    PARTIALLY_FILLED,
    Fill,
    Order,
    OrderRequest,
    Refusal,
)
from services.venue.payloads import Payload
from shared.units import E9, Scale

ZERO = Decimal(0)
SELF_TRADE, IOC_REST, MARKET_REST, NOT_REDUCING = "1", "2", "9", "4"  # `er` of ORDER_TRADE_UPDATE
UNKNOWN_ORDER = Refusal(-2013, "Order does not exist.")
UNKNOWN_CANCEL = Refusal(-2011, "Unknown order sent.")
TOO_FAR = Refusal(-4013, "Price is farther from the market than this venue's book reaches.")
SYMBOL_CLOSED = Refusal(-4140, "Invalid symbol status for opening position.")


class Exchange:
    """All symbols of a venue and one account."""

    def __init__(self, boards: Mapping[str, Board], opening: Decimal, closes_ns: int | None = None) -> None:
        self.boards = dict(boards)
        self.markets = {symbol: board.market for symbol, board in self.boards.items()}
        self.engines = {symbol: board.engine for symbol, board in self.boards.items()}
        self.instruments = {symbol: market.instrument for symbol, market in self.markets.items()}
        self.closes_ns = closes_ns  # no order takes effect later
        self.account = Account.opened(opening)
        self.history = History()
        self._events: list[tuple[int, Payload]] = []

    # The market.

    def handle(self, event: Event) -> None:
        """Take one event of the market."""
        if event.kind == "bookTicker" or event.kind == "other":
            return
        for match in self.boards[event.symbol].handle(event):
            if match.order.is_open:
                self._fill(match, True, event.recv_ns)
        if event.kind == "markPrice":
            rate = self.markets[event.symbol].marks.take(event.data, event.recv_ns)
            if rate is not None:
                self._fund(event.symbol, rate, event.recv_ns)

    def play(self, event: Event | Own) -> None:
        """Take one event of a source."""
        if isinstance(event, Own):
            self.on_own(event)
        else:
            self.handle(event)

    def on_own(self, own: Own) -> None:
        """Take what the market made of a resting order of ours."""
        order = self.history.orders.get(own.order_id)
        if order is None or not order.is_open:
            return  # it ended within the step of the market in which it still traded
        if own.lots:
            self._fill(Match(order, own.price_ticks, own.lots), True, own.at_ns)
        else:
            self._end(order, EXPIRED_IN_MATCH, own.at_ns, SELF_TRADE)

    def _fund(self, symbol: str, rate: Decimal, now_ns: int) -> None:
        paid = self.account.apply_funding(symbol, self.mark(symbol), rate)
        if paid:
            self.history.add_payment(now_ns, symbol, paid)
            self._tell(now_ns, payloads.funding_update(self.account, symbol, paid, now_ns))

    # Requests.

    def place(self, request: OrderRequest, now_ns: int) -> Order | Refusal:
        """Accept an order and let it take what it can, or refuse it without a record."""
        market, engine = self.markets[request.symbol], self.engines[request.symbol]
        mark = market.mark
        is_over = self.closes_ns is not None and now_ns > self.closes_ns
        if not market.is_whole or mark is None or is_over:
            return SYMBOL_CLOSED
        limit_ticks = self._limit(request, market.scale, mark)
        refusal = self._check(request, mark) or self._check_book(request, engine, limit_ticks)
        if refusal is not None:
            return refusal
        order_id = self.history.next_order_id
        if not request.client_id:
            request = replace(request, client_id=f"venue-{order_id}")
        order = Order(order_id, request, now_ns, now_ns)
        self.history.add(order)
        self._tell_order(order, "NEW", now_ns)
        for match in engine.take(order, limit_ticks, self._allowed(order)):
            self._fill(match, False, now_ns)
        if order.is_open:
            if request.kind == "MARKET":
                self._end(order, EXPIRED, now_ns, MARKET_REST)
            elif request.time_in_force == "IOC":
                self._end(order, EXPIRED, now_ns, IOC_REST)
            elif not self._allowed(order):
                self._end(order, EXPIRED, now_ns, NOT_REDUCING)
            else:
                engine.rest(order)
        return order

    def cancel(
        self, symbol: str, order_id: int | None, client_id: str | None, now_ns: int
    ) -> Order | Refusal:
        """Cancel one open order."""
        order = self.find(symbol, order_id, client_id)
        if isinstance(order, Refusal) or not order.is_open:
            return UNKNOWN_CANCEL
        self._end(order, CANCELED, now_ns)
        return order

    def cancel_all(self, symbol: str, now_ns: int) -> list[Order]:
        """Cancel all open orders of a symbol."""
        orders = self.open_orders(symbol)
        for order in orders:
            self._end(order, CANCELED, now_ns)
        return orders

    def find(self, symbol: str, order_id: int | None, client_id: str | None) -> Order | Refusal:
        """The order with this id, or the latest with this client id."""
        return self.history.find(symbol, order_id, client_id) or UNKNOWN_ORDER

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first."""
        symbols = self.engines if symbol is None else (symbol,)
        found = [order for name in symbols for order in self.engines[name].resting.values()]
        return sorted(found, key=lambda order: order.order_id)

    def take_events(self) -> list[tuple[int, Payload]]:
        """(market_ns, payload) of each user event since the last call, in order."""
        events, self._events = self._events, []
        return events

    # Money.

    def mark(self, symbol: str) -> Decimal:
        """The symbol's mark price; 0 before there was one."""
        mark = self.markets[symbol].mark
        return ZERO if mark is None else mark

    def unrealized(self) -> Decimal:
        """Unrealized profit of all positions at their marks."""
        rows = self.account.positions.items()
        return sum((row.unrealized(self.mark(symbol)) for symbol, row in rows if row.quantity), ZERO)

    def net_pnl(self) -> Decimal:
        """Wallet and unrealized profit less the opening balance."""
        return self.account.wallet + self.unrealized() - self.account.opening

    def margin(self, symbol: str, extra: OrderRequest | None = None, mark: Decimal = ZERO) -> Decimal:
        """Initial margin of the symbol's position and open orders, with `extra` on top."""
        scale = self.markets[symbol].scale
        position = self.account.position(symbol).quantity * self.mark(symbol)
        sides = {1: position, -1: position}
        for order in self.engines[symbol].resting.values():
            row = order.request
            if not row.reduce_only:
                sides[row.sign] += row.sign * scale.money(row.price_ticks, order.open_lots)
        if extra is not None:
            sides[extra.sign] += extra.sign * _notional(extra, scale, mark)
        return max(abs(sides[1]), abs(sides[-1])) / LEVERAGE

    # Checks, in the order in which the venue makes them.

    def _check(self, request: OrderRequest, mark: Decimal) -> Refusal | None:
        symbol, scale = request.symbol, self.markets[request.symbol].scale
        named = self.history.find(symbol, None, request.client_id) if request.client_id else None
        if named is not None and named.is_open:
            return Refusal(-4116, "ClientOrderId is duplicated.")
        if len(self.engines[symbol].resting) >= filters.MAX_OPEN_ORDERS:
            return Refusal(-2025, "Reach max open order limit.")
        price = Decimal(request.price_ticks * scale.tick_e9) / E9
        if request.kind == "LIMIT" and request.sign > 0 and price > mark * filters.PERCENT_UP:
            return Refusal(-4016, "Limit price can't be higher than the multiplier cap.")
        if request.kind == "LIMIT" and request.sign < 0 and price < mark * filters.PERCENT_DOWN:
            return Refusal(-4024, "Limit price can't be lower than the multiplier floor.")
        least = filters.min_notional(symbol)
        if request.reduce_only:
            if not self._reducible(request):
                return Refusal(-2022, "ReduceOnly Order is rejected.")
            return None
        if _notional(request, scale, mark) < least:
            return Refusal(
                -4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only)."
            )
        needed = self.margin(symbol, request, mark)
        if needed > self.margin(symbol):
            others = sum((self.margin(name) for name in self.markets if name != symbol), ZERO)
            if needed + others > self.account.wallet + self.unrealized():
                return Refusal(-2019, "Margin is insufficient.")
        return None

    def _check_book(self, request: OrderRequest, engine: Matching, limit_ticks: int) -> Refusal | None:
        if request.kind == "MARKET":
            if not engine.would_cross(request.sign, limit_ticks):
                return Refusal(
                    -4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."
                )
        elif request.time_in_force in ("GTC", "GTX") and not engine.may_rest(limit_ticks):
            return TOO_FAR
        elif request.time_in_force == "GTX" and engine.would_cross(request.sign, limit_ticks):
            return Refusal(
                -5022,
                "Due to the order could not be executed as maker, the Post Only order will be rejected. "
                "The order will not be recorded in the order history",
            )
        elif request.time_in_force == "FOK":
            found = engine.walk(request.sign, limit_ticks, request.lots)
            if sum(lots for _, lots in found) < request.lots:
                return Refusal(
                    -5021,
                    "Due to the order could not be filled immediately, the FOK order has been rejected. "
                    "The order will not be recorded in the order history",
                )
        return None

    def _limit(self, request: OrderRequest, scale: Scale, mark: Decimal) -> int:
        """The worst price it may take; a market order's is 5 % from the mark."""
        if request.kind == "LIMIT":
            return request.price_ticks
        bound = mark * (filters.PERCENT_UP if request.sign > 0 else filters.PERCENT_DOWN)
        return int(bound * E9 / scale.tick_e9)

    def _reducible(self, request: OrderRequest) -> int:
        """Lots of the position that an order of this side would reduce."""
        quantity = self.account.position(request.symbol).quantity * -request.sign
        return max(0, int(quantity * E9) // self.markets[request.symbol].scale.lot_e9)

    def _allowed(self, order: Order) -> int:
        """Lots it may still fill: no more than the position where it is reduce-only."""
        if not order.request.reduce_only:
            return order.open_lots
        return min(order.open_lots, self._reducible(order.request))

    # What changes: fills and ends, nowhere else.

    def _fill(self, match: Match, is_maker: bool, now_ns: int) -> None:
        order, price_ticks = match.order, match.price_ticks
        request, scale = order.request, self.markets[match.order.request.symbol].scale
        lots = min(match.lots, self._allowed(order))
        if not lots:
            self._end(order, EXPIRED, now_ns, NOT_REDUCING)
            return
        order.executed_lots += lots
        order.executed_tick_lots += price_ticks * lots
        order.status = PARTIALLY_FILLED if order.open_lots else FILLED
        order.updated_ns = now_ns
        quantity = Decimal(request.sign * lots * scale.lot_e9) / E9
        price = Decimal(price_ticks * scale.tick_e9) / E9
        realized, commission = self.account.apply_fill(request.symbol, quantity, price, is_maker, now_ns)
        trade_id = self.history.next_trade_id
        fill = Fill(trade_id, order, now_ns, price_ticks, lots, is_maker, commission, realized)
        self.history.add_fill(fill)
        self._tell(now_ns, payloads.trade_lite(fill, scale))
        mark = self.mark(request.symbol)
        self._tell(now_ns, payloads.account_update(self.account, request.symbol, mark, now_ns))
        self._tell_order(order, "TRADE", now_ns, fill)
        engine = self.engines[request.symbol]
        if not order.is_open:
            engine.remove(order)
        for other in [row for row in engine.resting.values() if row.request.reduce_only]:
            if other.is_open and not self._reducible(other.request):
                self._end(other, EXPIRED, now_ns, NOT_REDUCING)

    def _end(self, order: Order, status: str, now_ns: int, reason: str = "0") -> None:
        order.status, order.updated_ns = status, now_ns
        self.engines[order.request.symbol].remove(order)
        self._tell_order(order, status, now_ns, reason=reason)

    def _tell_order(
        self, order: Order, execution: str, now_ns: int, fill: Fill | None = None, reason: str = "0"
    ) -> None:
        scale = self.markets[order.request.symbol].scale
        self._tell(now_ns, payloads.order_update(order, scale, execution, now_ns, fill, reason))

    def _tell(self, now_ns: int, payload: Payload) -> None:
        self._events.append((now_ns, payload))


def _notional(request: OrderRequest, scale: Scale, mark: Decimal) -> Decimal:
    if request.kind == "LIMIT":
        return scale.money(request.price_ticks, request.lots)
    return mark * Decimal(request.lots * scale.lot_e9) / E9
