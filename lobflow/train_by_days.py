"""`lobflow train` over more than a day: rows staged as Parquet, then walked and fitted by days."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from research.days.backend import Backend, working
from research.days.training import train_days
from research.rows.layout import plan
from research.rows.stage import stage
from research.train import HORIZONS_S, Training


@dataclass(frozen=True)
class Staging:
    """What to train on, and where."""

    paths: Sequence[Path]
    symbol: str | None
    rows: Path  # where staged rows lie
    sample_ms: int
    backend: Backend


def train_by_days(
    asked: Staging, feature_set: str, model: str, threshold: float, console: Console
) -> Training:
    """A training with a progress bar for each of its parts. Predictions lie beside the rows while it runs, so
    that workers elsewhere see them."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        shown = bar.add_task("reading", total=1.0)

        def progress(what: str, share: float) -> None:
            """Show how far it is."""
            bar.update(shown, description=what, completed=share)

        made = plan(feature_set, HORIZONS_S, asked.sample_ms)
        store = stage(asked.paths, asked.rows, made, asked.symbol, progress)
        with (
            tempfile.TemporaryDirectory(prefix=".walk-", dir=asked.rows) as work,
            working(asked.backend) as crew,
        ):
            files = tuple(path.name for path in asked.paths)
            return train_days(store, feature_set, model, threshold, crew, Path(work), files, progress)
