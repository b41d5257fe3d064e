"""Ask the venue what is true: our orders, the trades since the last one booked, the position.

The answers become facts like any other; the last of them is the position, and the core says whether it
agrees with the ledger. Until it does, the trader opens nothing.
"""

from __future__ import annotations

from typing import Any

from services.trader.answers import order_fact, placed
from services.trader.desk import Desk
from services.trader.events import trade_fact
from services.trader.facts import Fact, PositionFact, TradeFact
from shared.runner import Context, sleep_unless
from shared.units import MS

PAGE = 1000
ATTEMPTS = 5
RETRY_SECONDS = 0.3


async def reconcile(desk: Desk, context: Context) -> bool:
    """Bring the ledger of one symbol up to the venue's truth. Returns whether they agree.

    A trade between two of the questions makes them disagree for a moment, so it is asked more than once.
    """
    against, name = context.telemetry.not_ready, f"reconcile_{desk.symbol}"
    for attempt in range(ATTEMPTS):
        await _orders(desk)
        await _trades(desk)
        await desk.tell_facts((await _position(desk),))
        if desk.core.is_reconciled:
            against.pop(name, None)
            return True
        if attempt + 1 < ATTEMPTS:
            await sleep_unless(context.stop, RETRY_SECONDS)
    against[name] = "position disagrees with the venue"
    context.log.error("%s: the venue's position disagrees with the ledger; nothing is opened", desk.symbol)
    return False


async def _orders(desk: Desk) -> None:
    """Every order we think is live, and every open order that bears our prefix."""
    started_ms = desk.gateway.now_ms()
    was_idle = not desk.tasks
    for client_id in list(desk.core.orders.live):
        outcome = await desk.gateway.query(desk.symbol, client_id)
        if outcome.kind == "order":
            await desk.tell_facts(placed(client_id, outcome, desk.scale))
        elif was_idle:
            # No request of this process is under way: the intent is an earlier one's, sent before we started.
            desk.spawn(desk.resolve(client_id, started_ms))
    for row in await desk.gateway.fetch("/fapi/v1/openOrders", symbol=desk.symbol):
        await desk.tell_facts((order_fact(row, desk.scale),))


async def _trades(desk: Desk) -> None:
    """Trades after the last one booked; before the first, those of orders of ours only.

    An account may have a history that is not this run's.
    """
    orders = desk.core.orders
    while True:
        params: dict[str, str | int] = {"symbol": desk.symbol, "limit": PAGE}
        is_first = orders.last_trade_id == 0
        if not is_first:
            params["fromId"] = orders.last_trade_id + 1
        rows: list[dict[str, Any]] = await desk.gateway.fetch("/fapi/v1/userTrades", **params)
        found = [trade_fact(row, desk.scale) for row in rows]
        found.sort(key=lambda fact: fact.trade_id)
        facts: list[Fact] = [fact for fact in found if not is_first or _is_ours(fact, desk)]
        await desk.tell_facts(facts)
        if len(rows) < PAGE or is_first:
            return


def _is_ours(fact: TradeFact, desk: Desk) -> bool:
    return fact.order_id in desk.core.orders.by_id


async def _position(desk: Desk) -> PositionFact:
    risks = await desk.gateway.fetch("/fapi/v3/positionRisk", symbol=desk.symbol)
    lots, updated_ms = 0, 0
    for row in risks:
        if row["symbol"] == desk.symbol and row.get("positionSide", "BOTH") == "BOTH":
            lots += desk.scale.lots(row["positionAmt"])
            updated_ms = max(updated_ms, int(row.get("updateTime") or 0))
    orders = await desk.gateway.fetch("/fapi/v1/openOrders", symbol=desk.symbol)
    return PositionFact(updated_ms * MS, lots, len(orders))
