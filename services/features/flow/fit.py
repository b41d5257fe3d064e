"""Orders and probes of one side to `SideFlow`: what the service publishes and the trader quotes by."""

from __future__ import annotations

import math

import numpy as np

from services.features.flow import fills, impact, law
from services.features.flow import probe as p
from services.features.flow.law import Floats, Ints, SizeLaw
from services.features.flow.leaving import Walk
from services.features.flow.optimum import Optimum, optimum_of
from services.features.flow.orders import Orders
from services.features.flow.probe import Setup
from services.features.flow.windows import Windows, windows_of
from shared.errors import BadInput
from shared.messages import DepthFlow, SideFlow
from shared.rounding import rounded
from shared.units import SECOND

NO_LINE = "no impact line"


def side_of(
    orders: Orders,
    records: Ints,
    books: Ints,
    side: int,
    ticks: tuple[int, ...],
    setup: Setup,
    own_lots: int = 1,
) -> SideFlow:
    """`orders` are the takers' who meet resting orders of `side`; `records` the finished probes of that side;
    `books` (n, 80) the first of each second.
    Where there is no law, the numbers are NaN and `answer` says why."""
    second = windows_of(orders, 1.0)
    life = windows_of(orders, setup.lifetime_ns / SECOND)
    laws = [_law(orders.sizes_lots), _law(second.volumes_lots), _law(life.volumes_lots)]
    of_orders, of_second, of_life = (NO_LAW if one is None else one for one in laws)
    slope, intercept, optimum = gross(second, laws[1])
    needs = fills.needs_of(records, len(ticks), own_lots)
    return SideFlow(
        side=side,
        orders=len(orders.times_ms),
        order_mean_lots=rounded(of_orders.mean),
        order_alpha=rounded(of_orders.alpha),
        second_share=rounded(second.chance),
        second_mean_lots=rounded(of_second.mean),
        second_alpha=rounded(of_second.alpha),
        life_share=rounded(life.chance),
        life_mean_lots=rounded(of_life.mean),
        life_alpha=rounded(of_life.alpha),
        slope=rounded(slope),
        intercept=rounded(intercept),
        answer=optimum.answer,
        optimum_lots=rounded(optimum.quantity),
        break_even_lots=rounded(optimum.break_even),
        replenishment=rounded(needs.replenishment),
        canceled=rounded(needs.canceled),
        depths=depths_of(records, ticks, setup, needs, laws[2], life.chance),
        slippages=Walk.of(books, -side).slippages(),
    )


NO_LAW = SizeLaw(math.nan, math.nan)


def _law(values: Ints) -> SizeLaw | None:
    """The article's law; None where there are no values, or all are the same."""
    try:
        return law.fit(values)
    except BadInput:
        return None


def gross(second: Windows, of_second: SizeLaw | None) -> tuple[float, float, Optimum]:
    """Slope and intercept of the impact line of one-second windows, and the optimum; NaN without."""
    none = Optimum(NO_LINE if of_second is not None else "no law of sizes", math.nan, math.nan, math.nan)
    if of_second is None:
        return math.nan, math.nan, none
    line = impact.line_of(impact.groups_of(second, impact.step_of(of_second.mean)))
    if line is None:
        return math.nan, math.nan, none
    return line.slope, line.intercept, optimum_of(of_second, line.slope, line.intercept)


def depths_of(
    records: Ints,
    ticks: tuple[int, ...],
    setup: Setup,
    needs: fills.Needs,
    of_life: SizeLaw | None,
    life_share: float,
) -> tuple[DepthFlow, ...]:
    """By depth, nearest first; `records` are of one side, finished."""
    chances: Floats = fills.predicted(records, needs, of_life, life_share)
    out = []
    for place, distance in enumerate(ticks):
        mine = records[:, p.DEPTH] == place
        out.append(fills.depth_of(records[mine], distance, chances[mine], setup, needs.canceled_at[place]))
    return fills.recalibrated(out)


def split(records: Ints, side: int) -> Ints:
    """The finished probes of one side."""
    return fills.finished(np.asarray(records[records[:, p.SIDE] == side]))
