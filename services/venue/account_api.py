"""The signed calls on orders and account, as functions of their parameters and a market time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from services.venue import filters, payloads
from services.venue.account import MAKER_RATE, TAKER_RATE
from services.venue.core import Exchange
from services.venue.orders import Order, Refusal
from services.venue.payloads import Payload, plain, rounded
from shared.units import MS

Params = Mapping[str, str]
Call = Callable[[Params, int], "Payload | list[Payload] | Refusal"]
TRADES_LIMIT, TRADES_MOST = 500, 1000
INCOME_LIMIT = 100
ZERO = Decimal(0)


class AccountApi:
    """Each method is one call: (parameters, market_ns) -> its JSON, or why it is refused."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def place(self, params: Params, now_ns: int) -> Payload | Refusal:
        """POST order."""
        request = filters.parse_order(params, self._exchange.instruments)
        if isinstance(request, Refusal):
            return request
        return self._acknowledged(self._exchange.place(request, now_ns))

    def cancel(self, params: Params, now_ns: int) -> Payload | Refusal:
        """DELETE order."""
        named = self._named(params)
        return (
            named if isinstance(named, Refusal) else self._acknowledged(self._exchange.cancel(*named, now_ns))
        )

    def cancel_all(self, params: Params, now_ns: int) -> Payload | Refusal:
        """DELETE allOpenOrders."""
        symbol = self._symbol(params)
        if isinstance(symbol, Refusal):
            return symbol
        self._exchange.cancel_all(symbol, now_ns)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def order(self, params: Params, now_ns: int) -> Payload | Refusal:
        """GET order."""
        named = self._named(params)
        if isinstance(named, Refusal):
            return named
        found = self._exchange.find(*named)
        return found if isinstance(found, Refusal) else self._full(found)

    def open_orders(self, params: Params, now_ns: int) -> list[Payload] | Refusal:
        """GET openOrders."""
        symbol = self._symbol(params) if params.get("symbol") else None
        if isinstance(symbol, Refusal):
            return symbol
        return [self._full(order) for order in self._exchange.open_orders(symbol)]

    def user_trades(self, params: Params, now_ns: int) -> list[Payload] | Refusal:
        """GET userTrades: from an id on, else the latest."""
        symbol = self._symbol(params)
        if isinstance(symbol, Refusal):
            return symbol
        numbers = _numbers(params, ("fromId", "limit", "orderId", "startTime", "endTime"))
        if isinstance(numbers, Refusal):
            return numbers
        limit = min(numbers.get("limit", TRADES_LIMIT), TRADES_MOST)
        least, since, until = numbers.get("fromId", 0), numbers.get("startTime", 0), numbers.get("endTime")
        rows = [
            fill
            for fill in self._exchange.history.fills
            if fill.order.request.symbol == symbol
            and fill.trade_id >= least
            and fill.at_ns // MS >= since
            and (until is None or fill.at_ns // MS <= until)
            and numbers.get("orderId", fill.order.order_id) == fill.order.order_id
        ]
        is_forward = "fromId" in numbers or "startTime" in numbers
        rows = rows[:limit] if is_forward else rows[max(0, len(rows) - limit) :]
        scale = self._exchange.markets[symbol].scale
        return [payloads.user_trade(fill, scale) for fill in rows]

    def income(self, params: Params, now_ns: int) -> list[Payload] | Refusal:
        """GET income: payments of funding, oldest first; other kinds are not kept."""
        symbol = self._symbol(params) if params.get("symbol") else None
        if isinstance(symbol, Refusal):
            return symbol
        numbers = _numbers(params, ("limit", "startTime", "endTime"))
        if isinstance(numbers, Refusal):
            return numbers
        if params.get("incomeType", "FUNDING_FEE") != "FUNDING_FEE":
            return []
        since, until = numbers.get("startTime", 0), numbers.get("endTime", now_ns // MS)
        rows = [
            payloads.income(row)
            for row in self._exchange.history.payments
            if symbol in (None, row.symbol) and since <= row.at_ns // MS <= until
        ]
        limit = min(numbers.get("limit", INCOME_LIMIT), TRADES_MOST)
        return rows[:limit] if "startTime" in numbers else rows[-limit:]

    def commission_rate(self, params: Params, now_ns: int) -> Payload | Refusal:
        """GET commissionRate."""
        symbol = self._symbol(params)
        if isinstance(symbol, Refusal):
            return symbol
        return {
            "symbol": symbol,
            "makerCommissionRate": plain(MAKER_RATE),
            "takerCommissionRate": plain(TAKER_RATE),
            "rpiCommissionRate": "0",
        }

    def position_risk(self, params: Params, now_ns: int) -> list[Payload] | Refusal:
        """GET positionRisk: symbols with a position or open orders."""
        wanted = self._symbol(params) if params.get("symbol") else None
        if isinstance(wanted, Refusal):
            return wanted
        exchange = self._exchange
        return [
            payloads.position_risk(symbol, exchange.account.position(symbol), exchange.mark(symbol))
            for symbol in exchange.markets
            if wanted in (None, symbol)
            and (exchange.account.position(symbol).quantity or exchange.engines[symbol].resting)
        ]

    def balance(self, params: Params, now_ns: int) -> list[Payload]:
        """GET balance."""
        wallet, unrealized = self._exchange.account.wallet, self._exchange.unrealized()
        return [
            {
                "accountAlias": "local",
                "asset": "USDT",
                "balance": plain(wallet),
                "crossWalletBalance": plain(wallet),
                "crossUnPnl": plain(unrealized),
                "availableBalance": self._available(),
                "maxWithdrawAmount": self._available(),
                "marginAvailable": True,
                "updateTime": now_ns // MS,
            }
        ]

    def account(self, params: Params, now_ns: int) -> Payload:
        """GET account."""
        exchange = self._exchange
        wallet, unrealized = exchange.account.wallet, exchange.unrealized()
        margin = sum((exchange.margin(symbol) for symbol in exchange.markets), ZERO)
        positions = self.position_risk({}, now_ns)
        totals = {
            "InitialMargin": rounded(margin),
            "MaintMargin": "0",
            "WalletBalance": plain(wallet),
            "UnrealizedProfit": plain(unrealized),
            "MarginBalance": plain(wallet + unrealized),
            "PositionInitialMargin": rounded(margin),
            "OpenOrderInitialMargin": "0",
            "CrossWalletBalance": plain(wallet),
            "CrossUnPnl": plain(unrealized),
        }
        asset = {name[0].lower() + name[1:]: value for name, value in totals.items()}
        free = {"availableBalance": self._available(), "maxWithdrawAmount": self._available()}
        return {
            **{f"total{name}": value for name, value in totals.items()},
            **free,
            "assets": [{"asset": "USDT", **asset, **free, "updateTime": now_ns // MS}],
            "positions": positions,
        }

    def _available(self) -> str:
        exchange = self._exchange
        margin = sum((exchange.margin(symbol) for symbol in exchange.markets), ZERO)
        return rounded(max(ZERO, exchange.account.wallet + exchange.unrealized() - margin))

    def _symbol(self, params: Params) -> str | Refusal:
        symbol = params.get("symbol")
        if not symbol:
            return filters.missing("symbol")
        return symbol if symbol in self._exchange.markets else Refusal(-1121, "Invalid symbol.")

    def _named(self, params: Params) -> tuple[str, int | None, str | None] | Refusal:
        """(symbol, order id, client id) of the order that the parameters name."""
        symbol = self._symbol(params)
        if isinstance(symbol, Refusal):
            return symbol
        order_id, client_id = params.get("orderId"), params.get("origClientOrderId")
        if not order_id and not client_id:
            return Refusal(-1102, "Either 'orderId' or 'origClientOrderId' must be sent.")
        if order_id and not order_id.isdigit():
            return filters.missing("orderId")
        return symbol, int(order_id) if order_id else None, client_id

    def _acknowledged(self, order: Order | Refusal) -> Payload | Refusal:
        if isinstance(order, Refusal):
            return order
        return payloads.acknowledgement(order, self._exchange.markets[order.request.symbol].scale)

    def _full(self, order: Order) -> dict[str, Any]:
        return payloads.full_order(order, self._exchange.markets[order.request.symbol].scale)


def _numbers(params: Params, names: Sequence[str]) -> dict[str, int] | Refusal:
    """Those of the parameters that are there, as whole numbers."""
    numbers = {}
    for name in names:
        if name in params:
            if not params[name].isdigit():
                return filters.missing(name)
            numbers[name] = int(params[name])
    return numbers
