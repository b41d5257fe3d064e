"""Tables of what is fitted to trade flow, row by row with its aggregation and side, and of where to rest."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from research.flow.analysis import SideAnalysis
from research.flow.plain import RESTING, SIDES, Units
from research.flow.rested import SideRested
from research.report import seeds
from research.report.table import Table, Value, columns
from services.features.flow.law import ARTICLE, PLAIN

Rows = list[tuple[Value, ...]]


def laws(flows: Sequence[tuple[str, SideAnalysis]], units: Units) -> Table:
    """Mean and alpha of single orders and of windows, in both forms."""
    rows: Rows = []
    for name, side in flows:
        told = [("one order", len(side.orders.times_ms), 1.0, side.sizes)]
        told += [(f"{w.seconds:g} s", w.windows, w.filled_share, w.forms) for w in side.windows]
        for what, count, share, forms in told:
            article, plain = forms[ARTICLE], forms[PLAIN]
            rows.append(
                (
                    name,
                    SIDES[side.side],
                    what,
                    count,
                    share,
                    article.law.mean * units.lot,
                    article.errors["mean"] * units.lot,
                    article.law.alpha,
                    article.errors["alpha"],
                    article.distance,
                    plain.law.alpha,
                    plain.distance,
                )
            )
    return Table(
        "flow-laws",
        "Volume: P(q > d) = (1 + (1 + 20^(-d/m)) d/m)^alpha, and without the 20^ term",
        columns(
            "from",
            "takers",
            "of",
            "n|,",
            "N > 0|.3f",
            "mean|.5g",
            "error|.2g",
            "alpha|.3f",
            "error|.2g",
            "KS|.3f",
            "alpha, plain|.3f",
            "KS|.3f",
        ),
        rows,
        "aggTrades and single trades give different orders of the same minutes, so each row says of which it "
        "is.",
    )


def fits(flows: Sequence[tuple[str, SideAnalysis]]) -> Table:
    """Laws by maximum likelihood, judged on the next window."""
    rows: Rows = [
        (
            name,
            SIDES[side.side],
            each.name,
            each.pairs,
            each.distance,
            each.next_distance,
            each.next_log_score,
            ", ".join(
                f"{key} {value:.4g} ± {each.errors.get(key, nan):.2g}"
                for key, value in each.parameters.items()
            ),
        )
        for name, side in flows
        for each in side.fits
    ]
    return Table(
        "flow-fits",
        "Laws of order size by maximum likelihood",
        columns(
            "from",
            "takers",
            "law",
            "pairs",
            "KS|.3f",
            "KS, next|.3f",
            "log score, next|.4f",
            "parameters, lots",
        ),
        rows,
        "Fitted to one window, judged on the next; the log score is nats per order in lots, higher is "
        "better.",
    )


def durations(flows: Sequence[tuple[str, SideAnalysis]]) -> Table:
    """D_T derived and fitted."""
    rows: Rows = [
        (
            name,
            SIDES[side.side],
            each.seconds,
            each.windows,
            each.filled_share,
            each.derived_ms,
            each.derived_distance,
            each.fitted_ms,
            each.fitted_distance,
        )
        for name, side in flows
        for each in side.durations
    ]
    return Table(
        "flow-durations",
        "One law for windows of every length: D",
        columns(
            "from",
            "takers",
            "T, s|g",
            "windows|,",
            "N > 0|.3f",
            "D derived, ms|,.0f",
            "KS|.3f",
            "D fitted, ms|,.0f",
            "KS|.3f",
        ),
        rows,
        f"The article fits {seeds.D_2S_MS:,.0f} ms at 2 s and cannot explain it; matching means gives D = T "
        "/ P(N > 0).",
    )


def counts(flows: Sequence[tuple[str, SideAnalysis]]) -> Table:
    """Counts times sizes."""
    rows: Rows = [
        (
            name,
            SIDES[side.side],
            each.seconds,
            each.name,
            each.windows,
            each.distance,
            ", ".join(f"{key} {value:.4g}" for key, value in each.parameters.items()),
        )
        for name, side in flows
        for each in side.compounds
    ]
    return Table(
        "flow-compound",
        "Volume of windows as a number of orders times their sizes",
        columns("from", "takers", "T, s|g", "law of the number", "windows|,", "KS|.3f", "parameters"),
        rows,
        "The article saw that Poisson fails. Sizes are drawn from those seen.",
    )


def optima(flows: Sequence[tuple[str, SideAnalysis]], units: Units) -> Table:
    """The impact line and where it says to rest, gross."""
    rows: Rows = [
        (
            "the article",
            "buy",
            "code",
            "",
            seeds.IMPACT_SLOPE,
            nan,
            seeds.IMPACT_INTERCEPT,
            nan,
            nan,
            "optimum",
            seeds.OPTIMUM_QUANTITY,
            seeds.OPTIMUM_MEANS,
            seeds.BREAK_EVEN_QUANTITY,
        )
    ]
    for name, side in flows:
        second = next((each for each in side.windows if each.seconds == 1.0), None)
        mean = nan if second is None else second.forms[ARTICLE].law.mean * units.lot
        for center, found in side.impacts.items():
            line = found.line
            steep, start = units.tick / units.lot, units.tick
            for form, each in found.optima.items():
                best = each.quantity * units.lot
                rows.append(
                    (
                        name,
                        SIDES[side.side],
                        center,
                        form,
                        line.slope * steep,
                        line.slope_error * steep,
                        line.intercept * start,
                        line.intercept_error * start,
                        line.r2,
                        each.answer,
                        best,
                        best / mean,
                        each.break_even * units.lot,
                    )
                )
    return Table(
        "flow-optimum",
        "Impact dp = a Q + b, and the gross optimum Q*",
        columns(
            "from",
            "takers",
            "centers",
            "form",
            "a|.4g",
            "error|.2g",
            "b|.4g",
            "error|.2g",
            "R²|.3f",
            "answer",
            "Q*|.5g",
            "of the mean|.2f",
            "break-even|.5g",
        ),
        rows,
        "“No interior optimum” and “unbounded” are answers: nowhere does this model say to rest.",
    )


def resting(sides: Sequence[SideRested], units: Units) -> Table:
    """Net value by depth."""
    rows: Rows = []
    for side in sides:
        for value, (probes, fills, predicted, error) in zip(side.values, side.probes, strict=True):
            rows.append(
                (
                    RESTING[side.side],
                    value.ticks,
                    probes,
                    fills,
                    predicted,
                    fills / probes if probes else nan,
                    value.fill_rate,
                    value.edge_ticks * units.tick,
                    error * units.tick,
                    value.cost_ticks * units.tick,
                    value.net_ticks * units.tick,
                    value.error_ticks * units.tick,
                    value.lower_ticks * units.tick,
                )
            )
    answers = "; ".join(f"{RESTING[side.side]}s: {side.answer}" for side in sides)
    return Table(
        "flow-resting",
        "What a resting order is worth, net, by depth",
        columns(
            "side",
            "ticks behind",
            "probes|,",
            "filled|,",
            "predicted|.3f",
            "realized|.3f",
            "recalibrated|.3f",
            "edge|+.3f",
            "error|.2g",
            "costs|.2f",
            "net|+.3f",
            "error|.2g",
            "lower bound|+.3f",
        ),
        rows,
        f"{answers}. Quote currency per coin; probes are virtual orders rested each second. “Do not quote” "
        "is the expected answer at retail fees.",
        shown=100,
    )
