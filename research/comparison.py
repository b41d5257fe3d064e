"""Several versions on the same rows of data that none was fitted on: scores at equal coverage, and paired
differences, whose error is that of the difference and not of either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite, nan, sqrt
from typing import Any

import numpy as np

from research.blocks import RELIABLE_BLOCKS
from research.dataset import Dataset
from research.labels import Flags, Floats, Ints
from research.scores import Outcomes, Score, at_coverage, score
from research.table import COVERAGES, LATENCY_NS, baselines, outcomes
from services.model.manifest import Manifest
from services.model.predictor import Predictor
from shared.errors import BadInput
from shared.units import SECOND

Z = 1.96
LEAST_BLOCK_S = 30
AGAINST = "imbalance 1"  # the baseline that everything must beat


@dataclass(frozen=True)
class Paired:
    """Hit rate of `name` less that of `against` at one coverage, on the same rows."""

    horizon_s: int
    selection: str
    name: str
    against: str
    difference: float
    error: float  # standard error, by blocks of time
    low: float  # 95 %
    high: float
    blocks: int
    is_reliable: bool


@dataclass(frozen=True)
class Comparison:
    """What came of it. `rows` is how many rows every version could predict and none was fitted on."""

    symbol: str
    versions: tuple[str, ...]
    rows: int
    scores: list[Score]
    pairs: list[Paired]

    def plain(self) -> dict[str, Any]:
        """For JSON, where NaN is null; rows as those of `lobflow evaluate`."""
        return {
            "symbol": self.symbol,
            "versions": list(self.versions),
            "rows_compared": self.rows,
            "rows": [self._row(one) for one in self.scores],
            "pairs": [_finite(asdict(one)) for one in self.pairs],
        }

    def _row(self, one: Score) -> dict[str, Any]:
        name = one.name if one.name in self.versions else f"baseline:{one.name}"
        plain = one.plain()
        plain |= {"model": name, "symbol": self.symbol, "horizon": one.horizon_s}
        return plain | {
            "coverage_asked": float(one.selection.split()[0]) / 100.0,
            "lower": plain["low"],
            "upper": plain["high"],
        }


def compared(manifests: Sequence[Manifest], data: Dataset) -> Comparison:
    """Score at least two versions. Raises BadInput for one of another symbol or schema, and where no rows are
    left that none was fitted on."""
    if len(manifests) < 2:
        raise BadInput("comparing takes two versions at least, each named once")
    for manifest in manifests:
        if data.symbol not in manifest.data:
            raise BadInput(
                f"model {manifest.version} is of {', '.join(manifest.symbols)}, the data of {data.symbol}"
            )
        if manifest.schema != data.schema:
            raise BadInput(
                f"model {manifest.version} is of feature schema {manifest.schema}, the data of {data.schema}"
            )
    longest_s = max(row.horizon_s for manifest in manifests for row in manifest.horizons)
    rows = data.rows(_usable(manifests, data, longest_s))
    if not len(rows.recv_ns):
        raise BadInput(
            f"{data.symbol}: no rows of the data are new to {', '.join(one.version for one in manifests)}"
        )
    moves = {one.version: _moves(Predictor(one), rows) for one in manifests}
    scores: list[Score] = []
    pairs: list[Paired] = []
    for horizon_s in sorted({row.horizon_s for one in manifests for row in one.horizons}):
        named = {version: found[horizon_s] for version, found in moves.items() if horizon_s in found}
        after, known = outcomes(rows, horizon_s)
        if len(named) < 2 or not known.any():
            continue
        signals = {version: values[known] for version, values in named.items()}
        scored, differences = _at_horizon(signals, baselines(rows.rows(known)), after)
        scores += scored
        pairs += differences
    if not scores:
        raise BadInput(f"{data.symbol}: no horizon with a label for which two versions have a model")
    return Comparison(data.symbol, tuple(one.version for one in manifests), len(rows.recv_ns), scores, pairs)


def _at_horizon(
    models: dict[str, Floats], signals: dict[str, Floats], after: Outcomes
) -> tuple[list[Score], list[Paired]]:
    scores, pairs = [], []
    everything = models | signals
    first = next(iter(models))
    for coverage in COVERAGES:
        selection = f"{100 * coverage:g} %"
        chosen = {name: at_coverage(signal, coverage) for name, signal in everything.items()}
        for name, signal in everything.items():
            scores.append(score(name, selection, signal, chosen[name], after, is_move=name in models))
        for name in models:
            for other in dict.fromkeys([first, AGAINST]):
                if name != other:
                    both = ((everything[name], chosen[name]), (everything[other], chosen[other]))
                    pairs.append(paired(name, other, selection, both, after))
    return scores, pairs


def paired(
    name: str,
    against: str,
    selection: str,
    both: tuple[tuple[Floats, Flags], tuple[Floats, Flags]],
    after: Outcomes,
) -> Paired:
    """The difference of two hit rates, each signal (n,) on its own selection (n,); the error is that of sums
    over blocks of max(30 s, 2 h), so that labels which overlap do not count as many."""
    pulls, rates = [], []
    for signal, chosen in both:
        decided = chosen & (after.moves != 0.0)
        hits = decided & (np.sign(signal) == np.sign(after.moves))
        count = int(decided.sum())
        rates.append(hits.sum() / count if count else nan)
        pulls.append(np.where(decided, hits - rates[-1], 0.0) / max(1, count))
    difference = float(rates[0] - rates[1])
    error, blocks = _error(after.recv_ns, pulls[0] - pulls[1], after.horizon_s)
    return Paired(
        horizon_s=after.horizon_s,
        selection=selection,
        name=name,
        against=against,
        difference=difference,
        error=error,
        low=difference - Z * error,
        high=difference + Z * error,
        blocks=blocks,
        is_reliable=blocks >= RELIABLE_BLOCKS,
    )


def _error(recv_ns: Ints, pull: Floats, horizon_s: int) -> tuple[float, int]:
    places = np.unique(recv_ns // (max(LEAST_BLOCK_S, 2 * horizon_s) * SECOND), return_inverse=True)[1]
    sums = np.bincount(places, weights=pull)
    many = len(sums)
    return (sqrt(float(np.square(sums).sum()) * many / (many - 1)) if many > 1 else nan), many


def _usable(manifests: Sequence[Manifest], data: Dataset, longest_s: int) -> Flags:
    """Rows that every version can predict and none has seen anything of."""
    times = data.recv_ns
    mask = np.ones(len(times), dtype=np.bool_)
    for one in manifests:
        fitted = one.data[data.symbol]
        reach_ns = longest_s * SECOND + LATENCY_NS + one.longest_window_ns
        used = [*one.indices, *(() if one.sigma_index is None else (one.sigma_index,))]
        mask &= (data.clean_ns >= one.longest_window_ns) & np.isfinite(data.values[:, used]).all(axis=1)
        if one.sigma_index is not None:
            mask &= data.values[:, one.sigma_index] > 0.0
        mask &= (times > fitted.until_ns) | (times + reach_ns < fitted.from_ns)
    return mask


def _moves(predictor: Predictor, rows: Dataset) -> dict[int, Floats]:
    """By horizon, (n,); nothing for a horizon without model."""
    moves = np.array([predictor.moves(row) for row in rows.values.tolist()])
    return {
        row.horizon_s: moves[:, column] for column, row in enumerate(predictor.manifest.horizons) if row.kind
    }


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in row.items()
    }
