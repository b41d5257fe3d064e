"""What is asked for when walking forward over staged rows, as it is sent to each task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from research import feature_sets
from research.days.units import Columns
from research.labels import Flags, Floats
from research.rows.store import Day, Store, usable
from services.features import schema
from shared.errors import BadInput

POWERS = (1.0, -0.5)  # of sigma: of `research.estimators.SIGMA_POWER`, and one


@dataclass(frozen=True)
class Job:
    """Models, horizons and columns of one walk; predictions and samples lie in `work`."""

    feature_set: str
    columns: Columns
    horizons_s: tuple[int, ...]
    latency_ns: int
    step_s: float  # between two rows
    models: tuple[str, ...]
    work: Path

    @property
    def is_scaled(self) -> bool:
        """Whether the target is in units of sigma."""
        return bool(self.columns.sigmas)

    def moves_path(self, date: str, horizon_s: int, model: str) -> Path:
        """Where a model's predictions of a day go: (n,), NaN where the features are not whole."""
        return self.work / f"moves-{date}-{horizon_s}-{model}.npy"

    def sample_path(self, date: str) -> Path:
        """Where a day's rows for trees go: (m, k + 2 + horizons), sigmas behind the features, then labels."""
        return self.work / f"sample-{date}.npy"


def job(
    store: Store, feature_set: str, models: tuple[str, ...], work: Path, horizons_s: tuple[int, ...] = ()
) -> Job:
    """Raises BadInput where the rows do not hold what is asked for."""
    source = store.source
    names, sigmas = feature_sets.members(feature_set), feature_sets.sigmas(feature_set)
    feature_sets.check_span(feature_set, source.symbol, source.from_ns, source.until_ns)
    missing = [name for name in (*names, *sigmas) if name not in source.names]
    if missing:
        raise BadInput(f"{store.folder}: rows without {', '.join(missing[:3])}; stage set {feature_set}")
    wanted = horizons_s or source.horizons_s
    for h in wanted:
        if h not in source.horizons_s:
            raise BadInput(f"{store.folder}: rows have no label for {h} s, only for {source.horizons_s}")
    window_ns = max(schema.window_ns(name) for name in (*names, *sigmas))
    columns = Columns(names, sigmas, window_ns, POWERS if sigmas else (1.0,))
    return Job(feature_set, columns, wanted, source.latency_ns, source.sample_ms / 1000.0, models, work)


def features(day: Day, asked: Job) -> tuple[Floats, Flags]:
    """A day's features, sigmas last if there are any, (n, k), and the rows on which all are whole."""
    values = day.features(asked.columns.read)
    mask = usable(day.columns(["clean_ns"]), values, asked.columns.window_ns, len(asked.columns.sigmas))
    return values, mask


def labels(day: Day, asked: Job, horizon_s: int) -> dict[str, npt.NDArray[Any]]:
    """Time, label and whether it is known, each (n,): `recv_ns`, `y`, `known`."""
    found = day.columns(["recv_ns", f"y.{horizon_s}", f"known.{horizon_s}"])
    return {"recv_ns": found["recv_ns"], "y": found[f"y.{horizon_s}"], "known": found[f"known.{horizon_s}"]}


def split(values: Floats, asked: Job) -> tuple[Floats, Floats | None]:
    """Features, and sigmas where there are any."""
    width = len(asked.columns.names)
    return values[:, :width], values[:, width:] if asked.is_scaled else None


def no_moves(count: int) -> Floats:
    """Nothing predicted."""
    return np.full(count, np.nan)
