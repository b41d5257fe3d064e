"""Fitting one horizon: which rows and features, which model, and whether there is one at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from research import feature_sets, penalty, prior, shrinkage
from research.estimators import (
    PRIORS,
    SIGMA_POWER,
    SPARSE,
    TREES,
    Believed,
    estimator,
)
from research.labels import Flags, Floats, Ints
from research.sigmas import SIGMAS, row_weights, scales
from research.splits import Split, purged_blocks
from research.table import LATENCY_NS
from research.tape import check_price, check_tape
from services.features import schema
from shared.errors import BadInput
from shared.units import SECOND

if TYPE_CHECKING:  # importing it loads the compiled features, and workers are to stay small
    from research.dataset import Dataset

PENALTY_FOLDS = 5
MIN_ROWS = 30


@dataclass(frozen=True)
class Features:
    """The features a model uses and where they lie in the published vector."""

    feature_set: str
    names: tuple[str, ...]
    dropped: tuple[str, ...]  # constant in the training data
    indices: tuple[int, ...]
    sigma_index: int | None
    slow_index: int | None  # there is one where there is the other
    longest_window_ns: int

    @property
    def is_scaled(self) -> bool:
        """Whether the target is divided by sigma sqrt(h)."""
        return self.sigma_index is not None

    def usable(self, data: Dataset) -> Flags:
        """Rows on which every feature is whole and finite."""
        used = data.values[:, self.columns()]
        mask: Flags = (data.clean_ns >= self.longest_window_ns) & np.isfinite(used).all(axis=1)
        mask &= (data.values[:, self.scaled_by()] > 0.0).all(axis=1)
        return mask

    def columns(self) -> list[int]:
        """Columns of X: the features, and the sigmas last where there are any."""
        return [*self.indices, *self.scaled_by()]

    def scaled_by(self) -> list[int]:
        """Where the sigmas lie."""
        return [index for index in (self.sigma_index, self.slow_index) if index is not None]

    def matrix(self, data: Dataset) -> Floats:
        """X of shape (n, k), or (n, k + 2) with the sigmas last."""
        matrix: Floats = data.values[:, self.columns()]
        return matrix


def choose_features(feature_set: str, data: Dataset) -> Features:
    """The set's features that vary in `data`. Raises BadInput for an unknown set, data too short for it, a
    one-sided tape, too few rows, a price that never moves, or where none varies."""
    members, sigmas = feature_sets.members(feature_set), feature_sets.sigmas(feature_set)
    feature_sets.check_span(feature_set, data.symbol, data.from_ns, data.until_ns)
    if data.schema != schema.SCHEMA_HASH:
        raise BadInput(f"features of schema {data.schema}, not {schema.SCHEMA_HASH}")
    everything = described(feature_set, members, sigmas, ())
    rows = data.rows(everything.usable(data))
    if len(rows.recv_ns) < MIN_ROWS:
        gaps = len(data.track.breaks_ns)
        why = f", and there are {gaps} gaps in the data" if gaps > 1 else ""
        raise BadInput(
            f"{data.symbol}: {len(rows.recv_ns)} rows with whole windows of "
            f"{everything.longest_window_ns / SECOND:g} s; training needs {MIN_ROWS}{why}"
        )
    varies = np.ptp(rows.values[:, list(everything.indices)], axis=0) > 0.0
    if not varies.any():
        raise BadInput(f"{data.symbol}: every feature of set {feature_set} is constant in the data")
    check_tape(data)
    check_price(data)
    kept = [name for name, is_kept in zip(everything.names, varies, strict=True) if is_kept]
    dropped = [name for name, is_kept in zip(everything.names, varies, strict=True) if not is_kept]
    return described(feature_set, kept, sigmas, dropped)


def described(
    feature_set: str, names: Sequence[str], sigmas: Sequence[str], dropped: Sequence[str]
) -> Features:
    """Features by name; `sigmas` is `schema.SIGMAS` or nothing."""
    fast, slow = schema.indices(sigmas) or (None, None)
    return Features(
        feature_set=feature_set,
        names=tuple(names),
        dropped=tuple(dropped),
        indices=tuple(int(index) for index in schema.indices(names)),
        sigma_index=fast,
        slow_index=slow,
        longest_window_ns=max((schema.window_ns(name) for name in (*names, *sigmas)), default=0),
    )


@dataclass(frozen=True)
class Fitted:
    """One horizon's model; `model` is None where a sparse kind keeps no feature."""

    kind: str  # one of `estimators.KINDS`
    model: Any
    alpha: float | None  # the penalty, where there is one
    kept: int  # features with a weight other than zero
    horizon_s: int
    features: Features
    prior_weight: float | None = None  # of the kinds `prior` and `shrunk`

    def predict(self, X: Floats) -> Floats:
        """Expected moves, quote currency; 0 (no signal) where there is no model."""
        if self.model is None or len(X) == 0:
            return np.zeros(len(X))
        moves: Floats = self.model.predict(X)
        return moves

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        """Expected moves, (n,), for each row of `data`; NaN where the features are not whole. Raises BadInput
        for another horizon than the model's."""
        if horizon_s != self.horizon_s:
            raise BadInput(f"the model is for {self.horizon_s} s, not for {horizon_s} s")
        usable = self.features.usable(data)
        moves = np.full(len(usable), np.nan)
        moves[usable] = self.predict(self.features.matrix(data)[usable])
        return moves


def fit(kind: str, X: Floats, y: Floats, recv_ns: Ints, horizon_s: int, features: Features) -> Fitted:
    """Fit one kind on labelled rows: X as `Features.matrix`, y (n,) in quote currency, times ascending.
    Raises BadInput for too few rows, and for a prior in raw units."""
    if len(y) < MIN_ROWS:
        raise BadInput(f"{len(y)} labelled rows for {horizon_s} s; training needs {MIN_ROWS}")
    if kind in (*PRIORS, TREES) and not features.is_scaled:
        raise BadInput(f"{kind} is of feature set flow, not of {features.feature_set}")
    if kind in PRIORS:
        return _believed(kind, X, y, recv_ns, horizon_s, features)
    alpha = None
    if kind == "ridge" or kind in SPARSE:
        bare, target = X, y
        if features.is_scaled:
            bare, target = X[:, :-SIGMAS], y / scales(X[:, -SIGMAS:], horizon_s)
        splits = _splits(recv_ns, horizon_s, features)
        alpha = penalty.choose(bare, target, splits, features.is_scaled, kind)
        if alpha is None:
            return Fitted(kind, None, None, 0, horizon_s, features)
    model = estimator(kind, horizon_s, features.is_scaled, alpha).fit(X, y)
    if kind == TREES:
        return Fitted(kind, model, None, len(features.names), horizon_s, features)
    pipeline = model.regressor_ if features.is_scaled else model
    kept = int(np.count_nonzero(pipeline[-1].coef_))
    return Fitted(kind, model if kept else None, alpha, kept, horizon_s, features)


def _believed(kind: str, X: Floats, y: Floats, recv_ns: Ints, horizon_s: int, features: Features) -> Fitted:
    """The prior alone, or mixed with a fit as far as rows held out ask for it."""
    directions = prior.directions(features.names)
    step_ns = int(np.median(np.diff(recv_ns)))
    independent = len(y) * min(1.0, step_ns / (horizon_s * SECOND))
    chosen = shrinkage.Chosen(1.0, 0.0)
    if kind == "shrunk":
        power = SIGMA_POWER[kind]
        chosen = shrinkage.choose(
            X[:, :-SIGMAS],
            y / scales(X[:, -SIGMAS:], horizon_s, power),
            row_weights(X[:, -SIGMAS:], power),
            recv_ns,
            _splits(recv_ns, horizon_s, features),
            directions,
            independent,
            max(30, 2 * horizon_s) * SECOND,
        )
    believed = Believed(tuple(directions.tolist()), independent, chosen.weight)
    alpha = chosen.penalty if chosen.weight < 1.0 else None
    model = estimator(kind, horizon_s, True, alpha, believed).fit(X, y)
    kept = int(np.count_nonzero(model.regressor_[-1].coef_))
    return Fitted(kind, model if kept else None, alpha, kept, horizon_s, features, chosen.weight)


def _splits(recv_ns: Ints, horizon_s: int, features: Features) -> Iterator[Split]:
    """The purged blocks that penalties are chosen by."""
    reach_ns = horizon_s * SECOND + LATENCY_NS
    return purged_blocks(recv_ns, PENALTY_FOLDS, reach_ns, features.longest_window_ns)
