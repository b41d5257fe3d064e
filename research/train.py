"""Training: models on a part of a recording, scored by walking forward inside it, and on the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
from threadpoolctl import threadpool_limits

from research.dataset import Dataset
from research.estimators import KINDS
from research.fit import Features, Fitted, choose_features
from research.labels import Floats
from research.pairs import Pair
from research.pool import Stack, check_poolable, shares_of_time, stacked
from research.scores import Score
from research.splits import walk_forward
from research.table import LATENCY_NS, majority
from research.walk import AUTO, kinds_of, serve, walked
from services.model.manifest import Reference
from services.model.predictor import Predictor
from shared.errors import BadInput
from shared.units import SECOND

HORIZONS_S = (5, 10, 15)
FOLDS = 4
THRESHOLD = 0.5  # USDT: the first document's
TRADED_QUANTILE = 0.8  # of |yhat| in training: the trader's default threshold

Progress = Callable[[str, float], None]  # (what, share done)


@dataclass(frozen=True)
class HorizonFit:
    """One horizon: what was fitted, which is served and how it did when walking forward."""

    horizon_s: int
    fitted: dict[str, Fitted]
    served: Fitted
    reason: str
    threshold: float | None  # a quantile (80 %) of |yhat| in training, quote currency
    majority: float  # direction of most training labels
    scores: list[Score]
    pairs: list[Pair]  # what is served against the baselines


class Staged(NamedTuple):
    """What is told of rows that were never held together (see `research.days`)."""

    rows: int
    microprice: tuple[float, ...]  # (20,), half ticks
    references: tuple[Reference, ...]  # of a sample


@dataclass(frozen=True)
class Training:
    """Everything `lobflow train` learned from one part of one symbol's data. Trainings of symbols that were
    pooled differ in `data`, and in thresholds, majorities and scores of the horizons."""

    data: Dataset  # the part it was fitted on; without rows where it was `staged`
    features: Features
    horizons: list[HorizonFit]
    staged: Staged | None = None


@overload
def train(
    models_list: Sequence[str],
    data: Dataset,
    train_pct: float,
    period: int,
    threshold: float = THRESHOLD,
    feature_set: str = "flow",
) -> tuple[dict[str, Fitted], list[Score]]: ...


@overload
def train(
    models_list: Sequence[str],
    data: Sequence[Dataset],
    train_pct: float,
    period: int,
    threshold: float = THRESHOLD,
    feature_set: str = "flow",
) -> tuple[dict[str, Fitted], dict[str, list[Score]]]: ...


def train(
    models_list: Sequence[str],
    data: Dataset | Sequence[Dataset],
    train_pct: float,
    period: int,
    threshold: float = THRESHOLD,
    feature_set: str = "flow",
) -> tuple[dict[str, Fitted], list[Score] | dict[str, list[Score]]]:
    """One call: fit each of `models_list` (`auto` or one of `research.estimators.KINDS`) for the horizon of
    `period` seconds on the first `train_pct` percent of the time, score them on the rest at `threshold` USDT
    and at equal coverage. Data of several symbols are fitted together, and scored by symbol. Raises BadInput
    for too few rows, for names that are none, and for what cannot be pooled."""
    if not 0.0 < train_pct < 100.0:
        raise BadInput(f"train_pct {train_pct:g} is not between 0 and 100")
    if period <= 0:
        raise BadInput(f"period {period:g} is not above zero")
    if not models_list:
        raise BadInput("models_list is empty")
    for model in models_list:
        _check(model)
    is_pooled = not isinstance(data, Dataset)
    everything = [data] if isinstance(data, Dataset) else list(data)
    if is_pooled:
        check_poolable(everything, feature_set)
    start_ns = min(one.from_ns for one in everything)
    span = max(one.until_ns for one in everything) - start_ns
    boundary_ns = start_ns + int(span * (train_pct / 100.0))
    # The test part must not say which features vary: they are chosen on the training part alone.
    features = choose_features(feature_set, *shares_of_time(everything, 0.0, train_pct / 100.0))
    stack = stacked([one.rows(features.usable(one)) for one in everything], period, features)
    training = stack.recv_ns + period * SECOND + LATENCY_NS < boundary_ns
    test = stack.recv_ns >= boundary_ns
    for number, one in enumerate(everything):
        if not stack.of(number, test).any():
            raise BadInput(
                f"{one.symbol}: no row of the last {100.0 - train_pct:g} % has a label for {period} s"
            )
    stack.check_rows(training)
    fitted = {}
    for model in models_list:
        kinds = {kind: stack.fit(kind, training) for kind in kinds_of(model, features)}
        fitted[model] = serve(model, kinds, features)[0]
    tables = walked(stack, [(training, test)], list(models_list), threshold)
    if not is_pooled:
        return fitted, tables[0].scores
    return fitted, {one.symbol: found.scores for one, found in zip(everything, tables, strict=True)}


def train_horizons(
    data: Dataset,
    feature_set: str = "flow",
    model: str = AUTO,
    horizons_s: Sequence[int] = HORIZONS_S,
    threshold: float = THRESHOLD,
    progress: Progress = lambda what, share: None,
    rival: Predictor | None = None,
    traded_quantile: float = TRADED_QUANTILE,
) -> Training:
    """Fit every horizon on all of `data` and score by walking forward inside it. `model` is `auto` or one of
    `research.estimators.KINDS`. `rival` is a model fitted on other data, scored as served on the same rows;
    it is named by `rival_name`. The trader's default threshold is the `traded_quantile` of |yhat|. Raises
    BadInput where there are too few rows or no feature varies."""
    return _together([data], feature_set, model, horizons_s, threshold, progress, rival, traded_quantile)[0]


def train_pooled(
    data: Sequence[Dataset],
    feature_set: str = "flow",
    model: str = AUTO,
    horizons_s: Sequence[int] = HORIZONS_S,
    threshold: float = THRESHOLD,
    progress: Progress = lambda what, share: None,
) -> list[Training]:
    """As `train_horizons`, of several symbols fitted together, each weighing as much as another: a training
    for each. Raises BadInput for what cannot be pooled, too."""
    check_poolable(data, feature_set)
    return _together(data, feature_set, model, horizons_s, threshold, progress, None)


def _together(
    data: Sequence[Dataset],
    feature_set: str,
    model: str,
    horizons_s: Sequence[int],
    threshold: float,
    progress: Progress,
    rival: Predictor | None,
    traded_quantile: float = TRADED_QUANTILE,
) -> list[Training]:
    _check(model)
    features = choose_features(feature_set, *data)
    usable = [one.rows(features.usable(one)) for one in data]
    served = [{} if rival is None else rival_moves(one, rival) for one in usable]
    by_horizon = []
    # The matrices are small: a second thread of the linear algebra, or of the trees, waits more than it
    # works.
    with threadpool_limits(limits=1):
        for at, horizon_s in enumerate(horizons_s):
            progress(f"{horizon_s} s", at / len(horizons_s))
            stack = stacked(usable, horizon_s, features)
            rivals = [one.get(horizon_s, {}) for one in served]
            by_horizon.append(_horizon(stack, model, threshold, rivals, traded_quantile))
    progress("done", 1.0)
    return [Training(one, features, [row[at] for row in by_horizon]) for at, one in enumerate(data)]


def rival_name(version: str) -> str:
    """What the rows of a rival's scores are called."""
    return f"model {version}"


def rival_moves(data: Dataset, rival: Predictor) -> dict[int, dict[str, Floats]]:
    """What `rival` says of each row, (n,), by horizon and name; nothing for a horizon it has no model for.
    Raises BadInput for a model of another symbol or schema, or of these very times."""
    fitted = rival.manifest.data.get(data.symbol)
    if fitted is None or rival.manifest.schema != data.schema:
        raise BadInput(f"model {rival.version} is not of {data.symbol} with features {data.schema}")
    if rival.manifest.has_seen(data.from_ns, data.until_ns):
        raise BadInput(f"model {rival.version} was fitted on some of these very times")
    moves = np.array([rival.moves(row) for row in data.values.tolist()])
    return {
        row.horizon_s: {rival_name(rival.version): moves[:, column]}
        for column, row in enumerate(rival.manifest.horizons)
        if row.kind
    }


def _check(model: str) -> None:
    if model not in (AUTO, *KINDS):
        raise BadInput(f"model {model!r} is none of {AUTO}, {', '.join(KINDS)}")


def _horizon(
    stack: Stack,
    model: str,
    threshold: float,
    rivals: Sequence[Mapping[str, Floats]],
    traded_quantile: float,
) -> list[HorizonFit]:
    """One horizon of each part."""
    features, horizon_s = stack.features, stack.horizon_s
    everything = np.ones(len(stack.y), dtype=np.bool_)
    stack.check_rows(everything)
    kinds = kinds_of(model, features)
    fitted = {kind: stack.fit(kind, everything) for kind in kinds}
    served, reason = serve(model, fitted, features)
    splits = walk_forward(stack.recv_ns, FOLDS, horizon_s * SECOND + LATENCY_NS)
    others = [kind for kind in reversed(kinds) if kind != "shrunk"]
    scored = [*others, AUTO] if model == AUTO else [model]
    tables = walked(
        stack,
        list(splits),
        scored,
        threshold,
        [
            {name: moves[part.known] for name, moves in own.items()}
            for part, own in zip(stack.parts, rivals, strict=True)
        ],
        paired=scored[-1:],
    )
    found = []
    for part, table in zip(stack.parts, tables, strict=True):
        size = np.abs(served.predict(features.matrix(part.rows)))
        traded = float(np.quantile(size, traded_quantile)) if served.model is not None else None
        most = majority(part.after.moves)
        found.append(HorizonFit(horizon_s, fitted, served, reason, traded, most, table.scores, table.pairs))
    return found
