"""A served model on data it was not fitted on, through the very code that serves it."""

from __future__ import annotations

import numpy as np

from research.dataset import Dataset
from research.scores import Score
from research.table import LATENCY_NS, baselines, majority, microprice, outcomes, table
from services.model.manifest import Manifest
from services.model.predictor import Predictor
from shared.errors import BadInput
from shared.units import SECOND


def evaluate(manifest: Manifest, data: Dataset, threshold: float = 0.5) -> list[Score]:
    """The hit-rate table of `manifest` over the rows of `data` that its fitting did not see.

    Rows before the training range end a horizon and the longest window earlier; rows after it begin at once,
    since no training label looked beyond the range. Raises BadInput for a model of another symbol or schema.
    """
    fitted = manifest.data.get(data.symbol)
    if fitted is None:
        raise BadInput(f"the model is of {', '.join(manifest.symbols)}, the data of {data.symbol}")
    if manifest.schema != data.schema:
        raise BadInput(f"the model is of feature schema {manifest.schema}, the data of {data.schema}")
    predictor = Predictor(manifest)
    used = [*manifest.indices, *(() if manifest.sigma_index is None else (manifest.sigma_index,))]
    whole = (data.clean_ns >= manifest.longest_window_ns) & np.isfinite(data.values[:, used]).all(axis=1)
    if manifest.sigma_index is not None:
        whole &= data.values[:, manifest.sigma_index] > 0.0
    usable = data.rows(whole)
    moves = np.array([predictor.moves(row.tolist()) for row in usable.values])
    scores: list[Score] = []
    for column, row in enumerate(manifest.horizons):
        after, known = outcomes(usable, row.horizon_s)
        times = after.recv_ns
        reach_ns = row.horizon_s * SECOND + LATENCY_NS + manifest.longest_window_ns
        unseen = (times > fitted.until_ns) | (times + reach_ns < fitted.from_ns)
        seen = (times >= fitted.from_ns) & (times + row.horizon_s * SECOND <= fitted.until_ns)
        if not unseen.any() or not row.kind:
            continue
        rows = usable.rows(known).rows(unseen)
        most = np.full(len(rows.recv_ns), majority(after.moves[seen]))
        served = {row.kind: moves[known][unseen, column]}
        micro = microprice(rows, fitted.from_ns, fitted.until_ns)
        signals = {**baselines(rows), "microprice": micro, "majority": most}
        scores += table(after.rows(unseen), served, signals, threshold)
    return scores
