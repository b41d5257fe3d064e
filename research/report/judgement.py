"""What a report says of prediction: models held against rows they were not fitted on, and what trading on
them would have paid. It calls what trains, evaluates and simulates; nothing is computed anew here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from research.dataset import Dataset
from research.evaluate import evaluate, unseen_rows
from research.forecast import Forecaster, Loaded
from research.names import names_of
from research.pairs import Pair
from research.permutation import Null
from research.report.earnings import Trips
from research.report.hits import Forecast
from research.scores import Score
from research.simulate import Simulation, simulate
from research.table import outcomes
from research.train import HORIZONS_S, TRADED_QUANTILE, train
from shared.errors import BadInput

FITTED = ("linear", "lasso", "auto")  # what is fitted where no model is given; the last is traded on
TRAIN_PCT = 50.0
FILLS = ("mid", "queue-aware", "touch")  # whether there is an edge is said of the last


@dataclass(frozen=True)
class Trading:
    """What is simulated: the slides' TH, period and size."""

    threshold: float = 6.0
    period: int = 10
    size: float = 0.01


@dataclass
class Judgement:
    """`how` says what was fitted on what. `trips` are by threshold and assumption on fills; those of the
    model's own threshold come last. `moves` are the mid's changes over the period, for the cost of a round
    trip."""

    how: list[str]
    scores: list[Score] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    nulls: dict[tuple[int, str], Null] = field(default_factory=dict)
    forecasts: list[Forecast] = field(default_factory=list)
    trips: list[Trips] = field(default_factory=list)
    remark: str = ""


def fitted(data: Dataset, threshold: float, trading: Trading, say: Callable[[str], None]) -> Judgement:
    """Models fitted on the first half of the time, judged on the second. Raises BadInput where that cannot be
    done."""
    boundary_ns = data.from_ns + int((data.until_ns - data.from_ns) * TRAIN_PCT / 100.0)
    judged = Judgement(
        [
            f"No model was given: {', '.join(FITTED)} were fitted on the first {TRAIN_PCT:g} % of the time "
            "and are judged on the rest. “auto” is what `lobflow train` would serve. Minutes of data are not "
            "enough to choose a model.",
        ]
    )
    rest = data.part(TRAIN_PCT / 100.0, 1.0)
    for horizon_s in sorted({*HORIZONS_S, trading.period}):
        say(f"fitting {horizon_s} s")
        models, scores = train(FITTED, data, TRAIN_PCT, horizon_s, threshold)
        judged.scores += scores
        model = models[FITTED[-1]]
        judged.forecasts.append(_forecast(f"auto: {model.kind}", model, rest, horizon_s))
        if horizon_s == trading.period:
            known = data.rows(data.recv_ns < boundary_ns)
            own = _quantile(model.moves(known, horizon_s))
            judged.trips, judged.remark = traded(model, rest, trading, own)
    return judged


def loaded(
    model: Loaded, data: Dataset, threshold: float, trading: Trading, say: Callable[[str], None]
) -> Judgement:
    """A model from a folder, on the rows it was not fitted on. Raises BadInput where it cannot be judged."""
    manifest = model.manifest
    say("judging the model")
    found = evaluate(model, data, threshold)
    range_ = manifest.data[data.symbol]
    judged = Judgement(
        [
            f"Model {manifest.version}, fitted on {range_.rows:,} other rows of {data.symbol} "
            f"(sha256 {range_.sha256[:16]}).",
            *(f"{text}." for text in found.warnings),
        ],
        found.scores,
        found.pairs,
        found.nulls,
    )
    rest = data.rows(unseen_rows(manifest, data.recv_ns, trading.period))
    kinds = {row.horizon_s: row for row in manifest.of(data.symbol).horizons if row.kind}
    for horizon_s, row in kinds.items():
        judged.forecasts.append(_forecast(row.kind, model, rest, horizon_s))
    if trading.period not in kinds:
        known = ", ".join(map(str, kinds)) or "no"
        raise BadInput(f"--period {trading.period}: the model predicts {known} s ahead")
    own = kinds[trading.period].threshold
    judged.trips, judged.remark = traded(model, rest, trading, own)
    return judged


def _forecast(name: str, model: Forecaster, rest: Dataset, horizon_s: int) -> Forecast:
    after, known = outcomes(rest, horizon_s)
    return Forecast(name, model.moves(rest.rows(known), horizon_s), after)


def _quantile(moves: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float | None:
    """The trader's default threshold, of the rows that were fitted on."""
    sizes = np.abs(moves[np.isfinite(moves)])
    value = float(np.quantile(sizes, TRADED_QUANTILE)) if len(sizes) else 0.0
    return value if value > 0.0 else None


def traded(model: Forecaster, rest: Dataset, trading: Trading, own: float | None) -> tuple[list[Trips], str]:
    """Trading simulated at the threshold of `trading` and at the model's `own`, under each assumption on
    fills; and the threshold beside the cost of a round trip. Raises BadInput where the model predicts
    nothing."""
    trips, remark = [], ""
    quote = names_of(rest.symbol).quote
    thresholds = [(trading.threshold, f"|yhat| ≥ {trading.threshold:g} {quote}")]
    if own is not None:
        thresholds.append((own, f"|yhat| ≥ {own:.3g} {quote}, the model's own threshold"))
    for threshold, words in thresholds:
        for fill in FILLS:
            if fill == "queue-aware" and not rest.paths:
                continue  # rows that were not read from a recording have no queue
            done = simulate(model, rest, trading.period, threshold, trading.size, fill)
            fills = done.assumption
            if fill == "queue-aware":
                fills = f"{fills}. {done.orders.told}".removesuffix(".")
            trips.append(_trips(done, f"{words}, held {trading.period} s, {trading.size:g} coins", fills))
            if threshold == trading.threshold:
                remark = done.remark
    return [replace(each, quote=quote) for each in trips], remark


def _trips(done: Simulation, what: str, fills: str) -> Trips:
    trades = done.trades
    return Trips(
        what=what,
        fills=fills,
        closed_ns=np.array([each.exit_ns for each in trades], dtype=np.int64),
        sides=np.array([1 if each.side == "buy" else -1 for each in trades], dtype=np.int64),
        entry=np.array([each.entry for each in trades], dtype=np.float64),
        exit=np.array([each.exit for each in trades], dtype=np.float64),
        gross=np.array([each.gross for each in trades], dtype=np.float64),
        fees=np.array([each.fees for each in trades], dtype=np.float64),
    )
