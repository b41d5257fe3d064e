"""The parts of a report about prediction and what trading on it would have paid."""

from __future__ import annotations

from research.names import Names
from research.report import earnings, hits
from research.report.judgement import Judgement
from research.report.page import Section
from research.report.picture import Picture
from research.report.table import Table, Value, columns
from research.simulate import FILLS

INVERSE = (
    "Contracts of this symbol are inverse: a trade stands for as many as are worth its size in coins at its "
    "entry; what they earn in the coin is told in USD at the price of the exit."
)


def sections(judged: Judgement, threshold: float, from_ns: int, names: Names) -> list[Section]:
    """Hit rates, prediction against outcome, PnL."""
    found: list[str | Table | Picture] = [
        *judged.how,
        hits.slides(judged.scores, threshold, names.quote),
        hits.at_coverage(judged.scores),
        hits.table(judged.scores, title="Hit rates of models and baselines", quote=names.quote),
    ]
    if judged.pairs:
        found.append(_pairs(judged))
    if judged.nulls:
        found.append(_nulls(judged))
    found.append(hits.outcomes(judged.forecasts, quote=names.quote))
    money: list[str | Table | Picture] = [
        "Enter in the predicted direction where the prediction is large enough, leave after the period, one "
        "position at a time. What is assumed of fills stands with each.",
        earnings.side_by_side(judged.trips, "simulated", judged.remark),
    ]
    if names.is_inverse:
        money.insert(1, INVERSE)
    for trips in judged.trips:
        if not trips.fills.startswith(FILLS["mid"]):
            at = "own" if "own threshold" in trips.what else "slides"
            is_queued = trips.fills.startswith(FILLS["queue-aware"])
            if is_queued:
                at += "-queue"
            if not len(trips.net):
                why = "no order was filled in the queue" if is_queued else "no prediction is so large"
                money.append(f"{trips.what}: {why}, so there is no trade to show.")
                continue
            money += [
                earnings.over_time(trips, from_ns, f"pnl-{at}"),
                earnings.trade_table(trips, f"trades-{at}"),
            ]
    return [
        Section("prediction", "Prediction", found),
        Section("simulation", "PnL simulation", money),
    ]


def _pairs(judged: Judgement) -> Table:
    rows: list[tuple[Value, ...]] = [
        (
            f"{row.horizon_s} s",
            row.selection,
            row.name,
            row.against,
            row.difference,
            row.low,
            row.high,
            row.is_reliable,
        )
        for row in judged.pairs
    ]
    return Table(
        "differences",
        "Hit rate of the model less that of each baseline",
        columns(
            "horizon",
            "selection",
            "model",
            "against",
            "difference|+.3f",
            "95 % from|+.3f",
            "to|+.3f",
            "reliable",
        ),
        rows,
        "Paired: both are resampled in the same blocks.",
        shown=100,
    )


def _nulls(judged: Judgement) -> Table:
    rows: list[tuple[Value, ...]] = [
        (f"{horizon_s} s", selection, null.shifts, null.center, null.p_value)
        for (horizon_s, selection), null in judged.nulls.items()
    ]
    return Table(
        "permutation",
        "Hit rates under circular shifts",
        columns("horizon", "selection", "shifts", "center|.1%", "p|.3f"),
        rows,
        "How often predictions that are moved in time do as well: p is one-sided.",
    )
