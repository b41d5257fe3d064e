"""The eight figures of the article, drawn of our data: takers who buy on the left, who sell on the right.

Sizes are in coins, of inverse contracts in contracts, and prices in quote currency; prices of sells are
turned round, so that up is always the way the taker pushes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from research.flow.analysis import SideAnalysis
from research.flow.plain import Units
from research.report import seeds
from research.report.flow_moves import moves
from research.report.flow_panels import drawn
from research.report.picture import FIT, MEASURED, QUIET, SECOND_FIT, THIRD_FIT, Picture
from research.report.table import Value
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
    4: "no order moved the price",
    5: "no window of 2 s moved the price",
    6: "no window of 2 s moved the price the taker's way",
    7: "a window of 1 s counts where the price changed in it",
    8: "the gain needs the law of volume in 1 s and three groups with a change",
}

Curves = dict[str, tuple[str, Callable[[Floats], Floats]]]  # label -> color, survival at sizes in lots


def figures(sides: Sequence[SideAnalysis], units: Units, aggregation: str) -> list[Picture | str]:
    """In the order of the article; where the data are too short for one, a sentence stands in its place."""
    made = [
        _volumes(sides, units, 1.0, "flow-1s", "Figure 1: volume in 1 s"),
        _volumes(sides, units, 30.0, "flow-30s", "Figure 2: volume in 30 s"),
        _scaled(sides, units),
        *moves(sides, units),
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

    return drawn(
        sides,
        name,
        title,
        f"volume in {seconds:g} s, {units.names.size}",
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

    return drawn(
        sides,
        "flow-2s",
        "Figure 3: volume in 2 s from the law of single orders",
        f"volume in 2 s, {units.names.size}",
        "share of windows above",
        "volume|.6g;seen|.4f;derived|.4f;fitted|.4f",
        draw,
        f"The article fits D = {seeds.D_2S_MS:,.0f} ms; derived is D = T / P(N > 0).",
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

    return drawn(
        sides,
        "flow-impact",
        "Figure 7: change of the price by volume, 1 s",
        f"volume in 1 s, {units.names.size} (center of group)",
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
            label = f"Q* = {best:.4g} {units.names.size}"
            axes.axvline(best, color=THIRD_FIT, linestyle="--", linewidth=1, label=label)
        else:
            axes.plot([], [], " ", label=optimum.answer)
        return [
            tuple(float(value) for value in row) for row in zip(at * units.lot, move, *gains, strict=True)
        ]

    return drawn(
        sides,
        "flow-gain",
        "Figure 8: expected gain of resting behind a volume Q, gross",
        f"Q, {units.names.size} traded in 1 s",
        "P(V > Q) · dp(Q), quote currency",
        "volume|.6g;move|.5g;gain, article|.5g;gain, plain|.5g",
        draw,
        f"The article: Q* = {seeds.OPTIMUM_QUANTITY:,.0f}, {seeds.OPTIMUM_MEANS} times the mean of a second "
        "with a trade. Volume traded is no place in the book, and no fee is paid here: see the net value "
        "below.",
    )
