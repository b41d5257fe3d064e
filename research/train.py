"""Training: models on a part of a recording, scored by walking forward inside it, and on the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from research.dataset import Dataset
from research.estimators import KINDS
from research.fit import MIN_ROWS, Features, Fitted, choose_features, fit
from research.labels import Flags, Floats
from research.scores import Outcomes, Score
from research.splits import Split, walk_forward
from research.table import LATENCY_NS, baselines, majority, microprice, outcomes, table
from services.model.predictor import Predictor
from shared.errors import BadInput
from shared.units import SECOND

HORIZONS_S = (5, 10, 15)
FOLDS = 4
THRESHOLD = 0.5  # USDT: the first document's
TRADED_QUANTILE = 0.9  # of |yhat| in training: the trader's default threshold
AUTO = "auto"  # LASSO where it keeps a feature, else linear regression

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


@dataclass(frozen=True)
class Training:
    """Everything `lobflow train` learned from one part of one symbol's data."""

    data: Dataset  # the part it was fitted on
    features: Features
    horizons: list[HorizonFit]


def train(
    models_list: Sequence[str],
    data: Dataset,
    train_pct: float,
    period: int,
    threshold: float = THRESHOLD,
    feature_set: str = "flow",
) -> tuple[dict[str, Fitted], list[Score]]:
    """One call: fit each of `models_list` (`linear`, `lasso`) for the horizon of `period` seconds on the
    first `train_pct` percent of the time, score them on the rest at `threshold` USDT and at equal
    coverage."""
    if not 0.0 < train_pct < 100.0:
        raise BadInput(f"train_pct {train_pct:g} is not between 0 and 100")
    share = train_pct / 100.0
    boundary_ns = data.from_ns + int((data.until_ns - data.from_ns) * share)
    # The test part must not say which features vary: they are chosen on the training part alone.
    features = choose_features(feature_set, data.part(0.0, share))
    usable = data.rows(features.usable(data))
    after, known = outcomes(usable, period)
    rows = usable.rows(known)
    training = rows.recv_ns + period * SECOND + LATENCY_NS < boundary_ns
    fitted = {kind: fit_rows(kind, rows, after, training, features) for kind in models_list}
    split = (training, rows.recv_ns >= boundary_ns)
    return fitted, walked(rows, after, [split], features, list(models_list), threshold)


def train_horizons(
    data: Dataset,
    feature_set: str = "flow",
    model: str = AUTO,
    horizons_s: Sequence[int] = HORIZONS_S,
    threshold: float = THRESHOLD,
    progress: Progress = lambda what, share: None,
    rival: Predictor | None = None,
) -> Training:
    """Fit every horizon on all of `data` and score by walking forward inside it. `model` is `auto`, `linear`
    or `lasso`. `rival` is a model fitted on other data, scored as served on the same rows; it is named by
    `rival_name`. Raises BadInput where there are too few rows or no feature varies."""
    if model not in (AUTO, *KINDS):
        raise BadInput(f"model {model!r} is none of {AUTO}, {', '.join(KINDS)}")
    features = choose_features(feature_set, data)
    usable = data.rows(features.usable(data))
    served = {} if rival is None else rival_moves(usable, rival)
    horizons = []
    # The matrices are small: a second thread of the linear algebra waits more than it works.
    with threadpool_limits(limits=1, user_api="blas"):
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
    kinds = list(KINDS) if model == AUTO else [model]
    everything = np.ones(len(rows.recv_ns), dtype=np.bool_)
    fitted = {kind: fit_rows(kind, rows, after, everything, features) for kind in kinds}
    served, reason = serve(model, fitted)
    size = np.abs(served.predict(features.matrix(rows)))
    splits = walk_forward(rows.recv_ns, FOLDS, horizon_s * SECOND + LATENCY_NS)
    scored = [*kinds, AUTO] if model == AUTO else kinds
    return HorizonFit(
        horizon_s=horizon_s,
        fitted=fitted,
        served=served,
        reason=reason,
        threshold=float(np.quantile(size, TRADED_QUANTILE)) if served.model is not None else None,
        majority=majority(after.moves),
        scores=walked(
            rows, after, list(splits), features, scored, threshold, {n: m[known] for n, m in rivals.items()}
        ),
    )


def serve(model: str, fitted: dict[str, Fitted]) -> tuple[Fitted, str]:
    """Which of the fitted models serves, and why."""
    if model != AUTO:
        one = fitted[model]
        return one, "as asked" if one.model is not None else "LASSO keeps no feature: no model"
    if fitted["lasso"].model is not None:
        return fitted["lasso"], f"LASSO keeps {fitted['lasso'].kept} features"
    return fitted["linear"], "LASSO keeps no feature; linear regression serves in its place"


def fit_rows(kind: str, rows: Dataset, after: Outcomes, chosen: Flags, features: Features) -> Fitted:
    """Fit one kind on the labelled rows of the mask `chosen`."""
    X, times = features.matrix(rows)[chosen], rows.recv_ns[chosen]
    return fit(kind, X, after.moves[chosen], times, after.horizon_s, features)


def walked(
    rows: Dataset,
    after: Outcomes,
    splits: Sequence[Split],
    features: Features,
    kinds: Sequence[str],
    threshold: float,
    rivals: Mapping[str, Floats] = {},
) -> list[Score]:
    """The hit-rate table over the test rows of all splits, each predicted by models fitted on its own
    training rows. `rivals` are further predictions of `rows`, by name. A split with fewer than 30 training
    rows is left out; without any the table is empty."""
    X, signals = features.matrix(rows), baselines(rows)
    moves = {kind: np.zeros(len(X)) for kind in kinds}
    most, micro = np.zeros(len(X)), np.zeros(len(X))
    tested = np.zeros(len(X), dtype=np.bool_)
    for training, test in splits:
        if training.sum() < MIN_ROWS or not test.any():
            continue
        tested |= test
        fitted = {
            kind: fit_rows(kind, rows, after, training, features)
            for kind in (KINDS if AUTO in kinds else kinds)
        }
        for kind in kinds:
            one = serve(AUTO, fitted)[0] if kind == AUTO else fitted[kind]
            moves[kind][test] = one.predict(X[test])
        most[test] = majority(after.moves[training])
        times = rows.recv_ns[training]
        micro[test] = microprice(rows, int(times.min()), int(times.max()))[test]
    if not tested.any():
        return []
    signals |= {"microprice": micro, "majority": most}
    return table(
        after.rows(tested),
        {name: values[tested] for name, values in (*rivals.items(), *moves.items())},
        {name: values[tested] for name, values in signals.items()},
        threshold,
    )
