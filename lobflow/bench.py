"""`lobflow bench`: speed as a ratio to something run beside it, one JSON line each."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from bench.book import measure as measure_book
from bench.features import PEERS
from bench.features import measure as measure_features
from bench.predict import measure as measure_predict
from bench.record import measure as measure_record
from bench.tick_to_order import Plan, measure
from bench.train import measure as measure_train
from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.processes import stoppable
from lobflow.training_options import BackendOption, JobsOption, SchedulerOption
from services.model.artifact import load as load_model

app = typer.Typer(
    help="Benchmarks: each prints a ratio to something run beside it in the same run.", no_args_is_help=True
)
DEFAULT_FILE = Path("../shared/data/usdm-raw/btcusdt_20240808.gz")


@app.callback()
def group() -> None:
    """Benchmarks."""


@app.command("tick-to-order")
def tick_to_order(
    file: Annotated[Path, typer.Argument(help="A raw recording, played in real time.")] = DEFAULT_FILE,
    orders: Annotated[int, typer.Option(help="How many orders to measure.", min=200)] = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """From frame received to order bytes written to the venue's socket, by hop; beside it a bare relay.

    All services run, recorder and monitor too, with an order on every book update; the relay has the same
    hops, entry sizes and the write of the intent. Takes about two minutes for 2,000 orders.
    """
    console = console_for(as_json)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        figures = asyncio.run(
            stoppable(
                measure(
                    Plan(file, orders),
                    lambda what, share: bar.update(task, description=what, completed=share),
                )
            )
        )
    for name in ("system", "relay"):
        row = figures[name]
        console.print(f"{name}: {row['orders']} orders, p50 {row['p50_us']} us, p99 {row['p99_us']} us")
        for hop, spent in row["hops"].items():
            console.print(f"   {hop:22} p50 {spent['p50_us']:>9} us   p99 {spent['p99_us']:>9} us")
    console.print(f"ratio of the medians: {figures['ratio']}")
    if as_json:
        print_json(figures)


@app.command("record")
def record(
    file: Annotated[Path, typer.Argument(help="A raw recording.")] = DEFAULT_FILE,
    symbols: Annotated[int, typer.Option(help="How many symbols to write its entries as.", min=1)] = 4,
    folder: Annotated[
        Path | None, typer.Option(help="Where to write: the disk that is measured. Default: temporary files.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Entries per second that the recorder writes, beside the live rate of 20 symbols like the recording's.

    The recorder's own path from bytes to renamed Parquet, with market entries, features and predictions.
    """
    console = console_for(as_json)
    with (
        tempfile.TemporaryDirectory(dir=folder) as own,
        Progress(console=console, transient=True) as bar,
    ):
        task = bar.add_task("starting", total=1.0)
        figures = measure_record(
            file,
            Path(own),
            symbols,
            lambda what, share: bar.update(task, description=what, completed=share),
        )
    console.print(
        f"{figures['entries']:,} entries in {figures['seconds']} s: {figures['entries_per_s']:,} entries/s, "
        f"{figures['bytes_per_entry']} bytes an entry (of {figures['raw_bytes_per_entry']})"
    )
    console.print(
        f"{figures['live_symbols']} symbols live: {figures['live_entries_per_s']:,} entries/s, "
        f"{figures['live_gb_per_day']} GB a day; ratio {figures['ratio']}"
    )
    if as_json:
        print_json(figures)


@app.command("book")
def book(
    files: Annotated[
        list[Path],
        typer.Argument(help="A raw recording; several files are one in sequence.", metavar="FILE..."),
    ],
    symbol: Annotated[str | None, typer.Option(help="Which, where the recording holds several.")] = None,
    rounds: Annotated[int, typer.Option(help="Of each, in turn.", min=1)] = 9,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Diffs decoded, applied and encoded as 20-tier entries per second of one core, beside msgspec alone.

    `ratio` is the rate of the whole step over that of a typed msgspec decoder which reads the same frames.
    """
    console = console_for(as_json)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("measuring", total=1.0)
        figures = measure_book(
            files,
            symbol.upper() if symbol else None,
            rounds,
            lambda share: bar.update(task, completed=share),
        )
    console.print(
        f"{figures['symbol']}: {figures['frames']:,} diffs of {figures['bytes_per_frame']:,} bytes, "
        f"{figures['rounds']} rounds\n"
        f"decoded, applied, encoded: {figures['frames_per_second']:>9,}/s "
        f"({figures['microseconds_per_frame']} us a frame)\n"
        f"decoded by msgspec alone:  {figures['decode_only_per_second']:>9,}/s\n"
        f"ratio: {figures['ratio']} ({figures['ratio_least']} to {figures['ratio_most']})"
    )
    if as_json:
        print_json(figures)


@app.command("features")
def features(
    files: Annotated[
        list[Path],
        typer.Argument(help="A raw recording; several files are one in sequence.", metavar="FILE..."),
    ],
    symbol: Annotated[str | None, typer.Option(help="Which, where the recording holds several.")] = None,
    rounds: Annotated[int, typer.Option(help="Of each, in turn.", min=1)] = 9,
    peers: Annotated[
        Path, typer.Option(help="The Python that has hftbacktest.", envvar="LOBFLOW_PEERS_PYTHON")
    ] = PEERS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Level updates and trades per second through book and all features, beside hftbacktest on the same.

    Both hold the recording in memory. Ours gives a vector of all features after each diff; hftbacktest's
    HashMap backtest, in the environment that `make peers` makes, steps through the same events by seconds.
    `ratio` is the rate of ours over that of theirs.
    """
    console = console_for(as_json)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        figures = measure_features(
            files,
            symbol.upper() if symbol else None,
            rounds,
            peers,
            lambda what, share: bar.update(task, description=what, completed=share),
        )
    console.print(
        f"{figures['symbol']}: {figures['level_updates']:,} level updates, {figures['trades']:,} trades, "
        f"{figures['rounds']} rounds\n"
        f"book and {figures['features']} features: {figures['updates_per_second']:>11,}/s "
        f"({figures['microseconds_per_vector']} us a vector)\n"
        f"hftbacktest {figures['hftbacktest']}:     {figures['hftbacktest_updates_per_second']:>11,}/s\n"
        f"ratio: {figures['ratio']} ({figures['ratio_least']} to {figures['ratio_most']})"
    )
    if as_json:
        print_json(figures)


@app.command("predict")
def predict(
    model: Annotated[
        Path | None, typer.Option(help="A model folder. Default: drawn weights for all features of set flow.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Of 2,000 predictions each, in turn.", min=3)] = 41,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """One linear prediction for all horizons beside the bare numpy dot products of the same size.

    `ratio` is the time of one prediction, checks of the vector included, over that of the dot products; the
    bar is 3.
    """
    console = console_for(as_json)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("measuring", total=1.0)
        figures = measure_predict(
            None if model is None else load_model(model).manifest,
            rounds,
            lambda share: bar.update(task, completed=share),
        )
    console.print(
        f"{figures['horizons']} horizons of {figures['features']} features, {figures['rounds']} rounds\n"
        f"prediction with its checks: {figures['predict_us']:>7} us\n"
        f"numpy dot products alone:   {figures['dots_us']:>7} us\n"
        f"vector to message:          {figures['vector_to_message_us']:>7} us\n"
        f"ratio: {figures['ratio']} ({figures['ratio_least']} to {figures['ratio_most']}), the bar is 3"
    )
    if as_json:
        print_json(figures)


@app.command("train")
def train(
    days: Annotated[int, typer.Option(help="How many days of rows of a second.", min=2)] = 30,
    backend: BackendOption = "loky",
    jobs: JobsOption = 2,
    scheduler: SchedulerOption = "",
    folder: Annotated[
        Path | None, typer.Option(help="Where rows and predictions go for the time: about 20 MB a day.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """A walk-forward over days of Parquet: three horizons, five models, a day predicted by those before it.

    The rows are drawn from a law: they have the size of a market and nothing else of one. Beside it the
    linear models are fitted on the same rows held in memory by plain scikit-learn; `ratio` is its time over
    ours.
    """
    console = console_for(as_json)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        figures = measure_train(
            days,
            folder,
            backend,
            jobs,
            scheduler,
            lambda what, share: bar.update(task, description=what, completed=share),
        )
    console.print(
        f"{figures['rows']:,} rows of {days} days, {figures['file_mb']} MB: {figures['fits']} fits on "
        f"{figures['rows_fitted']:,} rows in {figures['seconds']} s "
        f"({figures['cpu_seconds']} s of processors) with {jobs} jobs on {backend}, "
        f"{figures['rows_per_s']:,} rows/s, {figures['peak_pss_mb']} MB at most "
        f"({figures['peak_rss_mb']} MB with shared pages counted for each process)"
    )
    mine, plain = figures["by_days"], figures["in_memory"]
    console.print(
        f"{', '.join(figures['compared'])} for one horizon: by days {mine['seconds']} s and "
        f"{mine['peak_pss_mb']} MB, in memory {plain['seconds']} s and {plain['peak_pss_mb']} MB; "
        f"ratio {figures['ratio']}, weights differ by {figures['largest_difference']:.1e} at most"
    )
    if as_json:
        print_json(figures)
