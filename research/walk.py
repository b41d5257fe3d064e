"""The hit-rate table of models that walk forward: each block predicted by fits on what came before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from research.feature_sets import FLOW, LONG, SEED
from research.fit import MIN_ROWS, Features, Fitted
from research.labels import Flags, Floats
from research.pool import Stack
from research.splits import Split
from research.table import Table, baselines, majority, microprice, table

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


def walked(
    stack: Stack,
    splits: Sequence[Split],
    models: Sequence[str],
    threshold: float,
    rivals: Sequence[Mapping[str, Floats]] = (),
    paired: Sequence[str] = (),
) -> list[Table]:
    """For each part of the stack the table over its test rows of all splits, each predicted by models fitted
    on the training rows of all parts.

    `rivals` are further predictions of each part's rows, by name; the models in `paired` are held against
    each baseline. A split with fewer than 30 training rows is left out, as is a part with so few of several;
    without any the table is empty.
    """
    moves = {model: np.zeros(len(stack.y)) for model in models}
    learned = [_Learned(stack, number) for number in range(len(stack.parts))]
    tested = np.zeros(len(stack.y), dtype=np.bool_)
    # `auto` needs the kinds that may serve; those that are only shown beside it are among `models`.
    kinds = {model for model in models if model != AUTO}
    kinds |= set(SERVING[stack.features.feature_set]) if AUTO in models else set()
    for everything, test in splits:
        training = stack.weighable(everything)
        if training.sum() < MIN_ROWS or not test.any():
            continue
        tested |= test
        fitted = {kind: stack.fit(kind, training) for kind in sorted(kinds)}
        for model in models:
            moves[model][test] = serve(model, fitted, stack.features)[0].predict(stack.X[test])
        for one in learned:
            one.learn(everything, test)
    tables = []
    for one, others in zip(learned, rivals or [{}] * len(learned), strict=True):
        mine = stack.of(one.number, tested)
        if not mine.any():
            tables.append(Table([], []))
            continue
        own = {name: values[stack.owners == one.number] for name, values in moves.items()}
        tables.append(
            table(
                one.part.after.rows(mine),
                {name: values[mine] for name, values in (*others.items(), *own.items())},
                {name: values[mine] for name, values in one.signals().items()},
                threshold,
                paired=paired,
            )
        )
    return tables


class _Learned:
    """The baselines of one part of a stack: what they learn, they learn from its own training rows."""

    def __init__(self, stack: Stack, number: int) -> None:
        self.number = number
        self.part = stack.parts[number]
        self._stack = stack
        self._most, self._micro = np.zeros((2, len(self.part.rows.recv_ns)))

    def learn(self, training: Flags, test: Flags) -> None:
        """From a split of the stack's rows; nothing where none of this part is for training."""
        rows, after, _ = self.part
        training, test = self._stack.of(self.number, training), self._stack.of(self.number, test)
        if not training.any():
            return
        self._most[test] = majority(after.moves[training])
        times = rows.recv_ns[training]
        self._micro[test] = microprice(rows, int(times.min()), int(times.max()))[test]

    def signals(self) -> dict[str, Floats]:
        """By name, (n,) of the part."""
        return baselines(self.part.rows) | {"microprice": self._micro, "majority": self._most}
