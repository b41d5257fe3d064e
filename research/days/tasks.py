"""The tasks of a walk, each small enough for a worker: a day compressed, and a day predicted by one model."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from research.days.evidence import UNITS_A_DAY, Evidence
from research.days.job import Job, features, labels, no_moves, split
from research.days.units import Unit, reach, units
from research.labels import Floats
from research.rows.layout import DAY_NS
from research.rows.store import Day, usable

SAMPLE_ROWS = 25_000  # that trees are fitted on, whatever the number of days
SAMPLE_A_DAY = 10_000
PREDICT_ROWS = 8_000
SEED = 20240808
TREES = "boosting"


class Predicted(NamedTuple):
    """One model's day."""

    date: str
    horizon_s: int
    model: str
    kind: str  # what `auto` was that day; empty where there was no model
    rows: int  # fitted on
    alpha: float | None


def compress(day: Day, asked: Job, is_sampled: bool) -> dict[int, list[Unit]]:
    """The day's units by horizon. Where `is_sampled` some of its rows are written down for trees."""
    values, whole = features(day, asked)
    found: dict[int, list[Unit]] = {}
    targets = []
    for h in asked.horizons_s:
        told = labels(day, asked, h)
        mask = whole & told["known"]
        X, sigmas = split(values[mask], asked)
        found[h] = units(
            X,
            sigmas,
            told["y"][mask],
            told["recv_ns"][mask],
            h,
            (day.start_ns, day.start_ns + DAY_NS),
            UNITS_A_DAY,
            reach(h, asked.latency_ns),
            asked.columns.window_ns,
            asked.columns.powers,
        )
        if is_sampled:
            # A label that reaches beyond the day is of no use for predicting the next.
            inside = told["recv_ns"] + reach(h, asked.latency_ns) < day.start_ns + DAY_NS
            targets.append(np.where(told["known"] & inside, told["y"], np.nan))
    if is_sampled:
        draw = np.random.default_rng([SEED, day.start_ns // DAY_NS])
        chosen = draw.permutation(np.flatnonzero(whole))[:SAMPLE_A_DAY]
        np.save(
            asked.sample_path(day.date),
            np.column_stack([values[chosen], *(target[chosen] for target in targets)]),
        )
    return found


def predict(
    day: Day, asked: Job, horizon_s: int, model: str, evidence: Evidence, before: Sequence[Day]
) -> Predicted:
    """Fit one model on what was `before` and write down what it says of `day`."""
    # Only workers need scikit-learn: the process that hands out tasks stays small.
    from research.days.fits import serving
    from research.days.trees import fit_trees

    names = asked.columns.names
    clean = day.columns(["clean_ns"])["clean_ns"]
    moves = no_moves(len(clean))
    with threadpool_limits(limits=1):  # of libraries, too, that were loaded just now
        if model == TREES:
            fitted = fit_trees(sample(before, asked, horizon_s), names, asked.is_scaled, horizon_s)
        else:
            fitted = serving(
                model, evidence, names, asked.feature_set, asked.is_scaled, horizon_s, asked.step_s
            )
        # Some thousand rows at a time: a pipeline makes a copy at each of its steps.
        start = 0
        for values in day.groups(asked.columns.read):
            window_ns, sigmas = asked.columns.window_ns, len(asked.columns.sigmas)
            told = {"clean_ns": clean[start : start + len(values)]}
            whole = np.flatnonzero(usable(told, values, window_ns, sigmas))
            for rows in np.array_split(whole, 1 + len(values) // PREDICT_ROWS):
                moves[start + rows] = fitted.predict(*split(values[rows], asked))
            start += len(values)
    np.save(asked.moves_path(day.date, horizon_s, model), moves)
    kind = fitted.kind if fitted.model is not None else ""
    return Predicted(day.date, horizon_s, model, kind, fitted.rows, fitted.alpha)


def sample(before: Sequence[Day], asked: Job, horizon_s: int) -> Floats:
    """Rows for trees, (m, k + 3): features, sigmas, label. As many of each day, at most `SAMPLE_ROWS`."""
    width = len(asked.columns.read)
    column = width + asked.horizons_s.index(horizon_s)
    share = ceil(SAMPLE_ROWS / len(before))
    parts = []
    for day in before:
        rows = np.load(asked.sample_path(day.date), mmap_mode="r")[:share]
        parts.append(np.column_stack([rows[:, :width], rows[:, column]]))
    joined: Floats = np.concatenate(parts)
    return joined[np.isfinite(joined[:, -1])][:SAMPLE_ROWS]
