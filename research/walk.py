"""The hit-rate table of models that walk forward: each block predicted by fits on what came before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from research.feature_sets import FLOW, LONG, SEED
from research.fit import MIN_ROWS, Features, Fitted, fit
from research.labels import Flags, Floats
from research.scores import Outcomes
from research.splits import Split
from research.table import Table, baselines, majority, microprice, table

if TYPE_CHECKING:  # importing it loads the compiled features, and workers are to stay small
    from research.dataset import Dataset

AUTO = "auto"  # prior and fit mixed; in raw units LASSO where it keeps a feature, else linear regression

# What `auto` fits, for itself and to be shown beside it; the first that has a model serves.
_SCALED = ("shrunk", "prior", "lasso", "linear")
_CONTENDERS = {FLOW: _SCALED, LONG: _SCALED, SEED: ("lasso", "linear")}
SERVING = {FLOW: ("shrunk",), LONG: ("shrunk",), SEED: ("lasso", "linear")}


def kinds_of(model: str, features: Features) -> tuple[str, ...]:
    """The kinds that are fitted where `model` is asked for."""
    return _CONTENDERS[features.feature_set] if model == AUTO else (model,)


def serve(model: str, fitted: Mapping[str, Fitted], features: Features) -> tuple[Fitted, str]:
    """Which of the fitted models serves, and why."""
    if model != AUTO:
        one = fitted[model]
        return one, "as asked" if one.model is not None else f"{model} keeps no feature: no model"
    asked = SERVING[features.feature_set]
    one = next((fitted[kind] for kind in asked if fitted[kind].model is not None), fitted[asked[-1]])
    if one.kind == "shrunk" and one.model is None:
        return one, "the price does not move in the rows fitted on: no model"
    if one.kind == "shrunk":
        share = f"{100.0 * (one.prior_weight or 0.0):g} % prior"
        return (
            one,
            f"{share}, the rest fitted" if one.prior_weight != 1.0 else "the prior, scaled to the data",
        )
    if one.kind == "lasso":
        return one, f"LASSO keeps {one.kept} features"
    return one, "LASSO keeps no feature; linear regression serves in its place"


def fit_rows(kind: str, rows: Dataset, after: Outcomes, chosen: Flags, features: Features) -> Fitted:
    """Fit one kind on the labelled rows of the mask `chosen`."""
    X, times = features.matrix(rows)[chosen], rows.recv_ns[chosen]
    return fit(kind, X, after.moves[chosen], times, after.horizon_s, features)


def walked(
    rows: Dataset,
    after: Outcomes,
    splits: Sequence[Split],
    features: Features,
    models: Sequence[str],
    threshold: float,
    rivals: Mapping[str, Floats] = {},
    paired: Sequence[str] = (),
) -> Table:
    """The table over the test rows of all splits, each predicted by models fitted on its own training rows.

    `rivals` are further predictions of `rows`, by name; the models in `paired` are held against each
    baseline. A split with fewer than 30 training rows is left out; without any the table is empty.
    """
    X, signals = features.matrix(rows), baselines(rows)
    moves = {model: np.zeros(len(X)) for model in models}
    most, micro = np.zeros(len(X)), np.zeros(len(X))
    tested = np.zeros(len(X), dtype=np.bool_)
    # `auto` needs the kinds that may serve; those that are only shown beside it are among `models`.
    kinds = {model for model in models if model != AUTO}
    kinds |= set(SERVING[features.feature_set]) if AUTO in models else set()
    for training, test in splits:
        if training.sum() < MIN_ROWS or not test.any():
            continue
        tested |= test
        fitted = {kind: fit_rows(kind, rows, after, training, features) for kind in sorted(kinds)}
        for model in models:
            moves[model][test] = serve(model, fitted, features)[0].predict(X[test])
        most[test] = majority(after.moves[training])
        times = rows.recv_ns[training]
        micro[test] = microprice(rows, int(times.min()), int(times.max()))[test]
    if not tested.any():
        return Table([], [])
    signals |= {"microprice": micro, "majority": most}
    return table(
        after.rows(tested),
        {name: values[tested] for name, values in (*rivals.items(), *moves.items())},
        {name: values[tested] for name, values in signals.items()},
        threshold,
        paired=paired,
    )
