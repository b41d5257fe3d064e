"""What was predicted live or in a replay, against what came of it: the hit-rate table of recorded streams."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from research.dataset import Dataset
from research.scores import Score
from research.table import baselines, outcomes, table
from shared.messages import Prediction


def served(data: Dataset, predictions: Iterable[Prediction], threshold: float = 0.5) -> list[Score]:
    """The hit-rate table of recorded `predictions` over the rows of `data`, joined by the book's receive time
    (both carry it). Rows without a prediction are left out, and so the model's own training range is."""
    by_time: dict[int, Prediction] = {row.recv_ns: row for row in predictions if row.moves}
    has = np.array([int(at_ns) in by_time for at_ns in data.recv_ns], dtype=bool)
    if not has.any():
        return []
    rows = data.rows(has)
    found = [by_time[int(at_ns)] for at_ns in rows.recv_ns]
    horizons = found[0].horizons_s
    moves = np.array([row.moves for row in found], dtype=np.float64)
    scores: list[Score] = []
    for column, horizon_s in enumerate(horizons):
        after, known = outcomes(rows, horizon_s)
        chosen = moves[known][:, column]
        if not known.any() or np.isnan(chosen).all():
            continue
        scores += table(after, {"served": chosen}, baselines(rows.rows(known)), threshold).scores
    return scores
