"""The account as the venue has it, asked for at the start and whenever events may have been missed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from services.trader.account import ASSET, AccountBook
from services.trader.desk import Desk
from services.trader.ledger import first_account, last_account
from shared.runner import Context
from shared.streams import ZERO_ID, Stream
from shared.units import MS

PAGE = 1000


async def open_account(context: Context, desk: Desk) -> None:
    """Give a desk the account, with the funding since the run began, and write how it stands."""
    link, key = await context.link(), context.key(Stream.ACCOUNT)
    first, last = await first_account(link, key), await last_account(link, key)
    desk.account_id = last[0] if last else ZERO_ID
    desk.account = AccountBook(
        None if first is None else first.exchange_ns, last[1].funding if last else None
    )
    await refresh_account(context, desk)


async def refresh_account(context: Context, desk: Desk) -> None:
    """Bring the account of the desk that keeps it up to the venue's truth, and write it down."""
    book = desk.account
    if book is None:
        return
    balances = await desk.gateway.fetch("/fapi/v3/balance")
    risks = await desk.gateway.fetch("/fapi/v3/positionRisk")
    book.load(balances, risks)
    if not context.settings.lockstep:  # no event is lost there
        book.count_funding(await _funding(desk, book.since_ns // MS + 1, book.loaded_ns // MS))
    await desk.publish_account()


async def _funding(desk: Desk, since_ms: int, until_ms: int) -> Decimal:
    """What was received of funding in a span of time, less what was paid. Later ones come as events."""
    rows: dict[Any, Decimal] = {}
    while True:
        page = await desk.gateway.fetch(
            "/fapi/v1/income",
            incomeType="FUNDING_FEE",
            startTime=since_ms,
            endTime=max(since_ms, until_ms),
            limit=PAGE,
        )
        known = len(rows)
        rows |= {
            (row["tranId"], row["symbol"]): Decimal(row["income"]) for row in page if row["asset"] == ASSET
        }
        if len(page) < PAGE or len(rows) == known:
            return sum(rows.values(), Decimal(0))
        since_ms = int(page[-1]["time"])
