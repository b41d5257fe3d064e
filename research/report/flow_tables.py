"""The four tables of the article, beside its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import nan

from research.flow.analysis import SideAnalysis
from research.flow.plain import SIDES, Units
from research.report import seeds
from research.report.table import Table, Value, columns
from services.features.flow.orders import Orders

ENDS = 5  # orders shown of each end, as in the article
GROUPS = 10
Rows = list[tuple[Value, ...]]


def orders(side: SideAnalysis, units: Units) -> Table:
    """Table 1: taker orders."""
    found: Orders = side.orders
    count = len(found.times_ms)
    chosen = sorted({*range(min(ENDS, count)), *range(max(0, count - ENDS), count)})
    rows: Rows = [
        (
            _time(int(found.times_ms[at])),
            abs(int(found.last_ticks[at])) * units.tick,
            int(found.sizes_lots[at]) * units.lot,
            int(found.rows[at]),
            int(found.times_ms[at] - found.times_ms[at - 1]) if at else None,
            int(found.shocks_ticks[at]),
        )
        for at in chosen
    ]
    return Table(
        "flow-orders",
        "Table 1: taker orders, the first and the last",
        columns("time (UTC)", "last price|,.8g", "size|,.8g", "rows", "interval, ms|,", "shock, ticks"),
        rows,
        f"Takers who {SIDES[side.side]}, {count:,} orders: rows of one side with the same time are one "
        "order.",
    )


def shocks(sides: Sequence[SideAnalysis]) -> Table:
    """Table 2: shares of shocks by ticks."""
    shares = [{row.ticks: (row.share, row.times) for row in side.shocks} for side in sides]
    ticks = sorted({*range(len(seeds.SHOCK_SHARES)), *(tick for each in shares for tick in each)})
    rows: Rows = [
        (
            tick,
            seeds.SHOCK_SHARES[tick] if tick < len(seeds.SHOCK_SHARES) else None,
            *(value for each in shares for value in each.get(tick, (None, None))),
        )
        for tick in ticks
    ]
    names = [text for side in sides for text in (f"{SIDES[side.side]}|.4%", "orders|,")]
    return Table(
        "flow-shocks",
        "Table 2: price shock of one taker order",
        columns("ticks", "the article|.4%", *names),
        rows,
        "Shares of all orders; seen 10 times or less is left out, as in the article (HOOKUSDT, 2023-01-27, "
        "buys).",
    )


def changes(sides: Sequence[SideAnalysis]) -> Table:
    """Table 3: changes over 2 s."""
    found = [{row.ticks: row for row in side.changes} for side in sides]
    total = sum(seeds.CHANGE_COUNTS.values())
    ticks = sorted(
        {*seeds.CHANGE_COUNTS, *(tick for each in found for tick in each)}, key=lambda t: (abs(t), -t)
    )
    rows: Rows = []
    for tick in ticks:
        theirs = seeds.CHANGE_COUNTS.get(tick)
        ours = [each.get(tick) for each in found]
        rows.append(
            (
                tick,
                theirs,
                None if theirs is None else theirs / total,
                *(
                    value
                    for row in ours
                    for value in ((None, None) if row is None else (row.times, row.share))
                ),
            )
        )
    names = [text for side in sides for text in (f"{SIDES[side.side]}|,", "share|.2%")]
    return Table(
        "flow-changes-2s",
        "Table 3: changes of the price over 2 s",
        columns("ticks", "the article|,", "share|.2%", *names),
        rows,
        "Signed the taker's way; seen 30 times or less is left out, as in the article."
        + ("" if any(found) else " Here no change was seen so often."),
    )


def groups(side: SideAnalysis, units: Units) -> Table:
    """Table 4: mean change by volume, the first ten groups."""
    found = {
        int(number): (int(count), int(change) / int(count) * units.tick)
        for number, count, change in zip(*side.groups[1:], strict=True)
    }
    step = side.groups.step_lots * units.lot
    rows: Rows = [
        (
            f"{at * step:.6g} to {(at + 1) * step:.6g}",
            (at + 0.495) * step,
            (at + 0.995) * step,
            *found.get(at, (0, nan)),
            seeds.GROUP_CHANGES[at],
        )
        for at in range(GROUPS)
    ]
    return Table(
        "flow-groups",
        "Table 4: mean change by volume of 1 s, the first ten groups",
        columns(
            "volume",
            "center, code|.6g",
            "center, table|.6g",
            "windows|,",
            "mean change|.5g",
            "the article's|.6f",
        ),
        rows,
        f"Takers who {SIDES[side.side]}. The article steps by 100 of a mean of about 1,000; here by "
        f"{step:.4g}. Its printed table centers groups at 99.5, its code at 49.5: both are given.",
    )


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%d %H:%M:%S}.{at_ms % 1000:03d}"
