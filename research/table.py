"""The hit-rate table: models beside baselines, at a threshold and at equal coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from research.dataset import Dataset
from research.labels import Flags, Floats, labels
from research.microprice import adjustment, states
from research.scores import Outcomes, Score, at_coverage, at_threshold, score
from shared.units import SECOND

COVERAGES = (1.0, 0.5, 0.2)
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
    """Signals that cost nothing, each of shape (n,). The training majority and
    the microprice, which are learned, are added by who knows the training rows."""
    return {"imbalance 1": data.imbalance_1, "imbalance 5": data.imbalance_5, "last return": data.last_return}


def microprice(data: Dataset, from_ns: int, until_ns: int) -> Floats:
    """Stoikov's microprice less the mid for each row, (n,), half ticks; estimated on the quotes of a span."""
    moves: Floats = adjustment(data.quotes.between(from_ns, until_ns))
    return moves[states(data.imbalance_1, data.spread_ticks)]


def majority(moves: Floats) -> float:
    """+1 or -1: the direction of most training labels; 0 where they balance."""
    return float(np.sign(np.sign(moves).sum()))


def table(
    after: Outcomes,
    models: Mapping[str, Floats],
    signals: Mapping[str, Floats],
    threshold: float,
    coverages: Sequence[float] = COVERAGES,
) -> list[Score]:
    """Rows per selection: each model, then each baseline at the coverage that the last model reached.

    `models` are expected moves in quote currency, `signals` are baselines; all of shape (n,), rows as
    `after`.
    """
    rows: list[Score] = []
    reference = list(models.values())[-1]
    selection = f"|yhat| ≥ {threshold:g}"
    for name, signal in models.items():
        chosen = at_threshold(signal, threshold)
        rows.append(score(name, selection, signal, chosen, after, is_move=True))
    reached = float(at_threshold(reference, threshold).mean()) if len(reference) else 0.0
    for name, signal in signals.items():
        rows.append(score(name, selection, signal, at_coverage(signal, reached), after, is_move=False))
    for coverage in coverages:
        selection = f"{100 * coverage:g} %"
        for name, signal in (*models.items(), *signals.items()):
            chosen = at_coverage(signal, coverage)
            rows.append(score(name, selection, signal, chosen, after, is_move=name in models))
    return rows
