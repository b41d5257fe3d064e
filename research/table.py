"""The hit-rate table: models beside baselines, at a threshold and at equal coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from research.labels import Flags, Floats, labels
from research.microprice import adjustment, states
from research.pairs import Pair, pair
from research.scores import Outcomes, Score, at_coverage, at_threshold, score
from shared.errors import BadInput
from shared.units import SECOND

if TYPE_CHECKING:  # importing it loads the compiled features, and workers are to stay small
    from research.dataset import Dataset

COVERAGES = (1.0, 0.5, 0.2)
BASELINES = ("imbalance 1", "imbalance 5", "last return")  # which cost nothing
LEARNED = ("microprice", "majority")  # which are learned from the training rows
LATENCY_NS = 100_000_000  # between a book and the fill that it causes, for the edge


def outcomes(data: Dataset, horizon_s: int) -> tuple[Outcomes, Flags]:
    """What came after the rows of `data` that have a label, and the mask of those rows."""
    horizon_ns = horizon_s * SECOND
    y, known = labels(data.track, data.recv_ns, data.breaks_before, horizon_ns)
    late, late_known = labels(data.track, data.recv_ns, data.breaks_before, horizon_ns, LATENCY_NS)
    late = np.where(late_known, late, np.nan)
    return (
        Outcomes(horizon_s, data.recv_ns[known], y[known], late[known], data.mid[known], data.spread[known]),
        known,
    )


def baselines(data: Dataset) -> dict[str, Floats]:
    """The signals of `BASELINES`, each of shape (n,). Those of `LEARNED` are added by who knows the training
    rows."""
    return dict(zip(BASELINES, (data.imbalance_1, data.imbalance_5, data.last_return), strict=True))


def row_name(name: str) -> str:
    """A model's name in JSON; that of a baseline says so.

    >>> row_name("last return"), row_name("auto")
    ('baseline:last_return', 'auto')
    """
    return f"baseline:{name.replace(' ', '_')}" if name in (*BASELINES, *LEARNED) else name


def microprice(data: Dataset, from_ns: int, until_ns: int) -> Floats:
    """Stoikov's microprice less the mid for each row, (n,), half ticks; estimated on the quotes of a span."""
    moves: Floats = adjustment(data.quotes.between(from_ns, until_ns))
    return moves[states(data.imbalance_1, data.spread_ticks)]


def majority(moves: Floats) -> float:
    """+1 or -1: the direction of most training labels; 0 where they balance."""
    return float(np.sign(np.sign(moves).sum()))


@dataclass(frozen=True)
class Selection:
    """Which rows count: those with |yhat| of at least `threshold`, or the `coverage` share of the largest;
    one of the two is None. A baseline under a threshold is given the coverage that the last model reached."""

    threshold: float | None
    coverage: float | None

    @property
    def name(self) -> str:
        """As tables have it."""
        return f"|yhat| ≥ {self.threshold:g}" if self.coverage is None else f"{100 * self.coverage:g} %"


class Table(NamedTuple):
    """The hit-rate table, and each model against each baseline at equal coverage."""

    scores: list[Score]
    pairs: list[Pair]


def table(
    after: Outcomes,
    models: Mapping[str, Floats],
    signals: Mapping[str, Floats],
    threshold: float,
    coverages: Sequence[float] = COVERAGES,
    paired: Sequence[str] = (),
) -> Table:
    """Rows per selection: each model, then each baseline at the coverage that the last model reached.

    `models` are expected moves in quote currency, `signals` are baselines; all of shape (n,), rows as
    `after`. Each model of `paired` is held against each baseline, at a threshold with the coverage of the
    model itself.
    """
    scores: list[Score] = []
    pairs: list[Pair] = []
    reference = list(models.values())[-1]
    for selection in selections(threshold, coverages):
        chosen = {name: select(selection, signal) for name, signal in models.items()}
        reached = select(selection, reference).mean() if len(reference) else 0.0
        coverage = float(reached) if selection.coverage is None else selection.coverage
        chosen |= {name: at_coverage(signal, coverage) for name, signal in signals.items()}
        for name, signal in (*models.items(), *signals.items()):
            scores.append(score(name, selection.name, signal, chosen[name], after, is_move=name in models))
        for name in paired:
            coverage = float(chosen[name].mean()) if selection.coverage is None else selection.coverage
            for other, signal in signals.items():
                both = (models[name], signal)
                rows = (chosen[name], at_coverage(signal, coverage))
                pairs.append(pair((name, other), selection.name, both, rows, after))
    return Table(scores, pairs)


def selections(threshold: float, coverages: Sequence[float] = COVERAGES) -> list[Selection]:
    """A threshold, then the coverages. Raises BadInput for a threshold that no prediction can reach."""
    if not isfinite(threshold):
        raise BadInput(f"threshold {threshold:g} is no number of USDT")
    return [Selection(threshold, None), *(Selection(None, coverage) for coverage in coverages)]


def select(selection: Selection, signal: Floats) -> Flags:
    """The rows, (n,), that a model's signal selects."""
    if selection.threshold is not None:
        return at_threshold(signal, selection.threshold)
    return at_coverage(signal, 1.0 if selection.coverage is None else selection.coverage)
