"""How a recipe would do on data that it never saw, with what is at hand: every recording in turn trains, all
others test, whatever their symbol.

The rows of a test that share time with the training rows are counted apart: another symbol in the same
minutes is not new weather. What is compared is the hit rate with that of the best-level imbalance at equal
coverage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from research.dataset import Dataset
from research.fit import MIN_ROWS, choose_features
from research.labels import Flags
from research.pairs import pair
from research.pool import stacked
from research.scores import at_coverage
from research.table import COVERAGES, LATENCY_NS, baselines, outcomes, select, selections
from research.walk import kinds_of, serve
from shared.units import SECOND

YARDSTICK = "imbalance 1"


@dataclass(frozen=True)
class Rehearsed:
    """One model trained on one recording and tested on another; shares 0 to 1."""

    model: str
    trained_on: str
    tested_on: str
    is_later: bool  # only rows that share no time with the training rows
    horizon_s: int
    selection: str
    rows: int
    coverage: float
    difference: float  # of hit rates, model less yardstick
    error: float


@dataclass(frozen=True)
class Summary:
    """The mean over pairs of recordings, with the standard error of that mean as if pairs were
    independent."""

    model: str
    horizon_s: int
    selection: str
    is_later: bool
    pairs: int
    difference: float
    error: float


def rehearse(
    recordings: Mapping[str, Dataset],
    models: Sequence[str],
    horizons_s: Sequence[int] = (5, 10, 15),
    threshold: float = 0.5,
    trained_on: Sequence[str] = (),
) -> list[Rehearsed]:
    """Every ordered pair of different recordings; `trained_on` names those that train, else all do. Raises
    BadInput where one of them has too few rows to train on."""
    found: list[Rehearsed] = []
    for name in trained_on or list(recordings):
        data = recordings[name]
        features = choose_features("flow", data)
        usable = data.rows(features.usable(data))
        for horizon_s in horizons_s:
            stack = stacked([usable], horizon_s, features)
            every = np.ones(len(stack.y), dtype=np.bool_)
            for model in models:
                kinds = {kind: stack.fit(kind, every) for kind in kinds_of(model, features)}
                fitted = serve(model, kinds, features)[0]
                for other, tested in recordings.items():
                    if other == name:
                        continue
                    part = tested.rows(features.usable(tested))
                    later, told = outcomes(part, horizon_s)
                    part = part.rows(told)
                    moves = fitted.predict(features.matrix(part))
                    reach_ns = horizon_s * SECOND + LATENCY_NS + features.longest_window_ns
                    apart: Flags = (later.recv_ns > data.until_ns) | (later.recv_ns + reach_ns < data.from_ns)
                    for is_later, chosen in ((False, np.ones_like(apart)), (True, apart)):
                        if chosen.sum() < MIN_ROWS:
                            continue
                        mine, yard = moves[chosen], baselines(part)[YARDSTICK][chosen]
                        came = later.rows(chosen)
                        for one in selections(threshold, COVERAGES):
                            taken = select(one, mine)
                            share = float(taken.mean()) if one.coverage is None else one.coverage
                            both = pair(
                                (model, YARDSTICK),
                                one.name,
                                (mine, yard),
                                (taken, at_coverage(yard, share)),
                                came,
                            )
                            found.append(
                                Rehearsed(
                                    model, name, other, is_later, horizon_s, one.name, len(mine),
                                    float(taken.mean()), both.difference, both.error,
                                )
                            )  # fmt: skip
    return found


def summarize(rows: Sequence[Rehearsed]) -> list[Summary]:
    """Means over the pairs, in the order in which model, rows, horizon and selection first come."""
    groups: dict[tuple[str, bool, int, str], list[float]] = {}
    for row in rows:
        key = (row.model, row.is_later, row.horizon_s, row.selection)
        groups.setdefault(key, []).extend([row.difference] if np.isfinite(row.difference) else [])
    return [
        Summary(
            model, horizon_s, selection, is_later, len(gaps),
            float(np.mean(gaps)) if gaps else float("nan"),
            float(np.std(gaps, ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else float("nan"),
        )
        for (model, is_later, horizon_s, selection), gaps in groups.items()
    ]  # fmt: skip
