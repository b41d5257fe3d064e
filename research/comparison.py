"""Several versions on the same rows of data that none was fitted on: scores at equal coverage, and paired
differences, whose error is that of the difference and not of either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from research.dataset import Dataset
from research.evaluate import unseen_rows
from research.forecast import whole
from research.labels import Flags, Floats
from research.pairs import Pair, pair
from research.scores import Outcomes, Score, at_coverage, score
from research.table import COVERAGES, baselines, outcomes, row_name
from services.model.manifest import Manifest
from services.model.predictor import Predictor
from shared.errors import BadInput

AGAINST = "imbalance 1"  # the baseline that everything must beat


@dataclass(frozen=True)
class Comparison:
    """What came of it. `rows` is how many rows every version could predict and none was fitted on."""

    symbol: str
    versions: tuple[str, ...]
    rows: int
    scores: list[Score]
    pairs: list[Pair]

    def plain(self) -> dict[str, Any]:
        """For JSON, where NaN is null; rows as those of `lobflow evaluate`."""
        return {
            "symbol": self.symbol,
            "versions": list(self.versions),
            "rows_compared": self.rows,
            "rows": [self._row(one) for one in self.scores],
            "pairs": [one.plain() for one in self.pairs],
        }

    def _row(self, one: Score) -> dict[str, Any]:
        plain = one.plain()
        plain |= {"model": row_name(one.name), "symbol": self.symbol, "horizon": one.horizon_s}
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
    pairs: list[Pair] = []
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
) -> tuple[list[Score], list[Pair]]:
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
                    signals_of = (everything[name], everything[other])
                    rows_of = (chosen[name], chosen[other])
                    pairs.append(pair((name, other), selection, signals_of, rows_of, after))
    return scores, pairs


def _usable(manifests: Sequence[Manifest], data: Dataset, longest_s: int) -> Flags:
    """Rows that every version can predict and none has seen anything of."""
    mask = np.ones(len(data.recv_ns), dtype=np.bool_)
    for one in manifests:
        mask &= whole(one, data) & unseen_rows(one, data.recv_ns, longest_s)
    return mask


def _moves(predictor: Predictor, rows: Dataset) -> dict[int, Floats]:
    """By horizon, (n,); nothing for a horizon without model."""
    moves = np.array([predictor.moves(row) for row in rows.values.tolist()])
    return {
        row.horizon_s: moves[:, column] for column, row in enumerate(predictor.manifest.horizons) if row.kind
    }
