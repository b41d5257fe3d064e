"""`lobflow evaluate`: a model on data it never saw, beside the baselines at equal coverage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.score_rows import score_rows
from lobflow.train import REMARK, hit_rates
from research.dataset import Dataset, load
from research.evaluate import Judged
from research.evaluate import evaluate as judge
from research.forecast import load as load_model
from research.pairs import Pair
from services.model.manifest import Manifest, Range
from shared.errors import BadInput
from shared.units import SECOND


def evaluate(
    model: Annotated[Path, typer.Option(help="A folder that `lobflow train` wrote.")],
    data: Annotated[
        list[Path],
        typer.Option(help="A raw recording, or a folder of the recorder or of an import. May come again."),
    ],
    more: Annotated[
        list[Path] | None, typer.Argument(help="Further files of the same capture.", metavar="[FILE]...")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Which, where the data hold several; else the model's.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="|yhat| of the first rows, USDT.", min=0.0)] = 0.5,
    period: Annotated[
        float | None, typer.Option(help="Seconds between rows; else as the model was fitted.", min=0.1)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Judge a model on data it never saw: hit rates at a threshold and at equal coverage with the baselines.

    Several files are one capture. Rows in the time that the model was fitted on are left out. What cannot be
    judged is refused with one line and exit code 1: another symbol's model, features that never vary, too few
    rows, time that goes back, gaps everywhere, nothing but the training data.
    """
    started = time.monotonic()
    console = console_for(as_json)
    paths = [*data, *(more or ())]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading the model")
        loaded = load_model(model)
        manifest = loaded.manifest
        progress.update(task, description="reading the data")
        step_ms = manifest.sample_ms if period is None else round(period * 1000)
        rows = load(paths, symbol.upper() if symbol else None, step_ms, prefer=manifest.symbols)
        progress.update(task, description="judging")
        judged = judge(loaded, rows, threshold)
    if not judged.scores:
        raise BadInput(f"{model}: the model has no horizon that can be judged")
    fitted = manifest.data[rows.symbol]
    kinds = ", ".join(f"{row.kind or 'no model'} for {row.horizon_s} s" for row in manifest.horizons)
    console.print(f"model {manifest.version}: {kinds}; features {manifest.feature_set}")
    others = [f"together with {one}" for one in manifest.symbols if one != rows.symbol]
    console.print(", ".join([f"trained on {rows.symbol}: {_range(fitted)}", *others]), soft_wrap=True)
    console.print(f"judged on  {rows.symbol}: {_range(described(rows))}", soft_wrap=True)
    for warning in judged.warnings:
        console.print(f"note: {warning}", style="yellow", soft_wrap=True)
    console.print(hit_rates(f"{rows.symbol}: not seen in training", judged.scores))
    console.print(
        differences("less each baseline, at equal coverage: points, ± one standard error", judged.pairs)
    )
    console.print(chance(judged), soft_wrap=True)
    console.print(REMARK, style="dim")
    if as_json:
        print_json(
            {
                "model": _model(manifest),
                "trained_on": _plain(fitted),
                "judged_on": {**_plain(described(rows)), "symbol": rows.symbol},
                "warnings": judged.warnings,
                "rows": score_rows(rows.symbol, judged.scores, judged.pairs, threshold, nulls=judged.nulls),
                "seconds": round(time.monotonic() - started, 2),
            }
        )


def described(data: Dataset) -> Range:
    """What was read, as a manifest says it of training data."""
    return Range(data.from_ns, data.until_ns, len(data.recv_ns), data.sha256, data.files)


def differences(title: str, pairs: Sequence[Pair]) -> Table:
    """Hit rate of the model less that of each baseline, for a terminal."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    against = list(dict.fromkeys(pair.against for pair in pairs))
    for name in ("h, s", "selection"):
        table.add_column(name, no_wrap=True)
    for name in against:
        table.add_column(name, justify="right", no_wrap=True)
    groups = list(dict.fromkeys((pair.horizon_s, pair.selection) for pair in pairs))
    for horizon_s, selection in groups:
        found = {
            pair.against: pair for pair in pairs if (pair.horizon_s, pair.selection) == (horizon_s, selection)
        }
        table.add_row(str(horizon_s), selection, *(_difference(found[name]) for name in against))
    return table


def chance(judged: Judged) -> str:
    """The permutation tests at full coverage, in words."""
    parts = [
        f"{horizon_s} s: {100 * null.center:.1f} % under {null.shifts} shifts, p = {null.p_value:.3f}"
        if null.shifts
        else f"{horizon_s} s: too short to shift"
        for (horizon_s, selection), null in judged.nulls.items()
        if selection == "100 %"
    ]
    return f"hit rate by chance at full coverage (circular shifts): {'; '.join(parts)}"


def _difference(pair: Pair) -> str:
    if pair.blocks == 0:
        return "-"
    error = "" if isnan(pair.error) else f" ±{100 * pair.error:.1f}"
    return f"{100 * pair.difference:+.1f}{error}{'' if pair.is_reliable else '!'}"


def _range(one: Range) -> str:
    files = f", {', '.join(one.files)}" if one.files else ""
    return f"{_time(one.from_ns)} to {_time(one.until_ns)}, {one.rows} rows, sha256 {one.sha256[:12]}{files}"


def _time(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // SECOND, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _plain(one: Range) -> dict[str, Any]:
    return {
        "sha256": one.sha256,
        "from_ns": one.from_ns,
        "until_ns": one.until_ns,
        "from": _time(one.from_ns),
        "until": _time(one.until_ns),
        "rows": one.rows,
        "files": list(one.files),
    }


def _model(manifest: Manifest) -> dict[str, Any]:
    return {
        "version": manifest.version,
        "symbols": list(manifest.symbols),
        "features": manifest.feature_set,
        "schema": manifest.schema,
        "kinds": {str(row.horizon_s): row.kind for row in manifest.horizons},
        "reasons": {str(row.horizon_s): row.reason for row in manifest.horizons},
    }
