"""What training promised of a model beside what it did: the same figures at the same coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import NamedTuple

import numpy as np

from research.report.picture import FIT, MEASURED, QUIET, SECOND_FIT, Picture, canvases, png
from research.report.table import Table, Value, columns
from research.scores import Score

Row = Mapping[str, str | int | float | bool | None]  # `Score.plain`, as a manifest keeps it
WORDS = {
    "as promised": "the promise lies inside the interval of what was seen",
    "better": "the interval of what was seen lies above the promise",
    "worse": "the interval of what was seen lies below the promise",
    "unreliable": "too few blocks for an interval",
    "not told": "nothing was promised, or nothing was selected",
}


class Comparison(NamedTuple):
    """One horizon under one selection. NaN where a side has no figure."""

    horizon_s: int
    selection: str
    promised_hit: float
    hit: float
    low: float
    high: float
    promised_coverage: float
    coverage: float
    promised_skill: float
    skill: float
    promised_ic: float
    ic: float
    promised_net: float
    net: float
    imbalance_hit: float  # seen, at the same coverage
    rows: int
    answer: str  # one of `WORDS`


def compare(promised: Mapping[int, Sequence[Row]], seen: Sequence[Score], model: str) -> list[Comparison]:
    """`promised` are the rows of the model itself by horizon, baselines left out; `seen` the table in which
    it is called `model`."""
    out = []
    for row in seen:
        if row.name != model:
            continue
        rows = promised.get(row.horizon_s, ())
        told = next((each for each in rows if each["selection"] == row.selection), {})
        imbalance = next(
            (
                each.hit_rate
                for each in seen
                if each.name.endswith("imbalance 1")
                and (each.horizon_s, each.selection) == (row.horizon_s, row.selection)
            ),
            nan,
        )
        hit = _figure(told, "hit_rate")
        out.append(
            Comparison(
                row.horizon_s,
                row.selection,
                hit,
                row.hit_rate,
                row.low,
                row.high,
                _figure(told, "coverage"),
                row.coverage,
                _figure(told, "skill"),
                row.skill,
                _figure(told, "ic"),
                row.ic,
                _figure(told, "net_edge"),
                row.net_edge,
                imbalance,
                row.rows,
                _answer(hit, row),
            )
        )
    return out


def _figure(row: Row, name: str) -> float:
    value = row.get(name)
    return nan if value is None or isinstance(value, str) else float(value)


def _answer(promised: float, row: Score) -> str:
    if not (isfinite(promised) and isfinite(row.hit_rate)):
        return "not told"
    if not row.is_reliable:
        return "unreliable"
    if row.low <= promised <= row.high:
        return "as promised"
    return "better" if row.low > promised else "worse"


def table(rows: Sequence[Comparison], name: str = "promised-and-seen") -> Table:
    """Promise and outcome side by side."""
    shown: list[tuple[Value, ...]] = [
        (
            f"{row.horizon_s} s",
            row.selection,
            row.answer,  # first: a page of usual width does not show the last columns
            row.promised_hit,
            row.hit,
            row.low,
            row.high,
            row.imbalance_hit,
            row.promised_coverage,
            row.coverage,
            row.promised_skill,
            row.skill,
            row.promised_ic,
            row.ic,
            row.promised_net,
            row.net,
            row.rows,
        )
        for row in rows
    ]
    return Table(
        name,
        "Promised in training, and seen",
        columns(
            "horizon",
            "selection",
            "hit rate",
            "promised|.1%",
            "seen|.1%",
            "95 % from|.1%",
            "to|.1%",
            "imbalance, seen|.1%",
            "cover, promised|.1%",
            "seen|.1%",
            "skill, promised|+.3f",
            "seen|+.3f",
            "IC, promised|+.3f",
            "seen|+.3f",
            "net edge, promised|+.2f",
            "seen|+.2f",
            "rows|,",
        ),
        shown,
        "; ".join(f"“{word}”: {meaning}" for word, meaning in WORDS.items()) + ". Edges in USDT per coin.",
    )


def picture(rows: Sequence[Comparison], name: str = "promised-and-seen-plot") -> Picture:
    """Hit rates promised and seen, with the interval of what was seen."""
    rows = [row for row in rows if row.selection.endswith("%") and isfinite(row.hit)]
    horizons = sorted({row.horizon_s for row in rows})
    figure, panels = canvases(max(1, len(horizons)), height=3.2)
    for panel, (axes, horizon) in enumerate(zip(panels, horizons, strict=False)):
        found = [row for row in rows if row.horizon_s == horizon]
        at = np.arange(len(found))
        seen = np.array([row.hit for row in found])
        reach = np.array(
            [[row.hit - row.low for row in found], [row.high - row.hit for row in found]], dtype=np.float64
        )
        reach = np.nan_to_num(np.clip(reach, 0, None))
        axes.errorbar(at, seen * 100, yerr=reach * 100, fmt="o", color=FIT, label="seen, 95 %")
        axes.plot(
            at,
            [row.promised_hit * 100 for row in found],
            "D",
            color=SECOND_FIT,
            label="promised",
            markersize=5,
        )
        axes.plot(
            at,
            [row.imbalance_hit * 100 for row in found],
            "_",
            color=QUIET,
            label="imbalance, seen",
            markersize=16,
        )
        axes.axhline(50, color=MEASURED, linewidth=0.8, linestyle="--")
        axes.set_xticks(at, [row.selection for row in found])
        axes.set_xlim(-0.5, len(found) - 0.5)
        axes.set_title(f"{horizon} s", fontsize=10)
        axes.set_xlabel("share of the rows, strongest first")
        if panel == 0:
            axes.set_ylabel("hit rate, %")
    if horizons:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    behind = Table(
        name,
        "Promised and seen",
        columns("horizon", "selection", "promised|.4f", "seen|.4f", "from|.4f", "to|.4f", "imbalance|.4f"),
        [
            (row.horizon_s, row.selection, row.promised_hit, row.hit, row.low, row.high, row.imbalance_hit)
            for row in rows
        ],
    )
    return Picture(name, "Hit rates promised in training, and seen", png(figure), "", behind)
