"""`lobflow replay`: run a recording through the whole system and say what came of it."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.processes import stoppable
from lobflow.replay import Options, Replay, Result, run
from lobflow.report import Report, build
from lobflow.train import hit_rates
from research.dataset import load
from research.export import save
from research.train import train_horizons
from services.model.artifact import MANIFEST, read_manifest
from services.venue.recording import scan
from shared.errors import BadInput

MONITOR_PORT = 8000
TRADES_SHOWN = 40


def replay(
    files: Annotated[
        list[Path], typer.Argument(help="Raw recordings: lines of `<recv_ns> <frame>`, gzip or plain.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            help="A folder that `lobflow train` wrote. Without one, a model is fitted on the first part."
        ),
    ] = None,
    train_share: Annotated[
        float,
        typer.Option(
            help="The part of the recording that a model is fitted on, without --model.", min=0.1, max=0.9
        ),
    ] = 0.5,
    speed: Annotated[
        float,
        typer.Option(
            help="Market seconds per second; 0 is as fast as it goes. 1 serves REST at port 8000.", min=0
        ),
    ] = 0.0,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Where to leave Parquet, logs and report; default runs/TIME-replay."
        ),
    ] = None,
    strategy: Annotated[
        Literal["threshold", "maker", "bench", "none"],
        typer.Option(help="What the trader does with predictions."),
    ] = "threshold",
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="The maker quotes whatever it is worth.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(help="Enter from this predicted move on, USDT; default: the 80 % quantile in training."),
    ] = None,
    size: Annotated[str, typer.Option(help="Order size, base currency.")] = "0.01",
    period: Annotated[
        int, typer.Option(help="Seconds a position is held, and the horizon that is traded: 5, 10, 15.")
    ] = 10,
    latency_ms: Annotated[
        int, typer.Option(help="Modelled one-way latency to the venue.", min=100, max=450)
    ] = 100,
    port: Annotated[
        int | None, typer.Option(help="REST port; default 8000 with a speed, else any free one.")
    ] = None,
    copies: Annotated[
        int, typer.Option(help="Copies of features and model to run: results must not differ.", min=1, max=4)
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Run raw recordings through the whole system: all services as processes, in lockstep."""
    console = console_for(as_json)
    lot = _decimal("--size", size)
    out = output or Path("runs") / time.strftime("%Y%m%d-%H%M%S-replay")
    if (out / "report.json").exists():
        raise BadInput(f"{out}: holds an earlier replay; name another folder with -o")
    if model is None:
        model = out / "model"
        _fit(console, files, train_share, model)
    _check_period(model, period)
    options = Options(
        files=tuple(files),
        model=model,
        out=out,
        speed=speed,
        latency_ms=latency_ms,
        strategy=strategy,
        threshold=threshold,
        size=lot,
        period=period,
        monitor_port=port if port is not None else (MONITOR_PORT if speed else 0),
        copies=copies,
        extra={"maker_demonstration": True} if demonstration else {},
    )
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn(),
        console=console, transient=True,
    ) as progress:  # fmt: skip
        task = progress.add_task("starting", total=1.0, what="")

        async def _watch(state: Replay) -> None:
            _update(progress, task, state)

        result = asyncio.run(stoppable(run(options, _watch)))
        progress.update(task, description="reading what was recorded", what="")
        report = build(options, result)
    _show(console, report, result, out)
    if as_json:
        print_json(report.summary)


def _decimal(option: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise BadInput(f"{option}: {text!r} is no number") from error
    if not value.is_finite() or value <= 0:
        raise BadInput(f"{option}: {text} is not above 0")
    return value


def _check_period(model: Path, period: int) -> None:
    """A model that does not predict `period` seconds ahead would never be traded on."""
    for path in sorted(model.rglob(MANIFEST)):
        horizons = [row.horizon_s for row in read_manifest(path.parent).horizons]
        if period not in horizons:
            known = ", ".join(map(str, horizons))
            raise BadInput(f"--period: the model in {path.parent} predicts {known} s ahead, not {period}")


def _fit(console: Console, files: list[Path], share: float, folder: Path) -> None:
    """Without a model at hand: fit one on the first part of the recording; it does not predict there."""
    symbols = list(scan(files))
    for symbol in symbols:
        with console.status(f"fitting a model on the first {share:.0%} of {symbol}"):
            training = train_horizons(load(files, symbol).part(0.0, share))
            save(training, folder / symbol)
    console.print(
        f"No --model: fitted one on the first {share:.0%} of the recording ({folder}). It predicts, and is "
        "traded, only on the rest.",
        style="dim",
    )


def _update(progress: Progress, task: object, state: Replay) -> None:
    status = state.status
    start_ns, end_ns = int(status.get("start_ns") or 0), int(status.get("end_ns") or 0)
    market_ns = int(status.get("market_ns") or start_ns)
    share = (market_ns - start_ns) / (end_ns - start_ns) if end_ns > start_ns else 0.0
    clock = time.strftime("%H:%M:%S", time.gmtime(market_ns / 1e9)) if market_ns else ""
    what = f"{clock}  {status.get('frames', 0):,} frames  {status.get('trades', 0)} fills"
    if state.options.speed:
        what += f"  http://127.0.0.1:{state.ports['monitor']}/docs"
    if restarts := sum(child.restarts for child in state.processes.children.values()):
        what += f"  {restarts} restarts"
    description = {"running": "replaying", "finished": "finishing"}.get(str(status.get("state")), "starting")
    progress.update(task, completed=min(share, 1.0), description=description, what=what)  # type: ignore[arg-type]


def _cell(value: object) -> str:
    """A figure of a trade as the table shows it; the CSV has all digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    if text[10:11] == "T":
        return text[:23].replace("T", " ")
    whole, point, places = text.partition(".")
    return whole + point + places[:5] if point and whole.lstrip("-").isdigit() else text


def _show(console: Console, report: Report, result: Result, out: Path) -> None:
    summary = report.summary
    table = Table(title="Trades", title_justify="left", title_style="bold")
    for name in ("time (UTC)", "symbol", "side", "size", "entry", "exit", "gross", "fees", "pnl", "win"):
        table.add_column(name, justify="left" if name in ("time (UTC)", "symbol", "side") else "right")
    for trade in report.trades[:TRADES_SHOWN]:
        table.add_row(*(_cell(trade[name]) for name in report.TRADE_COLUMNS))
    console.print(table)
    if len(report.trades) > TRADES_SHOWN:
        console.print(f"... and {len(report.trades) - TRADES_SHOWN} more in {out / 'trades.csv'}")
    for symbol, scores in report.scores.items():
        console.print(hit_rates(f"{symbol}: what was predicted, as served", scores))
    wins = "no trades" if summary["win_rate"] is None else f"win rate {summary['win_rate']:.0%}"
    console.print(
        f"{summary['round_trips']} round trips, {wins}; gross {summary['gross']}, open position "
        f"{summary['unrealized']}, fees {summary['fees']}, net {summary['net_pnl']} USDT "
        f"(the venue's own: {summary['venue_net_pnl']})"
    )
    console.print(
        "Recorded data of minutes, fills against the recorded book without impact: this proves that the "
        "system works, not that the strategy pays. A taker pays two fees and two half spreads a round trip.",
        style="dim",
    )
    console.print(f"{summary['frames']:,} frames in {summary['seconds']:.1f} s; left in {out}")
