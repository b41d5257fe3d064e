"""Training: models on a part of a recording, scored by walking forward inside it, and on the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from research.dataset import Dataset
from research.estimators import KINDS
from research.fit import Features, Fitted, choose_features
from research.labels import Floats
from research.pairs import Pair
from research.scores import Score
from research.splits import walk_forward
from research.table import LATENCY_NS, majority, outcomes
from research.walk import AUTO, fit_rows, kinds_of, serve, walked
from services.model.manifest import Reference
from services.model.predictor import Predictor
from shared.errors import BadInput
from shared.units import SECOND

HORIZONS_S = (5, 10, 15)
FOLDS = 4
THRESHOLD = 0.5  # USDT: the first document's
TRADED_QUANTILE = 0.9  # of |yhat| in training: the trader's default threshold

Progress = Callable[[str, float], None]  # (what, share done)


@dataclass(frozen=True)
class HorizonFit:
    """One horizon: what was fitted, which is served and how it did when walking forward."""

    horizon_s: int
    fitted: dict[str, Fitted]
    served: Fitted
    reason: str
    threshold: float | None  # 90 % quantile of |yhat| in training, quote currency
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
    """Everything `lobflow train` learned from one part of one symbol's data."""

    data: Dataset  # the part it was fitted on; without rows where it was `staged`
    features: Features
    horizons: list[HorizonFit]
    staged: Staged | None = None


def train(
    models_list: Sequence[str],
    data: Dataset,
    train_pct: float,
    period: int,
    threshold: float = THRESHOLD,
    feature_set: str = "flow",
) -> tuple[dict[str, Fitted], list[Score]]:
    """One call: fit each of `models_list` (`auto` or one of `research.estimators.KINDS`) for the horizon of
    `period` seconds on the first `train_pct` percent of the time, score them on the rest at `threshold` USDT
    and at equal coverage. Raises BadInput for too few rows and for names that are none."""
    if not 0.0 < train_pct < 100.0:
        raise BadInput(f"train_pct {train_pct:g} is not between 0 and 100")
    if period <= 0:
        raise BadInput(f"period {period:g} is not above zero")
    if not models_list:
        raise BadInput("models_list is empty")
    for model in models_list:
        _check(model)
    share = train_pct / 100.0
    boundary_ns = data.from_ns + int((data.until_ns - data.from_ns) * share)
    # The test part must not say which features vary: they are chosen on the training part alone.
    features = choose_features(feature_set, data.part(0.0, share))
    usable = data.rows(features.usable(data))
    after, known = outcomes(usable, period)
    rows = usable.rows(known)
    training, test = rows.recv_ns + period * SECOND + LATENCY_NS < boundary_ns, rows.recv_ns >= boundary_ns
    if not test.any():
        raise BadInput(
            f"{data.symbol}: no row of the last {100.0 - train_pct:g} % has a label for {period} s"
        )
    fitted = {}
    for model in models_list:
        kinds = {kind: fit_rows(kind, rows, after, training, features) for kind in kinds_of(model, features)}
        fitted[model] = serve(model, kinds, features)[0]
    return fitted, walked(rows, after, [(training, test)], features, list(models_list), threshold).scores


def train_horizons(
    data: Dataset,
    feature_set: str = "flow",
    model: str = AUTO,
    horizons_s: Sequence[int] = HORIZONS_S,
    threshold: float = THRESHOLD,
    progress: Progress = lambda what, share: None,
    rival: Predictor | None = None,
) -> Training:
    """Fit every horizon on all of `data` and score by walking forward inside it. `model` is `auto` or one of
    `research.estimators.KINDS`. `rival` is a model fitted on other data, scored as served on the same rows;
    it is named by `rival_name`. Raises BadInput where there are too few rows or no feature varies."""
    _check(model)
    features = choose_features(feature_set, data)
    usable = data.rows(features.usable(data))
    served = {} if rival is None else rival_moves(usable, rival)
    horizons = []
    # The matrices are small: a second thread of the linear algebra, or of the trees, waits more than it
    # works.
    with threadpool_limits(limits=1):
        for at, horizon_s in enumerate(horizons_s):
            progress(f"{horizon_s} s", at / len(horizons_s))
            rivals = served.get(horizon_s, {})
            horizons.append(_horizon(usable, horizon_s, model, features, threshold, rivals))
    progress("done", 1.0)
    return Training(data, features, horizons)


def rival_name(version: str) -> str:
    """What the rows of a rival's scores are called."""
    return f"model {version}"


def rival_moves(data: Dataset, rival: Predictor) -> dict[int, dict[str, Floats]]:
    """What `rival` says of each row, (n,), by horizon and name; nothing for a horizon it has no model for.
    Raises BadInput for a model of another symbol or schema, or of these very times."""
    fitted = rival.manifest.data.get(data.symbol)
    if fitted is None or rival.manifest.schema != data.schema:
        raise BadInput(f"model {rival.version} is not of {data.symbol} with features {data.schema}")
    if fitted.from_ns <= data.until_ns and data.from_ns <= fitted.until_ns:
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
    usable: Dataset,
    horizon_s: int,
    model: str,
    features: Features,
    threshold: float,
    rivals: Mapping[str, Floats],
) -> HorizonFit:
    after, known = outcomes(usable, horizon_s)
    rows = usable.rows(known)
    everything = np.ones(len(rows.recv_ns), dtype=np.bool_)
    kinds = kinds_of(model, features)
    fitted = {kind: fit_rows(kind, rows, after, everything, features) for kind in kinds}
    served, reason = serve(model, fitted, features)
    size = np.abs(served.predict(features.matrix(rows)))
    splits = walk_forward(rows.recv_ns, FOLDS, horizon_s * SECOND + LATENCY_NS)
    others = [kind for kind in reversed(kinds) if kind != "shrunk"]
    scored = [*others, AUTO] if model == AUTO else [model]
    table = walked(
        rows,
        after,
        list(splits),
        features,
        scored,
        threshold,
        {name: moves[known] for name, moves in rivals.items()},
        paired=scored[-1:],
    )
    return HorizonFit(
        horizon_s=horizon_s,
        fitted=fitted,
        served=served,
        reason=reason,
        threshold=float(np.quantile(size, TRADED_QUANTILE)) if served.model is not None else None,
        majority=majority(after.moves),
        scores=table.scores,
        pairs=table.pairs,
    )
