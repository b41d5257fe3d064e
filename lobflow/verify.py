"""`lobflow verify`: is a raw recording whole and right?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from research.capture import verify as check
from research.capture_foreign import is_foreign, verify_foreign
from shared.streams import check_symbol

ROWS = (
    "snapshots", "snapshots_differ", "depth_applied", "depth_duplicates", "gaps", "crossed",
    "bbo_checked", "bbo_agree", "bbo_late_checked", "bbo_late_agree", "trade_id_gaps", "trade_ids_missing",
    "trade_duplicates", "zero_trades", "parked", "lobs", "longest_depth_silence_seconds", "tick", "lot",
)  # fmt: skip


def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Raw recordings, or any that `lobflow data import auto` reads; several are one in sequence.",
            metavar="FILE...",
        ),
    ],
    symbol: Annotated[
        str | None, typer.Option(help="Only this one; names it where the files do not.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Check a recording: ids without a gap, a book that is never crossed and agrees with bookTicker.

    Exit code 1 where something is wrong: a gap in the ids of diffs or trades, a crossed book, a bookTicker
    or a later snapshot that differs from the book at the same `u`, a frame or line that cannot be read, a
    file that is cut. A recording without a depth snapshot is checked as far as it can be, and that is said.
    Other formats become the venue's frames first, as in an import; ids they do not hold are not checked.
    """
    console = console_for(as_json)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def _told(text: str, lines: int) -> None:
            bar.update(task, description=text, advance=lines)

        name = None if symbol is None else check_symbol(symbol.upper())
        found = (verify_foreign if is_foreign(files) else check)(files, name, _told)
    _show(console, found)
    if as_json:
        print_json(found)
    if not found["ok"]:
        for problem in found["problems"]:
            typer.echo(f"lobflow: {problem}", err=True)
        raise typer.Exit(1)


def _show(console: Console, found: dict[str, Any]) -> None:
    title = f"{found['first_time']} to {found['last_time']}: {found['seconds']:,.0f} s"
    table = Table(box=box.SIMPLE, title=title, title_justify="left")
    table.add_column("")
    symbols = found["symbols"]
    for symbol in symbols:
        table.add_column(symbol, justify="right")
    for kind in found["frames"]:
        table.add_row(f"frames: {kind}", *(f"{row['frames'].get(kind, 0):,}" for row in symbols.values()))
    for name in ROWS:
        values = (row[name] for row in symbols.values())
        table.add_row(
            name.replace("_", " "), *(f"{one:,}" if isinstance(one, int) else str(one) for one in values)
        )
    console.print(table)
    for symbol, row in symbols.items():
        console.print(f"{symbol}: the book is {row['book']}.")
    for skip in found.get("imported", {}).get("skipped", ()):
        where = f"{skip['file']}, line {skip['line']}"
        console.print(f"left out: {skip['count']:,} rows, {skip['reason']}; the first at {where}")
    if found["ok"]:
        console.print("Nothing wrong was found.")
