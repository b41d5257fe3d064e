"""A model judged on data that it was not fitted on, beside the baselines, through the code that serves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.dataset import Dataset
from research.fit import MIN_ROWS
from research.forecast import Loaded, fitted_on, whole
from research.labels import Flags, Floats, Ints
from research.microprice import states
from research.pairs import Pair
from research.permutation import Null, permuted
from research.scores import Outcomes, Score
from research.table import (
    COVERAGES,
    LATENCY_NS,
    Table,
    baselines,
    outcomes,
    select,
    selections,
    table,
)
from research.tape import check_price, check_tape
from services.model.manifest import Manifest
from shared.errors import BadInput
from shared.units import MS, SECOND

BOOK_SHARE = 0.9  # of the points of time at which a book is known: below it is worth a word
TAPE = "trades_"  # features that are zero where a recording holds no trades


@dataclass(frozen=True)
class Judged:
    """The table of one evaluation. `nulls` by horizon and selection, of the model."""

    scores: list[Score]
    pairs: list[Pair]
    nulls: dict[tuple[int, str], Null]
    warnings: list[str]


def evaluate(
    model: Loaded, data: Dataset, threshold: float = 0.5, coverages: Sequence[float] = COVERAGES
) -> Judged:
    """The hit-rate table of `model` over the rows of `data` that its fitting did not see.

    Rows before the training range end a horizon and the longest window earlier; rows after it begin at once,
    since no training label looked beyond the range. Raises BadInput for a model of another symbol or schema,
    where its features are whole on too few rows, do not vary, the tape is one-sided, or where only rows that
    it was fitted on remain.
    """
    manifest = model.manifest
    fitted_on(manifest, data)
    usable, warnings = _usable(manifest, data)
    judged = Judged([], [], {}, warnings)
    seen = 0
    for row in manifest.horizons:
        if not row.kind:
            warnings.append(f"{row.horizon_s} s: the model has none ({row.reason})")
            continue
        after, known = outcomes(usable, row.horizon_s)
        unseen = unseen_rows(manifest, data.symbol, after.recv_ns, row.horizon_s)
        seen = max(seen, int((~unseen).sum()))
        if len(unseen) and not unseen.any():
            raise BadInput(
                f"all {len(unseen)} rows lie in the time that model {manifest.version} was fitted on: "
                "nothing is left to judge it by"
            )
        if unseen.sum() < MIN_ROWS:
            raise BadInput(
                f"{data.symbol}: {unseen.sum()} rows with a label for {row.horizon_s} s; "
                f"judging needs {MIN_ROWS}"
            )
        rows = usable.rows(known).rows(unseen)
        moves = model.moves(rows, row.horizon_s)
        signals = signals_of(manifest, row.horizon_s, rows)
        reach_ns = row.horizon_s * SECOND + LATENCY_NS + manifest.longest_window_ns
        found, nulls = judge(row.kind, moves, signals, after.rows(unseen), threshold, coverages, reach_ns)
        judged.scores.extend(found.scores)
        judged.pairs.extend(found.pairs)
        judged.nulls.update(nulls)
    if seen:
        warnings.insert(0, f"{seen} rows lie in or beside the time the model was fitted on and are left out")
    return judged


def judge(
    name: str,
    moves: Floats,
    signals: dict[str, Floats],
    after: Outcomes,
    threshold: float,
    coverages: Sequence[float],
    reach_ns: int,
) -> tuple[Table, dict[tuple[int, str], Null]]:
    """The table of one model's `moves` for one horizon, and its nulls by horizon and selection. `reach_ns` is
    how far a row's features and label reach together."""
    found = table(after, {name: moves}, signals, threshold, coverages, paired=[name])
    nulls = {
        (after.horizon_s, one.name): permuted(moves, select(one, moves), after.moves, after.recv_ns, reach_ns)
        for one in selections(threshold, coverages)
    }
    return found, nulls


def unseen_rows(manifest: Manifest, symbol: str, recv_ns: Ints, horizon_s: int) -> Flags:
    """The rows, (n,), that share nothing with those that the model was fitted on."""
    fitted = manifest.data[symbol]
    reach_ns = horizon_s * SECOND + LATENCY_NS + manifest.longest_window_ns
    unseen: Flags = (recv_ns > fitted.until_ns) | (recv_ns + reach_ns < fitted.from_ns)
    return unseen


def signals_of(manifest: Manifest, horizon_s: int, rows: Dataset) -> dict[str, Floats]:
    """The baselines of each row, (n,); what they learned, they learned where the model was fitted."""
    signals = baselines(rows)
    if manifest.microprice:
        signals["microprice"] = np.array(manifest.microprice)[states(rows.imbalance_1, rows.spread_ticks)]
    most = next(row.majority for row in manifest.horizons if row.horizon_s == horizon_s)
    if most is not None:
        signals["majority"] = np.full(len(rows.recv_ns), most)
    return signals


def _usable(manifest: Manifest, data: Dataset) -> tuple[Dataset, list[str]]:
    """The rows on which the model predicts, and what is to be said about the data. Raises BadInput."""
    check_tape(data)
    check_price(data)
    mask = whole(manifest, data)
    window_s = manifest.longest_window_ns / SECOND
    if mask.sum() < MIN_ROWS:
        gaps = len(data.track.breaks_ns)
        why = f"there are {gaps} gaps in {len(data.recv_ns)} rows"
        why = why if gaps > 1 else f"the data have {len(data.recv_ns)} rows"
        raise BadInput(
            f"{data.symbol}: on {mask.sum()} rows all windows of {window_s:g} s are whole; judging needs "
            f"{MIN_ROWS}, and {why}"
        )
    usable = data.rows(mask)
    weighed = {
        name
        for row in manifest.horizons
        for name, weight in zip(manifest.names, row.weights or (1.0,) * len(manifest.names), strict=True)
        if row.kind and weight != 0.0
    }
    spread = np.ptp(usable.values[:, list(manifest.indices)], axis=0)
    still = [name for name, width in zip(manifest.names, spread, strict=True) if width == 0.0]
    dead = [name for name in still if name in weighed]
    refused = [name for name in dead if not name.startswith(TAPE)]
    if refused or (dead and set(dead) == weighed):
        raise BadInput(
            f"{data.symbol}: {', '.join(refused or dead)} never varies in the data, and the model uses it"
        )
    said = []
    points = (data.until_ns - data.from_ns) // (data.sample_ms * MS)
    if len(data.recv_ns) < BOOK_SHARE * points:
        said.append(
            f"a book is known at {len(data.recv_ns)} of {points} points of time, and there are "
            f"{len(data.track.breaks_ns)} gaps: after a gap it is known again from the next snapshot on"
        )
    if dead:
        said.append(f"{', '.join(dead)} never varies: the data hold no trades, and the model uses them")
    left_out = len(data.recv_ns) - int(mask.sum())
    if left_out:
        said.append(
            f"{left_out} of {len(data.recv_ns)} rows are left out: windows of {window_s:g} s not whole"
        )
    return usable, said
