"""What the venue demands of an order before it looks at the book: the filters, and their refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.venue.events import Instrument
from services.venue.orders import OrderRequest, Refusal
from shared.errors import BadFrame
from shared.units import E9, Scale, e9, e9_text

CLIENT_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")
CONDITIONAL = frozenset(("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"))
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX")
MIN_NOTIONAL = {"BTCUSDT": 50, "ETHUSDT": 20}
MIN_NOTIONAL_ELSE = 5
PERCENT_UP, PERCENT_DOWN = Decimal("1.05"), Decimal("0.95")
MAX_PRICE_E9 = 4_529_764 * E9
MAX_QUANTITY = {"BTCUSDT": 1_000, "ETHUSDT": 10_000}
MAX_QUANTITY_ELSE = 10_000_000
MAX_OPEN_ORDERS = 200


def places(unit_e9: int) -> int:
    """Decimal places of a tick or lot: 3 for 0.001."""
    return len(e9_text(unit_e9).partition(".")[2])


def min_notional(symbol: str) -> Decimal:
    """The least quantity times price of an order that is not reduce-only, USDT."""
    return Decimal(MIN_NOTIONAL.get(symbol, MIN_NOTIONAL_ELSE))


def describe(instrument: Instrument) -> dict[str, Any]:
    """The symbol's part of exchangeInfo."""
    symbol, scale = instrument.symbol, instrument.scale
    tick, lot = e9_text(scale.tick_e9), e9_text(scale.lot_e9)
    most = str(MAX_QUANTITY.get(symbol, MAX_QUANTITY_ELSE))
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": places(scale.tick_e9) + 1,
        "quantityPrecision": places(scale.lot_e9),
        "triggerProtect": "0.0500",
        "marketTakeBound": "0.05",
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": list(TIMES_IN_FORCE),
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "tickSize": tick,
                "minPrice": tick,
                "maxPrice": e9_text(MAX_PRICE_E9),
            },
            {"filterType": "LOT_SIZE", "stepSize": lot, "minQty": lot, "maxQty": most},
            {"filterType": "MARKET_LOT_SIZE", "stepSize": lot, "minQty": lot, "maxQty": most},
            {"filterType": "MAX_NUM_ORDERS", "limit": MAX_OPEN_ORDERS},
            {"filterType": "MIN_NOTIONAL", "notional": str(min_notional(symbol))},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
    }


def parse_order(params: Mapping[str, str], instruments: Mapping[str, Instrument]) -> OrderRequest | Refusal:
    """The request that parameters of `POST /fapi/v1/order` ask for, or why they ask for none."""
    for name in ("symbol", "side", "type"):
        if not params.get(name):
            return missing(name)
    instrument = instruments.get(params["symbol"])
    if instrument is None:
        return Refusal(-1121, "Invalid symbol.")
    kind, side = params["type"], params["side"]
    if kind in CONDITIONAL:
        return Refusal(
            -4120,
            "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
        )
    if kind not in ("MARKET", "LIMIT"):
        return Refusal(-1116, "Invalid orderType.")
    if side not in ("BUY", "SELL"):
        return Refusal(-1117, "Invalid side.")
    if params.get("positionSide", "BOTH") != "BOTH":
        return Refusal(-4061, "Order's position side does not match user's setting.")
    client_id = params.get("newClientOrderId", "")
    if client_id and not CLIENT_ID.match(client_id):
        return Refusal(-4015, "Client order id is not valid.")
    lots = _lots(params.get("quantity"), instrument)
    if isinstance(lots, Refusal):
        return lots
    price_ticks, time_in_force = 0, params.get("timeInForce", "GTC")
    if kind == "LIMIT":
        if not params.get("timeInForce"):
            return missing("timeInForce")
        if time_in_force not in TIMES_IN_FORCE:
            return Refusal(-1115, "Invalid timeInForce.")
        ticks = _ticks(params.get("price"), instrument.scale)
        if isinstance(ticks, Refusal):
            return ticks
        price_ticks = ticks
    elif params.get("price") or params.get("timeInForce"):
        extra = "price" if params.get("price") else "timeInForce"
        return Refusal(-1106, f"Parameter '{extra}' sent when not required.")
    return OrderRequest(
        symbol=instrument.symbol,
        client_id=client_id,
        sign=1 if side == "BUY" else -1,
        kind=kind,
        time_in_force=time_in_force,
        price_ticks=price_ticks,
        lots=lots,
        reduce_only=params.get("reduceOnly", "false").lower() == "true",
    )


def missing(name: str) -> Refusal:
    """The refusal of a request that lacks a mandatory parameter."""
    return Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def _number(text: str, digits: int) -> int | Refusal | None:
    """A decimal text in 1e-9; None where it is no number."""
    if len(text.partition(".")[2]) > digits:
        return Refusal(-1111, "Precision is over the maximum defined for this asset.")
    try:
        return e9(text)
    except BadFrame:
        return None


def _lots(text: str | None, instrument: Instrument) -> int | Refusal:
    lot_e9 = instrument.scale.lot_e9
    value = _number(text, places(lot_e9)) if text else None
    if value is None:
        return missing("quantity")
    if isinstance(value, Refusal):
        return value
    if value <= 0:
        return Refusal(-4003, "Quantity less than or equal to zero.")
    if value < lot_e9:
        return Refusal(-4004, "Quantity less than min quantity.")
    if value > MAX_QUANTITY.get(instrument.symbol, MAX_QUANTITY_ELSE) * E9:
        return Refusal(-4005, "Quantity greater than max quantity.")
    if value % lot_e9:
        return Refusal(-4023, "Qty not increased by step size.")
    return value // lot_e9


def _ticks(text: str | None, scale: Scale) -> int | Refusal:
    value = _number(text, places(scale.tick_e9) + 1) if text else None
    if value is None:
        return missing("price")
    if isinstance(value, Refusal):
        return value
    if value < scale.tick_e9:
        return Refusal(-4013, "Price less than min price.")
    if value > MAX_PRICE_E9:
        return Refusal(-4002, "Price greater than max price.")
    if value % scale.tick_e9:
        return Refusal(-4014, "Price not increased by tick size.")
    return value // scale.tick_e9
