"""Figures 4 to 6 of the article: how far orders and windows of 2 s move the price, and the size that goes
with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from research.flow.analysis import SideAnalysis
from research.flow.plain import Units
from research.flow.shocks import CHANGES_TICKS, SHOCKS_TICKS
from research.report.flow_panels import drawn
from research.report.picture import FIT, MEASURED, SECOND_FIT, Picture
from research.report.table import Value
from services.features.flow.law import Ints
from services.features.flow.windows import windows_of


def moves(sides: Sequence[SideAnalysis], units: Units) -> list[Picture | None]:
    """In the order of the article; None where nothing moved."""
    return [
        _rows(
            sides,
            units,
            _shocked,
            "flow-shock-size",
            "Figure 4: size of orders by the shock they caused",
            "shock of one order, ticks",
        ),
        _changes(sides),
        _rows(
            sides,
            units,
            _rose,
            "flow-change-volume",
            "Figure 6: volume of 2 s by the change of the price",
            "change over 2 s the taker's way, ticks",
        ),
    ]


class Seen(NamedTuple):
    """Moves of about so many ticks: how often, their share, and the mean size that went with them."""

    ticks: float
    times: int
    share: float
    mean_lots: float


def step_of(ticks: Ints, most: int) -> int:
    """Ticks that are taken together, so that nine tenths of the moves lie within `most` steps: 1 where a tick
    is as coarse as the article's.

    >>> step_of(np.array([1, 1, 2, -3]), 15), step_of(np.array([-100, 20, 150, 90]), 15)
    (1, 9)
    """
    sizes = np.abs(ticks[ticks != 0])
    return max(1, round(float(np.quantile(sizes, 0.9)) / most)) if len(sizes) else 1


def grouped(ticks: Ints, lots: Ints, step: int, most: int) -> list[Seen]:
    """Moves other than 0 within `most` steps, however rare: the figures of the article leave none out."""
    numbers = np.sign(ticks) * -(-np.abs(ticks) // step)
    found, places, times = np.unique(numbers, return_inverse=True, return_counts=True)
    sums = np.bincount(places, lots, len(found))
    return [
        Seen(
            float(number * step - np.sign(number) * (step - 1) / 2),
            int(count),
            int(count) / len(ticks),
            float(total) / int(count),
        )
        for number, count, total in zip(found, times, sums, strict=True)
        if 0 < abs(number) <= most
    ]


def _shocked(side: SideAnalysis) -> tuple[list[Seen], int]:
    ticks = side.orders.shocks_ticks
    step = step_of(ticks, SHOCKS_TICKS - 1)
    return grouped(ticks, side.orders.sizes_lots, step, SHOCKS_TICKS - 1), step


def _changed(side: SideAnalysis) -> tuple[list[Seen], int]:
    windows = windows_of(side.orders, 2.0)
    moved = windows.changes_ticks != 0
    ticks = windows.changes_ticks[moved]
    step = step_of(ticks, CHANGES_TICKS)
    return grouped(ticks, windows.volumes_lots[moved], step, CHANGES_TICKS), step


def _rose(side: SideAnalysis) -> tuple[list[Seen], int]:
    rows, step = _changed(side)
    return [row for row in rows if row.ticks > 0], step


def _rows(
    sides: Sequence[SideAnalysis],
    units: Units,
    of: Callable[[SideAnalysis], tuple[list[Seen], int]],
    name: str,
    title: str,
    x: str,
) -> Picture | None:
    def draw(axes: Axes, side: SideAnalysis) -> list[tuple[Value, ...]]:
        rows, step = of(side)
        if not rows:
            return []
        ticks = np.array([row.ticks for row in rows])
        sizes = np.array([row.mean_lots for row in rows]) * units.lot
        axes.plot(ticks, sizes, "o-", color=MEASURED, markersize=4, linewidth=1, label=_steps(step))
        if len(rows) > 2:
            steep, start = np.polyfit(ticks, sizes, 1, w=np.sqrt([row.times for row in rows]))
            axes.plot(ticks, steep * ticks + start, color=FIT, label=f"{steep:.3g} {units.names.size} a tick")
        axes.set_ylim(bottom=0)
        axes.locator_params(axis="x", integer=True)
        return [(row.ticks, row.times, float(size)) for row, size in zip(rows, sizes, strict=True)]

    return drawn(sides, name, title, x, f"mean size, {units.names.size}", "ticks;count|,;mean size|.6g", draw)


def _steps(step: int) -> str:
    return "seen" if step == 1 else f"seen, in steps of {step} ticks"


def _changes(sides: Sequence[SideAnalysis]) -> Picture | None:
    def draw(axes: Axes, side: SideAnalysis) -> list[tuple[Value, ...]]:
        rows, step = _changed(side)
        if not rows:
            return []
        colors = [FIT if row.ticks > 0 else SECOND_FIT for row in rows]
        axes.bar([row.ticks for row in rows], [row.times for row in rows], 0.8 * step, color=colors)
        axes.plot([], [], " ", label=_steps(step))
        axes.locator_params(axis="x", integer=True, nbins=6)
        axes.locator_params(axis="y", integer=True)
        return [(row.ticks, row.times, row.share) for row in rows]

    return drawn(
        sides,
        "flow-changes",
        "Figure 5: changes of the price over 2 s",
        "change over 2 s the taker's way, ticks",
        "windows",
        "ticks;count|,;share|.2%",
        draw,
        "Only orders of one side are looked at, so a move against the taker is seen about one tick less "
        "often than it happened.",
    )
