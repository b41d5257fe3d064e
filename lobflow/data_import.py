"""`lobflow data import`: files of other recorders to a folder that trains, and captures that replay."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from research.imports.detect import KINDS, check_name
from research.imports.reading import ARRIVAL_NS, Reading
from research.imports.run import Imported, Report, import_files
from shared.errors import BadFrame, BadSetting
from shared.streams import check_symbol
from shared.units import MS, SECOND, e9, e9_text

FORMATS = "auto, or what the files are to be checked for: " + "; ".join(
    f"{kind} ({text})" for kind, text in KINDS.items()
)


def import_data(
    kind: Annotated[
        str, typer.Argument(help=f"{FORMATS}; or a family, tardis or binance.", metavar="FORMAT")
    ],
    files: Annotated[list[Path], typer.Argument(help="Of one kind in order of time; kinds may be mixed.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write, or to go on with.")],
    symbol: Annotated[
        str | None, typer.Option(help="Only this one; names it where the files do not.")
    ] = None,
    tick: Annotated[
        str | None, typer.Option(help="Tick size; else what all prices are multiples of.")
    ] = None,
    lot: Annotated[str | None, typer.Option(help="Lot size; else what all sizes are multiples of.")] = None,
    arrival_ms: Annotated[
        float, typer.Option(help="Added to the venue's times where the files tell no arrival.", min=0.0)
    ] = ARRIVAL_NS / MS,
    keeps_raw: Annotated[bool, typer.Option("--raw/--no-raw", help="Keep captures to replay.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Import recordings of others: as Parquet, which trains, and as raw captures, which replay.

    The files become the venue's frames, and the collector's own core makes the entries of them: what was lost
    is a gap in the entries too. Formats and rules are in docs/import.md.
    """
    console = console_for(as_json)
    name = None if symbol is None else check_symbol(symbol.upper())
    units = _unit("--tick", tick), _unit("--lot", lot)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        size = sum(path.stat().st_size for path in files if path.is_file())
        bars = _Bars(bar, size)
        reading = Reading(name, round(arrival_ms * MS), bars.read)
        report = import_files(files, output, reading, check_name(kind), units, keeps_raw, bars.made)
    _show(console, report, output)
    if as_json:
        print_json({"folder": str(output), **report.plain()})


class _Bars:
    """One bar for the bytes read, and one for the frames of each symbol made into entries."""

    def __init__(self, progress: Progress, size: int) -> None:
        self._progress = progress
        self._reading = progress.add_task("reading", total=size)
        self._symbols: dict[str, TaskID] = {}

    def read(self, count: int) -> None:
        self._progress.advance(self._reading, count)

    def made(self, symbol: str, frames: int, total: int) -> None:
        if symbol not in self._symbols:
            self._symbols[symbol] = self._progress.add_task(f"entries of {symbol}", total=total)
        self._progress.advance(self._symbols[symbol], frames)


def _unit(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        value = e9(text)
    except BadFrame as error:
        raise BadSetting(f"{name}: {error}") from error
    if value <= 0:
        raise BadSetting(f"{name}: {text} is not above 0")
    return value


def _show(console: Console, report: Report, output: Path) -> None:
    files = _table("Files")
    for name in ("rows", "format", "file"):
        files.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
    for row in report.files:
        files.add_row(f"{row['rows']:,}", row["format"], row["file"])
    console.print(files)
    console.print(_symbols(report.symbols))
    if report.skipped:
        skipped = _table("Left out")
        for name in ("rows", "reason", "first at"):
            skipped.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
        for row in report.skipped:
            skipped.add_row(f"{row['count']:,}", row["reason"], f"{row['file']}, line {row['line']}")
        console.print(skipped)
    for line in _remarks(report):
        console.print(line)
    books = [row.symbol for row in report.symbols if row.has_book]
    train = f": lobflow train --data {output} --symbol {books[0]} -o MODEL" if books else ""
    console.print(f"Parquet in {output}{train}", soft_wrap=True)
    replayable = [str(row.capture) for row in report.symbols if row.capture is not None and row.has_book]
    if replayable:
        console.print(f"Captures: lobflow replay {' '.join(replayable)}", soft_wrap=True)


def _symbols(rows: list[Imported]) -> Table:
    table = _table("Imported")
    table.add_column("symbol")
    for name in (
        "from (UTC)",
        "seconds",
        "books",
        "trades",
        "marks",
        "gaps",
        "crossed",
        "parked",
        "tick",
        "lot",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        moment = datetime.fromtimestamp(row.first_ns // SECOND, UTC)
        values = [row.entries["Lob"], row.entries["AggTrade"], row.entries["MarkPrice"]]
        values += [row.counts.get(name, 0) for name in ("gaps", "crossed", "parked")]
        units = e9_text(row.scale.tick_e9), e9_text(row.scale.lot_e9)
        seconds = f"{(row.last_ns - row.first_ns) / SECOND:,.1f}"
        table.add_row(
            row.symbol, f"{moment:%Y-%m-%d %H:%M:%S}", seconds, *(f"{value:,}" for value in values), *units
        )
    return table


def _remarks(report: Report) -> list[str]:
    out = []
    for row in report.symbols:
        if not row.has_book and row.frames["depth"] and not row.frames["snapshot"]:
            out.append(
                f"{row.symbol}: {row.frames['depth']:,} diffs, no depth snapshot among them: there is no book"
            )
        elif not row.has_book and row.frames["depth"]:
            out.append(f"{row.symbol}: no depth snapshot fits the diffs: there is no book")
        elif not row.has_book:
            out.append(f"{row.symbol}: trades only, without a book")
        if left_out := row.counts.get("trades_left_out", 0):
            out.append(f"{row.symbol}: {left_out:,} single trades of nothing, of the insurance fund or of "
                       "deleveraging, which belong to no aggTrade")  # fmt: skip
        if row.gaps:
            at_ns, reason = row.gaps[0]
            moment = datetime.fromtimestamp(at_ns // SECOND, UTC)
            out.append(f"{row.symbol}: first gap at {moment:%Y-%m-%d %H:%M:%S}, {reason}")
        if row.scale_source == "data":
            out.append(f"{row.symbol}: tick and lot are what all prices and sizes are multiples of")
    if report.arrival_ns is not None:
        out.append(
            f"The files tell no time of arrival (some or all): recv_ns is the venue's time and "
            f"{report.arrival_ns / MS:g} ms"
        )
    return out


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
