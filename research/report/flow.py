"""The trade-flow part of a report: each figure and table of the article, drawn of our data."""

from __future__ import annotations

import numpy as np

from research.flow.plain import RESTING, Units
from research.flow.report import FlowReport
from research.flow.rested import SideRested
from research.flow.source import AGGREGATED
from research.report import flow_figures, flow_fits, flow_tables
from research.report.page import Section
from research.report.picture import ASK, BID, MEASURED, Picture, canvas, canvases, elapsed, png
from research.report.table import Table, Value, columns
from services.features.flow.orders import Tape

RATE_BINS = 60


def section(found: FlowReport) -> Section:
    """Everything, by the side of takers."""
    units = found.units
    aggregation = AGGREGATED if AGGREGATED in found.sides else next(iter(found.sides))
    sides = found.sides[aggregation]
    buys = sides[0]
    flows = [(name, side) for name, pair in found.sides.items() for side in pair]
    parts: list[str | Table | Picture] = [
        f"Orders are from {aggregation}; the tables of laws name the aggregation row by row. The article's "
        "numbers are of HOOKUSDT perpetual, 2023-01-27: they compare method and magnitude, not markets.",
        rates(found.source.tapes[aggregation], units),
        flow_tables.orders(buys, units),
        *flow_figures.figures(sides, units, aggregation),
        flow_tables.shocks(sides),
        flow_tables.changes(sides),
        flow_tables.groups(buys, units),
        flow_fits.laws(flows, units),
        flow_fits.fits(flows),
        flow_fits.durations(flows),
        flow_fits.counts(flows),
        flow_fits.optima(flows, units),
    ]
    if found.rested:
        parts += [flow_fits.resting(found.rested, units), resting(found.rested, units)]
    else:
        parts.append(
            "There are no books in these data: no probes, no net value, no resting price. The gross optimum "
            "above takes no fee, queue or cancel into account."
        )
    return Section("flow", "Trade flow and the resting price", parts)


def rates(tape: Tape, units: Units) -> Picture:
    """Trades per second of both takers over the time of the data."""
    figure, axes = canvas("", "trades per second", height=3.2)
    from_ms, until_ms = int(tape.times_ms[0]), int(tape.times_ms[-1]) + 1
    edges = np.linspace(from_ms, until_ms, RATE_BINS + 1)
    seconds = (until_ms - from_ms) / 1000.0 / RATE_BINS
    at, label = elapsed((edges[:-1] - from_ms) / 1000.0)
    axes.set_xlabel(label)
    rows: list[list[float]] = [at.tolist()]
    for side, color, name in ((1, BID, "takers buy"), (-1, ASK, "takers sell")):
        counts = np.histogram(tape.times_ms[tape.sides == side], bins=edges)[0] / seconds
        axes.step(rows[0], counts, where="post", color=color, label=f"{name}, mean {counts.mean():.2f}/s")
        rows.append(counts.tolist())
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    table = Table(
        "trade-rate",
        "Trade rate",
        columns(f"{label}|.4g", "buys per s|.4g", "sells per s|.4g"),
        list(zip(*rows, strict=True)),
    )
    volume = float(np.sum(tape.sizes_lots)) * units.lot
    note = f"{len(tape.times_ms):,} trades of {volume:,.6g} {units.names.size}."
    return Picture("trade-rate", "Trade rate", png(figure), note, table)


def resting(sides: list[SideRested], units: Units) -> Picture:
    """Fill rate and net value by depth, with errors."""
    figure, (left, right) = canvases(2)
    rows: list[tuple[Value, ...]] = []
    for side in sides:
        color = BID if side.side > 0 else ASK
        name = f"{RESTING[side.side]}s"
        ticks = np.array([value.ticks for value in side.values])
        seen = np.array([fills / probes if probes else np.nan for probes, fills, *_ in side.probes])
        told = np.array([predicted for _, _, predicted, _ in side.probes])
        net = np.array([value.net_ticks for value in side.values]) * units.tick
        error = np.array([value.error_ticks for value in side.values]) * units.tick
        left.plot(ticks, seen, "o-", color=color, markersize=4, label=f"{name}, realized")
        left.plot(ticks, told, "x--", color=color, markersize=5, linewidth=1, label=f"{name}, predicted")
        right.errorbar(
            ticks,
            net,
            yerr=1.645 * np.nan_to_num(error),
            fmt="o-",
            color=color,
            markersize=4,
            linewidth=1,
            label=name,
        )
        rows += list(
            zip(
                [name] * len(ticks),
                ticks.tolist(),
                seen.tolist(),
                told.tolist(),
                net.tolist(),
                error.tolist(),
                strict=True,
            )
        )
    right.axhline(0, color=MEASURED, linewidth=0.8, linestyle="--")
    for axes in (left, right):
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(-0.3, 1.5 * max(value.ticks for side in sides for value in side.values) + 0.3)
        axes.set_xlabel("ticks behind the best price")
        axes.legend(frameon=False, fontsize=8)
    left.set_ylabel("share filled")
    left.set_ylim(0, 1)
    right.set_ylabel("net value of an order, per coin")
    return Picture(
        "flow-resting-plot",
        "Resting orders by depth: share filled, and net value",
        png(figure),
        "Bars are one-sided 95 % bounds. A depth is quoted only where the lower bound is above zero.",
        Table(
            "flow-resting-plot",
            "Resting orders by depth",
            columns("side", "ticks", "realized|.4f", "predicted|.4f", "net|.5g", "error|.3g"),
            rows,
        ),
    )
