"""The hit-rate part of a report: the slides' table, every model beside every baseline, and what came of each
prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from research.blocks import RELIABLE_BLOCKS
from research.labels import Floats
from research.report import seeds
from research.report.picture import (
    FIT,
    MEASURED,
    QUIET,
    SECOND_FIT,
    THIRD_FIT,
    Picture,
    canvases,
    png,
)
from research.report.table import Table, Value, columns
from research.scores import Outcomes, Score

BINS = 10
COLORS = (FIT, SECOND_FIT, THIRD_FIT, "#CC79A7", "#E69F00")
KINDS = {"linear": "linear regression", "lasso": "LASSO"}


@dataclass(frozen=True)
class Forecast:
    """One model's expected moves, (n,) in quote currency, beside what came after, for one horizon; rows the
    model did not see in training."""

    name: str
    moves: Floats
    after: Outcomes


def slides(scores: Sequence[Score], threshold: float, quote: str = "USDT") -> Table:
    """The table of the slides: hit rate by horizon and model, at the threshold, theirs beside ours."""
    selection = f"|yhat| ≥ {threshold:g}"
    rows: list[tuple[Value, ...]] = []
    for score in scores:
        kind = score.name.partition(" ")[0]
        if score.selection != selection or score.name.startswith("baseline") or kind not in KINDS:
            continue
        rows.append(
            (
                f"{score.horizon_s} s",
                KINDS[kind],
                seeds.hit_rate(score.horizon_s, kind),
                score.hit_rate,
                score.low,
                score.high,
                score.is_reliable,
                score.coverage,
                score.skill,
            )
        )
    return Table(
        "hit-rates-slides",
        f"Hit rates as in the slides, |yhat| ≥ {threshold:g} {quote}",
        columns(
            "horizon",
            "model",
            "the slides|.1%",
            "here|.1%",
            "95 % from|.1%",
            "to|.1%",
            "reliable",
            "coverage|.1%",
            "skill|+.3f",
        ),
        rows,
        "The slides give neither coverage nor interval nor the share of unchanged prices. Skill is the hit "
        "rate less what the shares of up and down alone would give: a model that says “down” in a falling "
        "hour has none.",
    )


def table(
    scores: Sequence[Score], name: str = "hit-rates", title: str = "Hit rates", quote: str = "USDT"
) -> Table:
    """Every row: models and baselines, at the threshold and at equal coverage."""
    rows: list[tuple[Value, ...]] = [
        (
            f"{row.horizon_s} s",
            row.selection,
            row.name,
            row.rows,
            row.coverage,
            row.zero_share,
            row.hit_rate,
            row.low,
            row.high,
            row.blocks,
            row.is_reliable,
            row.hit_rate_with_zeros,
            row.skill,
            row.skill_low,
            row.skill_high,
            row.r2,
            row.ic,
            row.gross_edge,
            row.net_edge,
        )
        for row in scores
    ]
    return Table(
        name,
        title,
        columns(
            "horizon",
            "selection",
            "signal",
            "rows|,",
            "cover|.1%",
            "y = 0|.1%",
            "hit|.1%",
            "95 % from|.1%",
            "to|.1%",
            "blocks",
            "reliable",
            "0 a miss|.1%",
            "skill|+.3f",
            "skill from|+.3f",
            "to|+.3f",
            "R²|+.3f",
            "IC|+.3f",
            f"gross, {quote}|+.3f",
            f"net, {quote}|+.2f",
        ),
        rows,
        "Baselines stand at the coverage of the model beside them. Intervals are of moving blocks; where "
        "fewer than 30 fit they are unreliable. Edges are per coin, at mid after 100 ms; net is less two "
        "taker fees and two half spreads.",
        shown=400,
    )


def at_coverage(scores: Sequence[Score], name: str = "hit-rates-coverage") -> Picture:
    """Hit rates with their intervals at equal coverage, a panel a horizon."""
    shown = [row for row in scores if row.selection.endswith("%") and isfinite(row.hit_rate)]
    horizons = sorted({row.horizon_s for row in shown})
    names = list(dict.fromkeys(row.name for row in shown))
    selections = list(dict.fromkeys(row.selection for row in shown))
    figure, panels = canvases(max(1, len(horizons)), height=1.6 + 0.33 * len(names))
    for panel, (axes, horizon) in enumerate(zip(panels, horizons, strict=False)):
        for at, selection in enumerate(selections):
            rows = [row for row in shown if (row.horizon_s, row.selection) == (horizon, selection)]
            places = (
                np.array([names.index(row.name) for row in rows]) + (at - (len(selections) - 1) / 2) * 0.22
            )
            rates = np.array([row.hit_rate for row in rows])
            low = np.array([row.low if isfinite(row.low) else row.hit_rate for row in rows])
            high = np.array([row.high if isfinite(row.high) else row.hit_rate for row in rows])
            axes.errorbar(
                rates * 100,
                places,
                xerr=np.clip([rates - low, high - rates], 0, None) * 100,
                fmt="o",
                markersize=4,
                linewidth=1.2,
                color=COLORS[at % len(COLORS)],
                label=f"{selection} of the rows",
            )
        axes.axvline(50, color=MEASURED, linewidth=0.8, linestyle="--")
        axes.set_title(f"{horizon} s", fontsize=10)
        axes.set_xlabel("hit rate, %")
        axes.set_yticks(range(len(names)), names if panel == 0 else [""] * len(names), fontsize=8)
        axes.set_ylim(len(names) - 0.5, -0.5)
    if panels:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=len(selections), frameon=False, fontsize=9
        )
    behind = Table(
        name,
        "Hit rates at equal coverage",
        columns("horizon", "selection", "signal", "hit|.4f", "from|.4f", "to|.4f"),
        [(row.horizon_s, row.selection, row.name, row.hit_rate, row.low, row.high) for row in shown],
    )
    return Picture(
        name,
        "Hit rates at equal coverage",
        png(figure),
        "Bars are 95 % intervals. A model that does not stand to the right of the imbalance is not worth "
        f"serving. {_unreliable(shown)}".strip(),
        behind,
    )


def _unreliable(rows: Sequence[Score]) -> str:
    """How many intervals are not to be relied on, in words; nothing where all are."""
    count = sum(not row.is_reliable for row in rows)
    few = f"on fewer than {RELIABLE_BLOCKS} blocks and {'is' if count == 1 else 'are'} unreliable"
    if not count:
        return ""
    if count == len(rows):
        return f"All of them rest {few}."
    return f"{count} of the {len(rows)} rest{'s' if count == 1 else ''} {few}."


def outcomes(forecasts: Sequence[Forecast], name: str = "prediction-outcome", quote: str = "USDT") -> Picture:
    """Mean outcome by tenths of the prediction, a panel a horizon: what a prediction was worth."""
    figure, panels = canvases(max(1, len(forecasts)))
    rows: list[tuple[Value, ...]] = []
    for axes, each in zip(panels, forecasts, strict=False):
        known = np.isfinite(each.moves)
        moves, after = each.moves[known], each.after.moves[known]
        order = np.argsort(moves, kind="stable")
        tenths = [part for part in np.array_split(order, BINS) if len(part)]
        x = np.array([moves[part].mean() for part in tenths])
        y = np.array([after[part].mean() for part in tenths])
        error = np.array([after[part].std() / np.sqrt(len(part)) for part in tenths])
        axes.axhline(0, color=QUIET, linewidth=0.8)
        axes.errorbar(
            x, y, yerr=1.96 * error, fmt="o", markersize=4, color=FIT, linewidth=1.2, label="mean outcome"
        )
        reach = float(np.abs(x).max()) if len(x) else 1.0
        axes.plot(
            [-reach, reach],
            [-reach, reach],
            color=MEASURED,
            linewidth=0.8,
            linestyle="--",
            label="as predicted",
        )
        axes.set_title(f"{each.name}, {each.after.horizon_s} s", fontsize=10)
        axes.set_xlabel(f"predicted move, {quote}")
        rows += [
            (each.after.horizon_s, each.name, *values)
            for values in zip(x.tolist(), y.tolist(), error.tolist(), map(len, tenths), strict=True)
        ]
    if panels and forecasts:
        panels[0].set_ylabel(f"move of the mid, {quote}")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return Picture(
        name,
        "Prediction against outcome",
        png(figure),
        "Rows sorted by prediction, in tenths. Bars are 1.96 standard errors as if rows were independent; "
        "labels overlap, so the truth is wider.",
        Table(
            name,
            "Prediction against outcome",
            columns("horizon", "model", "predicted|.5g", "outcome|.5g", "error|.3g", "rows"),
            rows,
        ),
    )
