"""The eight figures of the article, drawn of our data: takers who buy on the left, who sell on the right.

Sizes are in coins and prices in quote currency; prices of sells are turned round, so that up is always the
way the taker pushes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from research.flow.analysis import SideAnalysis
from research.flow.plain import SIDES, Units
from research.flow.shocks import CHANGES_TICKS, SHOCKS_TICKS, Row
from research.report import seeds
from research.report.picture import FIT, MEASURED, QUIET, SECOND_FIT, THIRD_FIT, Picture, canvases, png
from research.report.table import Table, Value, columns
from services.features.flow.law import ARTICLE, PLAIN, Floats, Ints
from services.features.flow.windows import windows_of

POINTS = 300
SHOWN_SHARE = 0.95  # of the volumes; the tail beyond is in no picture of the article either
ARTICLE_LABEL = "article's form"
PLAIN_LABEL = "without the 20^ term"

NEEDS = {
    1: "volume in 1 s needs 20 windows with a trade",
    2: "volume in 30 s needs 20 windows with a trade",
    3: "volume in 2 s needs 20 windows with a trade",
    4: f"no order moved the price by 1 to {SHOCKS_TICKS - 1} ticks",
    5: f"no window of 2 s moved the price by up to {CHANGES_TICKS} ticks",
    6: f"no window of 2 s moved the price by 1 to {CHANGES_TICKS - 1} ticks",
    7: "a window of 1 s counts where the price changed in it",
    8: "the gain needs the law of volume in 1 s and three groups with a change",
}

Curves = dict[str, tuple[str, Callable[[Floats], Floats]]]  # label -> color, survival at sizes in lots
Draw = Callable[[Axes, SideAnalysis], list[tuple[Value, ...]]]


def figures(sides: Sequence[SideAnalysis], units: Units, aggregation: str) -> list[Picture | str]:
    """In the order of the article; where the data are too short for one, a sentence stands in its place."""
    made = [
        _volumes(sides, units, 1.0, "flow-1s", "Figure 1: volume in 1 s"),
        _volumes(sides, units, 30.0, "flow-30s", "Figure 2: volume in 30 s"),
        _scaled(sides, units),
        _rows(
            sides,
            units,
            lambda side: _grouped(side.orders.shocks_ticks, side.orders.sizes_lots, 1, SHOCKS_TICKS - 1),
            "flow-shock-size",
            "Figure 4: size of orders by the shock they caused",
            "shock of one order, ticks",
            lambda side: side.shock_lots_a_tick,
        ),
        _changes(sides),
        _rows(
            sides,
            units,
            lambda side: _changed(side, 1, CHANGES_TICKS - 1),
            "flow-change-volume",
            "Figure 6: volume of 2 s by the change of the price",
            "change over 2 s the taker's way, ticks",
            lambda side: side.change_lots_a_tick,
        ),
        _impact(sides, units),
        _gain(sides, units),
    ]
    words = f"From {aggregation}."
    return [
        f"Figure {number} cannot be drawn: {NEEDS[number]}."
        if each is None
        else Picture(each.name, each.title, each.png, f"{words} {each.note}".strip(), each.behind)
        for number, each in enumerate(made, 1)
    ]


def _drawn(
    sides: Sequence[SideAnalysis],
    name: str,
    title: str,
    x: str,
    y: str,
    names: str,
    draw: Draw,
    note: str = "",
) -> Picture | None:
    """A panel a side; None where neither has anything to show."""
    figure, panels = canvases(len(sides))
    rows: list[tuple[Value, ...]] = []
    for axes, side in zip(panels, sides, strict=True):
        found = draw(axes, side)
        rows += [(SIDES[side.side], *row) for row in found]
        axes.set_title(f"takers {SIDES[side.side]}", fontsize=10)
        axes.set_xlabel(x)
        if found:
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False, fontsize=8)
        else:
            axes.annotate(
                "too few in these data", (0.5, 0.5), xycoords="axes fraction", ha="center", color=QUIET
            )
    panels[0].set_ylabel(y)
    if not rows:
        return None
    behind = Table(name, title, columns("takers", *names.split(";")), rows)
    return Picture(name, title, png(figure), note, behind)


def _survivals(axes: Axes, volumes: Ints, lot: float, curves: Curves) -> list[tuple[Value, ...]]:
    """The share above each size, seen and by each law."""
    reach = float(np.quantile(volumes, SHOWN_SHARE))
    at = np.linspace(0.0, reach, POINTS)
    seen = 1.0 - np.searchsorted(np.sort(volumes), at, "right") / len(volumes)
    axes.plot(at * lot, seen, color=MEASURED, linewidth=1.6, label="seen")
    told = []
    for label, (color, survival) in curves.items():
        told.append(survival(at))
        axes.plot(at * lot, told[-1], color=color, linewidth=1.3, label=label)
    axes.set_ylim(0, 1)
    axes.set_xlim(left=0)
    return [tuple(float(value) for value in row) for row in zip(at * lot, seen, *told, strict=True)]


def _volumes(
    sides: Sequence[SideAnalysis], units: Units, seconds: float, name: str, title: str
) -> Picture | None:
    def draw(axes: Axes, side: SideAnalysis) -> list[tuple[Value, ...]]:
        window = next((each for each in side.windows if each.seconds == seconds), None)
        if window is None:
            return []
        curves: Curves = {
            label: (
                color,
                window.forms[form].law.survival,
            )
            for label, form, color in (
                (f"{ARTICLE_LABEL}, KS {window.forms[ARTICLE].distance:.3f}", ARTICLE, FIT),
                (f"{PLAIN_LABEL}, KS {window.forms[PLAIN].distance:.3f}", PLAIN, SECOND_FIT),
            )
        }
        return _survivals(axes, windows_of(side.orders, seconds).volumes_lots, units.lot, curves)

    return _drawn(
        sides,
        name,
        title,
        f"volume in {seconds:g} s, coins",
        "share of windows above",
        "volume|.6g;seen|.4f;article|.4f;plain|.4f",
        draw,
        "Windows without a trade are left out. KS is the Kolmogorov-Smirnov distance.",
    )


def _scaled(sides: Sequence[SideAnalysis], units: Units) -> Picture | None:
    def draw(axes: Axes, side: SideAnalysis) -> list[tuple[Value, ...]]:
        found = next((each for each in side.durations if each.seconds == 2.0), None)
        if found is None:
            return []
        law = side.sizes[ARTICLE].law

        def scaled(duration_ms: float) -> Callable[[Floats], Floats]:
            return lambda at: law.survival(at, side.interval_ms / duration_ms)

        curves: Curves = {
            f"derived D = {found.derived_ms:,.0f} ms, KS {found.derived_distance:.3f}": (
                FIT,
                scaled(found.derived_ms),
            ),
            f"fitted D = {found.fitted_ms:,.0f} ms, KS {found.fitted_distance:.3f}": (
                SECOND_FIT,
                scaled(found.fitted_ms),
            ),
        }
        return _survivals(axes, windows_of(side.orders, 2.0).volumes_lots, units.lot, curves)

    return _drawn(
        sides,
        "flow-2s",
        "Figure 3: volume in 2 s from the law of single orders",
        "volume in 2 s, coins",
        "share of windows above",
        "volume|.6g;seen|.4f;derived|.4f;fitted|.4f",
        draw,
        f"The article fits D = {seeds.D_2S_MS:,.0f} ms; derived is D = T / P(N > 0).",
    )


def _grouped(ticks: Ints, lots: Ints, least: int, most: int) -> list[Row]:
    """How often each distance was seen, and the mean size that went with it; however rare, as in the figures
    of the article."""
    found, places, times = np.unique(ticks, return_inverse=True, return_counts=True)
    sums = np.bincount(places, lots, len(found))
    return [
        Row(int(tick), int(count), int(count) / len(ticks), float(total) / int(count))
        for tick, count, total in zip(found, times, sums, strict=True)
        if least <= tick <= most
    ]


def _changed(side: SideAnalysis, least: int, most: int) -> list[Row]:
    windows = windows_of(side.orders, 2.0)
    moved = windows.changes_ticks != 0
    return _grouped(windows.changes_ticks[moved], windows.volumes_lots[moved], least, most)


def _rows(
    sides: Sequence[SideAnalysis],
    units: Units,
    of: Callable[[SideAnalysis], list[Row]],
    name: str,
    title: str,
    x: str,
    slope: Callable[[SideAnalysis], float],
) -> Picture | None:
    def draw(axes: Axes, side: SideAnalysis) -> list[tuple[Value, ...]]:
        rows = of(side)
        if not rows:
            return []
        ticks = np.array([row.ticks for row in rows])
        sizes = np.array([row.mean_lots for row in rows]) * units.lot
        axes.plot(ticks, sizes, "o-", color=MEASURED, markersize=4, linewidth=1, label="seen")
        steep = slope(side) * units.lot
        if np.isfinite(steep):
            line = sizes.mean() + steep * (ticks - ticks.mean())
            axes.plot(ticks, line, color=FIT, label=f"{steep:.4g} coins a tick, of those seen often")
        axes.set_ylim(bottom=0)
        axes.locator_params(axis="x", integer=True)
        return [(row.ticks, row.times, float(size)) for row, size in zip(rows, sizes, strict=True)]

    return _drawn(sides, name, title, x, "mean size, coins", "ticks;count|,;mean size|.6g", draw)


def _changes(sides: Sequence[SideAnalysis]) -> Picture | None:
    def draw(axes: Axes, side: SideAnalysis) -> list[tuple[Value, ...]]:
        rows = _changed(side, -CHANGES_TICKS, CHANGES_TICKS)
        if not rows:
            return []
        colors = [FIT if row.ticks > 0 else SECOND_FIT for row in rows]
        axes.bar([row.ticks for row in rows], [row.times for row in rows], color=colors)
        axes.locator_params(axis="x", integer=True)
        return [(row.ticks, row.times, row.share) for row in rows]

    return _drawn(
        sides,
        "flow-changes",
        "Figure 5: changes of the price over 2 s",
        "change over 2 s the taker's way, ticks",
        "windows",
        "ticks;count|,;share|.2%",
        draw,
        "Only orders of one side are looked at, so a move against the taker is seen about one tick less "
        "often than it happened. Changes seen 30 times or fewer are left out, as in the article.",
    )


def _impact(sides: Sequence[SideAnalysis], units: Units) -> Picture | None:
    def draw(axes: Axes, side: SideAnalysis) -> list[tuple[Value, ...]]:
        groups = side.groups
        if not len(groups.numbers):
            return []
        x = (groups.numbers + 0.495) * groups.step_lots * units.lot
        y = groups.changes_ticks / groups.counts * units.tick
        axes.axhline(0, color=QUIET, linewidth=0.8)
        axes.scatter(
            x, y, s=8 + 40 * groups.counts / groups.counts.max(), color=MEASURED, alpha=0.6, label="groups"
        )
        for name, color in (("code", FIT), ("table", SECOND_FIT)):
            if name in side.impacts:
                line = side.impacts[name].line
                steep = line.slope * units.tick / units.lot
                start = line.intercept * units.tick
                ends = np.array([0.0, float(x.max())])
                style = "-" if name == "code" else "--"
                label = f"dp = {steep:.3g} Q {start:+.3g}"
                axes.plot(ends, steep * ends + start, style, color=color, label=label)
        return [
            (float(at), int(count), float(mean)) for at, count, mean in zip(x, groups.counts, y, strict=True)
        ]

    return _drawn(
        sides,
        "flow-impact",
        "Figure 7: change of the price by volume, 1 s",
        "volume in 1 s, coins (center of group)",
        "mean change, quote currency",
        "volume|.6g;windows|,;mean change|.5g",
        draw,
        "Windows with a change; larger points are more windows, and count for more in the line. Solid: "
        "centers as in the article's code; dashed: as in its printed table. The article: dp = Q/2,000,000 - "
        "0.000352.",
    )


def _gain(sides: Sequence[SideAnalysis], units: Units) -> Picture | None:
    def draw(axes: Axes, side: SideAnalysis) -> list[tuple[Value, ...]]:
        window = next((each for each in side.windows if each.seconds == 1.0), None)
        if window is None or "code" not in side.impacts:
            return []
        found = side.impacts["code"]
        line, optimum = found.line, found.optima[ARTICLE]
        reach = max(
            15.0 * window.forms[ARTICLE].law.mean, 1.5 * optimum.quantity if optimum.is_found else 0.0
        )
        at = np.linspace(0.0, reach, POINTS)
        move = (line.slope * at + line.intercept) * units.tick
        gains = []
        for form, color, label in ((ARTICLE, FIT, ARTICLE_LABEL), (PLAIN, SECOND_FIT, PLAIN_LABEL)):
            gains.append(window.forms[form].law.survival(at) * move)
            axes.plot(at * units.lot, gains[-1], color=color, label=label)
        axes.axhline(0, color=QUIET, linewidth=0.8)
        if optimum.is_found:
            best = optimum.quantity * units.lot
            axes.axvline(best, color=THIRD_FIT, linestyle="--", linewidth=1, label=f"Q* = {best:.4g} coins")
        else:
            axes.plot([], [], " ", label=optimum.answer)
        return [
            tuple(float(value) for value in row) for row in zip(at * units.lot, move, *gains, strict=True)
        ]

    return _drawn(
        sides,
        "flow-gain",
        "Figure 8: expected gain of resting behind a volume Q, gross",
        "Q, coins traded in 1 s",
        "P(V > Q) · dp(Q), quote currency",
        "volume|.6g;move|.5g;gain, article|.5g;gain, plain|.5g",
        draw,
        f"The article: Q* = {seeds.OPTIMUM_QUANTITY:,.0f}, {seeds.OPTIMUM_MEANS} times the mean of a second "
        "with a trade. Volume traded is no place in the book, and no fee is paid here: see the net value "
        "below.",
    )
