"""Training at the size of a month, beside plain scikit-learn on the same rows held in memory.

Each part runs in a process of its own, so that its memory is its own: the walk, with its workers; then the
fits of one horizon on all days but the last, by days on disk and in memory, one after the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.errors import BadInput

MODELS = ("linear", "ridge", "lasso", "elastic-net", "boosting")
COMPARED = MODELS[:-1]  # trees are fitted on a sample here: not the same fit
HORIZONS_S = (5, 10, 15)
COMPARED_H = HORIZONS_S[0]

Progress = Callable[[str, float], None]


def measure(
    days: int, folder: Path | None, backend: str, jobs: int, scheduler: str, progress: Progress
) -> dict[str, Any]:
    """Draw rows of `days` days, walk over them and compare. `ratio` is the time of the fits in memory over
    that of the same fits by days. Raises BadInput for fewer than two days."""
    # Each worker imports this module: what draws the rows is no part of what is measured.
    from bench.synthetic_rows import make

    if days < 2:
        raise BadInput(f"{days} day: walking by days needs two")
    with tempfile.TemporaryDirectory(dir=folder) as own:
        rows = Path(own) / "rows"
        store = make(rows, days, HORIZONS_S, lambda share: progress("drawing rows", share))
        count = store.rows()
        size = sum(day.path.stat().st_size for day in store.days)
        told = ("--rows", str(rows), "--backend", backend, "--jobs", str(jobs), "--scheduler", scheduler)
        work = Path(own) / "work"
        walk = _run("walk", (*told, "--work", str(work)), progress)
        by_days = _run("fits", (*told, "--work", str(work)), progress)
        in_memory = _run("plain", told, progress)
    weights = zip(by_days.pop("weights"), in_memory.pop("weights"), strict=True)
    return {
        "rows_are": "drawn from a law, not a market",
        "days": days,
        "horizons_s": HORIZONS_S,
        "models": MODELS,
        "backend": backend,
        "jobs": jobs,
        "rows": count,
        "file_mb": round(size / 1e6, 1),
        **walk,
        "rows_per_s": round(walk["rows_fitted"] / walk["seconds"]),
        "compared": COMPARED,
        "by_days": by_days,
        "in_memory": in_memory,
        "largest_difference": max(abs(one - other) for one, other in weights),
        "ratio": round(in_memory["seconds"] / by_days["seconds"], 2),
    }


def _run(part: str, options: tuple[str, ...], progress: Progress) -> dict[str, Any]:
    """A part in a process of its own, which writes JSON lines: how far it is, then what it found."""
    command = [sys.executable, "-m", "bench.train_part", part, *options]
    last: dict[str, Any] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            last = json.loads(line)
            if "share" in last:
                progress(f"{part}: {last['what']}", last["share"])
    if child.returncode != 0 or "share" in last:
        raise BadInput(f"the part {part!r} of the benchmark ended with {child.returncode}")
    return last
