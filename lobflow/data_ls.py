"""`lobflow data ls`: what is recorded."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich import box
from rich.progress import track
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from services.recorder.inventory import Day, days, runs
from services.recorder.place import place

Folder = Annotated[
    str,
    typer.Argument(
        help="A recorder's folder or one run in it; or a URL that fsspec knows.", metavar="[FOLDER]"
    ),
]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Only this one.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line, last.")]
DEFAULT_FOLDER = "data"


def ls(folder: Folder = DEFAULT_FOLDER, symbol: Symbol = None, as_json: AsJson = False) -> None:
    """What is recorded: run, stream, symbol, days, files, entries and bytes."""
    console = console_for(as_json)
    found = [day for run in runs(place(folder)) for day in days(run, symbol and symbol.upper())]
    rows = [_row(day) for day in track(found, "reading", console=console, transient=True)]
    table = Table(
        title=folder, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in ("run", "stream", "symbol", "date"):
        table.add_column(name, overflow="fold")
    for name in ("files", "entries", "bytes", "bytes/entry"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        per_entry = f"{row['bytes'] / row['entries']:.1f}" if row["entries"] else ""
        counts = (f"{row[name]:,}" for name in ("files", "entries", "bytes"))
        table.add_row(row["run"], row["stream"], row["symbol"], row["date"], *counts, per_entry)
    table.add_section()
    totals = {name: sum(row[name] for row in rows) for name in ("files", "entries", "bytes")}
    table.add_row("", "", "", "all", *(f"{value:,}" for value in totals.values()), "")
    console.print(table)
    if as_json:
        print_json({"folder": folder, "days": rows, **totals})


def _row(day: Day) -> dict[str, Any]:
    return {
        "run": day.run,
        "stream": day.stream,
        "symbol": day.symbol,
        "date": day.date,
        "files": len(day.files),
        "entries": day.entries,
        "bytes": day.size,
    }
