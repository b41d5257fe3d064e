"""`lobflow train`: recordings to a model folder, with the hit-rate table that says what it is worth."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.score_rows import score_rows
from lobflow.train_by_days import Staging, train_by_days
from lobflow.training_options import BackendOption, JobsOption, SchedulerOption
from research.dataset import load, load_all
from research.days.backend import Backend
from research.days.training import is_long
from research.estimators import KINDS
from research.evaluate import Judged, evaluate
from research.export import save
from research.forecast import load as load_model
from research.pool import check_poolable, shares_of_time
from research.scores import Score
from research.train import Training, train_horizons, train_pooled
from research.walk import AUTO
from services.model.manifest import Manifest
from shared.errors import BadInput

REMARK = (
    "Minutes of data are not enough to choose a model. Intervals marked ! rest on fewer than 30 blocks and "
    "are unreliable. Edges are at mid after 100 ms; net is less two taker fees of 0.05 % and two half "
    "spreads."
)


def train(
    data: Annotated[
        list[Path],
        typer.Option(help="A raw recording, or a folder the recorder wrote. May be given several times."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The model folder to write.")],
    more: Annotated[
        list[Path] | None, typer.Argument(help="Further recordings, in order of time.", metavar="[FILE]...")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Which, where the data hold several; with --pooled, A,B,...")
    ] = None,
    pooled: Annotated[
        bool,
        typer.Option(
            "--pooled",
            help="Fit the symbols of the data together, each weighing as much: set flow, in memory.",
        ),
    ] = False,
    from_share: Annotated[float, typer.Option(help="Fit from this part of the recording's time on.")] = 0.0,
    to_share: Annotated[float, typer.Option(help="Fit up to here; the rest is held out and scored.")] = 1.0,
    model: Annotated[
        str, typer.Option(help=f"{AUTO} (a prior mixed with a fit), or one of {', '.join(KINDS)}.")
    ] = AUTO,
    features: Annotated[
        str, typer.Option(help="flow (scale-free), seed (raw units), or flow+extra (of a day at least).")
    ] = "flow",
    period: Annotated[float, typer.Option(help="Seconds between rows.", min=0.1)] = 1.0,
    threshold: Annotated[float, typer.Option(help="|yhat| of the first rows, USDT.", min=0.0)] = 0.5,
    by_days: Annotated[
        bool | None,
        typer.Option(
            "--by-days/--in-memory",
            help="Stage rows as Parquet and walk by days; by default for folders of more than a day.",
        ),
    ] = None,
    rows: Annotated[
        Path, typer.Option(envvar="LOBFLOW_ROWS_DIR", help="Where staged rows lie, to be used again.")
    ] = Path("var/rows"),
    backend: BackendOption = "loky",
    jobs: JobsOption = 2,
    scheduler: SchedulerOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Fit models for the mid price in 5, 10 and 15 s, and write the one to serve.

    With --pooled one model is fitted on all symbols together: splits are cut by time through all of them, and
    thresholds, baselines and scores are each symbol's own.
    What is printed are scores of models walking forward inside the data; `lobflow evaluate` judges the model
    on data that it never saw. Trees (boosting) can be evaluated and run as shadows, never serve.
    """
    started = time.monotonic()
    console = console_for(as_json)
    paths = [*data, *(more or ())]
    wanted = symbol.upper() if symbol else None
    if pooled and (by_days or (by_days is None and is_long(paths, None))):
        raise BadInput("--pooled holds its rows in memory: not with --by-days, more than a day --in-memory")
    is_whole = from_share == 0.0 and to_share == 1.0
    if by_days if by_days is not None else not pooled and is_long(paths, wanted) and is_whole:
        if not is_whole:
            raise BadInput("--from-share and --to-share are for rows in memory; give the folders to fit on")
        asked = Staging(paths, wanted, rows, round(period * 1000), Backend(backend, jobs, scheduler))
        training = train_by_days(asked, features, model, threshold, console)
        manifest = save(training, output)
        _tell(console, [training], manifest, {}, output, threshold, as_json, started)
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("reading")
        step_ms = round(period * 1000)

        def say(what: str, share: float) -> None:
            """Show what is being fitted."""
            progress.update(task, description=f"fitting {what}")

        if pooled:
            named = [name.strip() for name in (wanted or "").split(",") if name.strip()]
            wholes = load_all(paths, named, step_ms)
            check_poolable(wholes, features)
            parts = shares_of_time(wholes, from_share, to_share)
            trainings = train_pooled(parts, features, model, threshold=threshold, progress=say)
        else:
            wholes = [load(paths, wanted, step_ms)]
            part = wholes[0].part(from_share, to_share)
            trainings = [train_horizons(part, features, model, threshold=threshold, progress=say)]
        progress.update(task, description="writing")
        manifest = save(trainings, output)
        judged: dict[str, Judged | str] = {}
        for whole in [] if is_whole else wholes:
            try:
                judged[whole.symbol] = evaluate(load_model(output), whole, threshold)
            except BadInput as error:  # the model is written, whatever the rest is worth
                judged[whole.symbol] = str(error)
    _tell(console, trainings, manifest, judged, output, threshold, as_json, started)


def _tell(
    console: Console,
    trainings: Sequence[Training],
    manifest: Manifest,
    judged: Mapping[str, Judged | str],
    output: Path,
    threshold: float,
    as_json: bool,
    started: float,
) -> None:
    """`judged` is by symbol: what came of the rest, or why it is not judged."""
    symbols: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for training in trainings:
        symbol = training.data.symbol
        found = judged.get(symbol)
        held_out = found.scores if isinstance(found, Judged) else []
        walked = [score for row in training.horizons for score in row.scores]
        show(console, manifest, walked, held_out, output, symbol)
        pairs = [pair for row in training.horizons for pair in row.pairs]
        early = score_rows(symbol, walked, pairs, threshold)
        rows += [{**row, "part": "walk_forward"} for row in early]
        if isinstance(found, Judged):
            late = score_rows(symbol, held_out, found.pairs, threshold, nulls=found.nulls)
            rows += [{**row, "part": "held_out"} for row in late]
        told = summary(manifest, walked, held_out, output, time.monotonic() - started, symbol)
        if isinstance(found, str):
            console.print(f"what was held out is not judged: {found}", style="yellow", soft_wrap=True)
            told["held_out_refused"] = found
        symbols.append(told)
    if as_json:
        one = {"version": manifest.version, "folder": str(output), "symbols": symbols}
        print_json({**(symbols[0] if len(symbols) == 1 else one), "rows": rows})


def show(
    console: Console,
    manifest: Manifest,
    walked: Sequence[Score],
    held_out: Sequence[Score],
    output: Path,
    symbol: str | None = None,
) -> None:
    """What was fitted and what it is worth, for people; of one `symbol` where it is of several."""
    symbol = manifest.symbols[0] if symbol is None else symbol
    manifest = manifest.of(symbol)
    if len(manifest.symbols) > 1:
        console.print(f"{symbol}, fitted together with {_others(manifest, symbol)}", style="bold")
    for row in manifest.horizons:
        threshold = "none" if row.threshold is None else f"{row.threshold:.3g} USDT"
        name = row.kind or "no model"
        console.print(f"{row.horizon_s:>3} s  {name}: {row.reason}; traded from |yhat| ≥ {threshold}")
    if manifest.dropped:
        console.print(f"constant in the data, left out: {', '.join(manifest.dropped)}")
    if walked:
        console.print(hit_rates(f"{symbol}: walking forward inside the data fitted on", walked))
    else:
        console.print("too few rows to score by walking forward")
    if held_out:
        console.print(hit_rates(f"{symbol}: held out, predicted by the model as served", held_out))
    console.print(REMARK, style="dim")
    console.print(f"model {manifest.version} of {manifest.data[symbol].rows} rows in {output}")


def hit_rates(title: str, scores: Sequence[Score]) -> Table:
    """The table of `scores` for a terminal."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in ("h, s", "selection", "signal"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "cover", "y = 0", "hit", "95 %", "0 missed", "skill", "R²", "gross", "net"):
        table.add_column(name, justify="right", no_wrap=True)
    group = ("", "")
    for row in scores:
        before, group = group, (str(row.horizon_s), row.selection)
        if before not in (group, ("", "")):
            table.add_section()
        interval = f"{_share(row.low)}..{_share(row.high)}{'' if row.is_reliable else '!'}"
        table.add_row(
            *(group if group != before else ("", "")),
            row.name,
            str(row.rows),
            _share(row.coverage),
            _share(row.zero_share),
            _share(row.hit_rate),
            "-" if isnan(row.low) else interval,
            _share(row.hit_rate_with_zeros),
            _number(row.skill, "+.3f"),
            _number(row.r2, "+.3f"),
            _number(row.gross_edge, "+.2f"),
            _number(row.net_edge, "+.1f"),
        )
    return table


def _others(manifest: Manifest, symbol: str) -> str:
    return ", ".join(one for one in manifest.symbols if one != symbol)


def _share(value: float) -> str:
    return _number(100.0 * value, ".1f")


def _number(value: float, form: str) -> str:
    return "-" if isnan(value) else format(value, form)


def summary(
    manifest: Manifest,
    walked: Sequence[Score],
    held_out: Sequence[Score],
    output: Path,
    seconds: float,
    symbol: str | None = None,
) -> dict[str, Any]:
    """The same for machines."""
    symbol = manifest.symbols[0] if symbol is None else symbol
    manifest = manifest.of(symbol)
    return {
        "version": manifest.version,
        "folder": str(output),
        "symbol": symbol,
        "features": manifest.feature_set,
        "trained_rows": manifest.data[symbol].rows,
        "from_ns": manifest.data[symbol].from_ns,
        "until_ns": manifest.data[symbol].until_ns,
        "horizons": [
            {"horizon_s": row.horizon_s, "kind": row.kind, "reason": row.reason, "threshold": row.threshold}
            for row in manifest.horizons
        ],
        "walk_forward": [score.plain() for score in walked],
        "held_out": [score.plain() for score in held_out],
        "seconds": round(seconds, 2),
    }
