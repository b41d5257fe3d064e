"""One part of `bench.train`, run as a process: `walk`, `fits` (by days) or `plain` (in memory)."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.footprint import Footprint
from bench.train import COMPARED, COMPARED_H, MODELS
from research.days.backend import Backend, working
from research.days.evidence import evidence
from research.days.forward import compressed, walk
from research.days.job import job
from research.rows.layout import DAY_NS
from research.rows.store import Day, Store, opened
from shared.units import SECOND

LATENCY_NS = 100_000_000


def tell(what: str, share: float) -> None:
    """How far we are, for the process that started this one."""
    print(json.dumps({"what": what, "share": round(share, 4)}), flush=True)


def walked(store: Store, work: Path, backend: Backend) -> dict[str, Any]:
    """The whole walk: every day but the first, every horizon and model."""
    asked = job(store, "flow", MODELS, work)
    phases: dict[str, float] = {}
    begun = time.perf_counter()

    def progress(what: str, share: float) -> None:
        phases[what] = time.perf_counter() - begun
        tell(what, share)

    with working(backend) as crew:
        found = walk(store, asked, crew, 0.5, progress)
    seconds = time.perf_counter() - begun
    best = {
        row.name: round(row.skill, 4)
        for row in found.scores
        if row.selection == "100 %" and row.horizon_s == COMPARED_H
    }
    return {
        "seconds": round(seconds, 2),
        "until_s": {what: round(at, 2) for what, at in phases.items()},
        "fits": len(found.predicted),
        "rows_fitted": sum(row.rows for row in found.predicted),
        "rows_predicted": found.scores[0].rows,
        f"skill_{COMPARED_H}s": best,
    }


def fitted_by_days(store: Store, work: Path, backend: Backend) -> dict[str, Any]:
    """The linear models of one horizon on all days but the last, from files."""
    from research.days.fits import fit

    asked = job(store, "flow", COMPARED, work, (COMPARED_H,))
    begun = time.perf_counter()
    before = store._replace(days=store.days[:-1])
    with working(backend) as crew:
        days = compressed(before, asked, crew, tell)
        last = store.days[-1].start_ns
        known = evidence([one[COMPARED_H] for one in days], (last, last + DAY_NS))
        fits = [fit(kind, known, asked.columns.names, True, COMPARED_H, asked.step_s) for kind in COMPARED]
    weights = [one.model.regressor_["regress"].coef_ for one in fits]
    return {"seconds": round(time.perf_counter() - begun, 2), "weights": np.concatenate(weights).tolist()}


def fitted_in_memory(store: Store, work: Path) -> dict[str, Any]:
    """The same by the pipelines of `research.estimators` on all rows, penalties by `research.penalty` on the
    same folds."""
    from research import penalty
    from research.estimators import SPARSE, estimator
    from research.sigmas import SIGMAS, scales

    asked = job(store, "flow", COMPARED, work, (COMPARED_H,))
    begun = time.perf_counter()
    reach_ns = COMPARED_H * SECOND + LATENCY_NS
    parts = [_rows(day, asked.columns.read, asked.columns.window_ns) for day in store.days[:-1]]
    X, y, recv_ns = (np.concatenate(column) for column in zip(*parts, strict=True))
    kept = recv_ns + reach_ns < store.days[-1].start_ns
    X, y, recv_ns = X[kept], y[kept], recv_ns[kept]
    spans = _folds(store.days[:-1])
    weights = []
    for at, kind in enumerate(COMPARED):
        tell(f"fitting {kind} in memory", at / len(COMPARED))
        alpha = None
        if kind == "ridge" or kind in SPARSE:
            target = y / scales(X[:, -SIGMAS:], COMPARED_H)
            embargo_ns = asked.columns.window_ns
            splits = (
                (
                    (recv_ns + reach_ns < low) | (recv_ns >= high + reach_ns + embargo_ns),
                    (recv_ns >= low) & (recv_ns < high),
                )
                for low, high in spans
            )
            alpha = penalty.choose(X[:, :-SIGMAS], target, splits, True, kind)
        model = estimator(kind, COMPARED_H, True, alpha).fit(X, y)
        weights.append(model.regressor_["regress"].coef_)
    return {"seconds": round(time.perf_counter() - begun, 2), "weights": np.concatenate(weights).tolist()}


def _rows(day: Day, names: Sequence[str], window_ns: int) -> tuple[Any, Any, Any]:
    told = day.columns(["recv_ns", "clean_ns", f"y.{COMPARED_H}", f"known.{COMPARED_H}"])
    mask = told[f"known.{COMPARED_H}"] & (told["clean_ns"] >= window_ns)
    return day.features(names)[mask], told[f"y.{COMPARED_H}"][mask], told["recv_ns"][mask]


def _folds(days: Sequence[Day]) -> list[tuple[int, int]]:
    """The folds of `research.days.evidence`, as spans of time."""
    from research.days.evidence import FOLDS, UNITS_A_DAY

    starts = [day.start_ns + at * DAY_NS // UNITS_A_DAY for day in days for at in range(UNITS_A_DAY)]
    groups = np.array_split(np.array(starts), FOLDS)
    return [(int(group[0]), int(group[-1]) + DAY_NS // UNITS_A_DAY) for group in groups]


def main() -> None:
    """Run one part; the last line of the output is what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("walk", "fits", "plain"))
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path())
    parser.add_argument("--backend", default="loky")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scheduler", default="")
    asked = parser.parse_args()
    store = opened(asked.rows)
    backend = Backend(asked.backend, asked.jobs, asked.scheduler)
    asked.work.mkdir(parents=True, exist_ok=True)
    with Footprint() as footprint:
        if asked.part == "walk":
            found = walked(store, asked.work, backend)
        elif asked.part == "fits":
            found = fitted_by_days(store, asked.work, backend)
        else:
            found = fitted_in_memory(store, asked.work)
    rounded = {
        "cpu_seconds": footprint.cpu_seconds and round(footprint.cpu_seconds, 2),
        "peak_rss_mb": footprint.resident_mb and round(footprint.resident_mb),
        "peak_pss_mb": footprint.proportional_mb and round(footprint.proportional_mb),
    }
    print(json.dumps({**found, **rounded}), flush=True)


if __name__ == "__main__":
    main()
