"""What the venue writes: answers and user events, in its keys. Numbers are texts, times milliseconds.

Acknowledgements carry no `avgPrice` and no `cumQuote`, as since July 2026; `GET order` does.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from services.venue.account import LEVERAGE, Account, Position
from services.venue.history import Payment
from services.venue.orders import Fill, Order
from shared.units import E9, MS, Scale

Payload = dict[str, Any]


def plain(value: Decimal) -> str:
    """A Decimal without exponent, every digit of it."""
    return format(value, "f")


def rounded(value: Decimal) -> str:
    """At most 8 places, for quotients that have no end."""
    text = format(round(value, 8), "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def average_price(order: Order, scale: Scale) -> str:
    """Average price of an order's fills; 0 where it has none."""
    if not order.executed_lots:
        return "0"
    return rounded(Decimal(order.executed_tick_lots * scale.tick_e9) / Decimal(order.executed_lots * E9))


def acknowledgement(order: Order, scale: Scale) -> Payload:
    """The answer to placing or canceling an order."""
    request = order.request
    executed = scale.size_text(order.executed_lots)
    return {
        "orderId": order.order_id,
        "symbol": request.symbol,
        "pair": request.symbol,
        "status": order.status,
        "clientOrderId": request.client_id,
        "price": scale.price_text(request.price_ticks),
        "origQty": scale.size_text(request.lots),
        "executedQty": executed,
        "cumQty": executed,
        "timeInForce": request.time_in_force,
        "type": request.kind,
        "origType": request.kind,
        "reduceOnly": request.reduce_only,
        "closePosition": False,
        "side": side(request.sign),
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "updateTime": order.updated_ns // MS,
    }


def full_order(order: Order, scale: Scale) -> Payload:
    """A row of `GET order` and `GET openOrders`."""
    return {
        **acknowledgement(order, scale),
        "time": order.created_ns // MS,
        "avgPrice": average_price(order, scale),
        "cumQuote": plain(scale.money(order.executed_tick_lots, 1)),
    }


def side(sign: int) -> str:
    """BUY or SELL."""
    return "BUY" if sign > 0 else "SELL"


def order_update(
    order: Order, scale: Scale, execution: str, now_ns: int, fill: Fill | None = None, reason: str = "0"
) -> Payload:
    """ORDER_TRADE_UPDATE. `execution` is `x`, `reason` is `er`."""
    request, now_ms = order.request, now_ns // MS
    return {
        "e": "ORDER_TRADE_UPDATE",
        "E": now_ms,
        "T": now_ms,
        "st": 1,
        "o": {
            "s": request.symbol,
            "c": request.client_id,
            "S": side(request.sign),
            "o": request.kind,
            "f": request.time_in_force,
            "q": scale.size_text(request.lots),
            "p": scale.price_text(request.price_ticks),
            "ap": average_price(order, scale),
            "sp": "0",
            "x": execution,
            "X": order.status,
            "i": order.order_id,
            "l": scale.size_text(fill.lots) if fill else "0",
            "z": scale.size_text(order.executed_lots),
            "L": scale.price_text(fill.price_ticks) if fill else "0",
            "N": "USDT",
            "n": plain(fill.commission) if fill else "0",
            "T": now_ms,
            "t": fill.trade_id if fill else 0,
            "b": "0",
            "a": "0",
            "m": fill.is_maker if fill else False,
            "R": request.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": request.kind,
            "ps": "BOTH",
            "cp": False,
            "pP": False,
            "si": 0,
            "ss": 0,
            "rp": plain(fill.realized) if fill else "0",
            "V": "EXPIRE_MAKER",
            "pm": "NONE",
            "gtd": 0,
            "er": reason,
        },
    }


def trade_lite(fill: Fill, scale: Scale) -> Payload:
    """TRADE_LITE: the same fill, earlier, without status and commission."""
    request, now_ms = fill.order.request, fill.at_ns // MS
    return {
        "e": "TRADE_LITE",
        "E": now_ms,
        "T": now_ms,
        "s": request.symbol,
        "q": scale.size_text(request.lots),
        "p": scale.price_text(request.price_ticks),
        "m": fill.is_maker,
        "c": request.client_id,
        "S": side(request.sign),
        "L": scale.price_text(fill.price_ticks),
        "l": scale.size_text(fill.lots),
        "t": fill.trade_id,
        "i": fill.order.order_id,
    }


def account_update(account: Account, symbol: str, mark: Decimal, now_ns: int) -> Payload:
    """ACCOUNT_UPDATE after a fill: the wallet and the position that changed."""
    position = account.position(symbol)
    row = {
        "s": symbol,
        "pa": plain(position.quantity),
        "ep": rounded(position.entry),
        "bep": rounded(position.entry),
        "cr": plain(position.realized),
        "up": plain(position.unrealized(mark)),
        "mt": "cross",
        "iw": "0",
        "ps": "BOTH",
        "ma": "USDT",
    }
    return _account_event(account, {"m": "ORDER"}, "0", [row], now_ns)


def funding_update(account: Account, symbol: str, received: Decimal, now_ns: int) -> Payload:
    """ACCOUNT_UPDATE after a payment of funding in cross margin: the wallet alone."""
    return _account_event(account, {"m": "FUNDING_FEE", "S": symbol}, plain(received), [], now_ns)


def _account_event(
    account: Account, why: dict[str, str], change: str, positions: list[dict[str, str]], now_ns: int
) -> Payload:
    wallet, now_ms = plain(account.wallet), now_ns // MS
    balance = {"a": "USDT", "wb": wallet, "cw": wallet, "bc": change}
    changed = {**why, "B": [balance], "P": positions}
    return {"e": "ACCOUNT_UPDATE", "E": now_ms, "T": now_ms, "st": 1, "a": changed}


def user_trade(fill: Fill, scale: Scale) -> Payload:
    """A row of `GET userTrades`."""
    request = fill.order.request
    return {
        "symbol": request.symbol,
        "pair": request.symbol,
        "id": fill.trade_id,
        "orderId": fill.order.order_id,
        "side": side(request.sign),
        "positionSide": "BOTH",
        "price": scale.price_text(fill.price_ticks),
        "qty": scale.size_text(fill.lots),
        "quoteQty": plain(scale.money(fill.price_ticks, fill.lots)),
        "realizedPnl": plain(fill.realized),
        "commission": plain(fill.commission),
        "commissionAsset": "USDT",
        "marginAsset": "USDT",
        "buyer": request.sign > 0,
        "maker": fill.is_maker,
        "time": fill.at_ns // MS,
    }


def income(payment: Payment) -> Payload:
    """A row of `GET income`."""
    return {
        "symbol": payment.symbol,
        "incomeType": "FUNDING_FEE",
        "income": plain(payment.received),
        "asset": "USDT",
        "info": "FUNDING_FEE",
        "time": payment.at_ns // MS,
        "tranId": payment.number,
        "tradeId": "",
    }


def position_risk(symbol: str, position: Position, mark: Decimal) -> Payload:
    """A row of `GET positionRisk` and of the account's positions."""
    notional = position.quantity * mark
    margin = rounded(abs(notional) / LEVERAGE)
    unrealized = plain(position.unrealized(mark))
    return {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": plain(position.quantity),
        "entryPrice": rounded(position.entry),
        "breakEvenPrice": rounded(position.entry),
        "markPrice": plain(mark),
        "unRealizedProfit": unrealized,
        "unrealizedProfit": unrealized,
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "isolatedWallet": "0",
        "notional": plain(notional),
        "marginAsset": "USDT",
        "initialMargin": margin,
        "positionInitialMargin": margin,
        "openOrderInitialMargin": "0",
        "maintMargin": rounded(abs(notional) / 250),
        "adl": 0,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated_ns // MS,
    }
