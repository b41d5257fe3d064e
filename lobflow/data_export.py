"""`lobflow data export`: recorded book and trades for other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress

from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.data_ls import DEFAULT_FOLDER, AsJson, Folder, Symbol
from research.hft_events import EventWriter
from research.market_csv import CsvWriter
from services.recorder.inventory import Day, days, runs
from services.recorder.place import place
from services.recorder.reader import read
from shared import codec
from shared.errors import BadInput, BadSetting
from shared.messages import Message
from shared.units import MS

STEP = 1024
Entries = Iterator[Message]


class Format(StrEnum):
    """What is written."""

    HFTBACKTEST = "hftbacktest"
    CSV = "csv"


def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write to.")],
    folder: Folder = DEFAULT_FOLDER,
    kind: Annotated[
        Format, typer.Option("--format", help="hftbacktest 2 (.npz), or CSV in the layouts of Tardis.")
    ] = Format.HFTBACKTEST,
    symbol: Symbol = None,
    date: Annotated[str | None, typer.Option(help="Only this day, YYYY-MM-DD.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write book and trades, one file (CSV: two) per symbol and day.

    hftbacktest takes no event that arrives before it was sent: where the recorder's clock was behind, its
    times are moved by what is needed, which is printed.
    """
    console = console_for(as_json)
    found = runs(place(folder))
    if len(found) > 1:
        raise BadSetting(
            f"{folder} holds {', '.join(run.name for run in found)}: name one, {folder}/{found[0].name}"
        )
    chosen = [
        day
        for day in days(found[0], symbol and symbol.upper())
        if day.stream == "market" and date in (None, day.date)
    ]
    if not chosen:
        wanted = " of " + " on ".join(filter(None, (symbol, date))) if symbol or date else ""
        raise BadInput(f"{folder}: no market entries{wanted}")
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    with Progress(console=console, transient=True) as bar:
        for day in chosen:
            task = bar.add_task(f"{day.symbol} {day.date}", total=day.entries)
            entries = _entries(day, lambda count, task=task: bar.advance(task, count))  # type: ignore[misc]
            rows.append((_npz if kind is Format.HFTBACKTEST else _csv)(day, entries, output))
    if not any(row["files"] for row in rows):
        raise BadInput(f"{folder}: no book and no trade to export")
    for row in rows:
        if not row["files"]:
            console.print(f"{row['symbol']} {row['date']}: no book and no trade, left out")
            continue
        moved = f", local clock moved by {row['local_moved_ms']} ms" if row.get("local_moved_ms") else ""
        console.print(f"{', '.join(row['files'])}: {row['rows']:,} rows{moved}", soft_wrap=True)
    if as_json:
        print_json({"folder": folder, "format": kind.value, "days": rows})


def _entries(day: Day, on_read: Callable[[int], None]) -> Entries:
    for count, (_, data) in enumerate(read(day.files), start=1):
        yield codec.decode(data)
        if count % STEP == 0:
            on_read(STEP)


def _npz(day: Day, entries: Entries, output: Path) -> dict[str, Any]:
    writer = EventWriter()
    for message in entries:
        writer.add(message)
    if writer.is_empty:
        return {**_names(day, []), "rows": 0}
    path = output / f"{day.symbol.lower()}_{day.date.replace('-', '')}.npz"
    events, moved_ns = writer.events()
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        np.savez_compressed(file, data=events)
    temporary.rename(path)
    return {**_names(day, [path]), "rows": len(events), "local_moved_ms": moved_ns / MS}


def _csv(day: Day, entries: Entries, output: Path) -> dict[str, Any]:
    stem = f"{day.symbol.lower()}_{day.date.replace('-', '')}"
    paths = [output / f"{stem}_{name}.csv" for name in ("book_snapshot_20", "trades")]
    temporary = [path.with_name(f".{path.name}") for path in paths]
    with CsvWriter(day.symbol, *temporary) as writer:
        for message in entries:
            writer.add(message)
    for written, path in zip(temporary, paths, strict=True):
        if writer.rows:
            written.rename(path)
        else:
            written.unlink()
    if not writer.rows:
        return {**_names(day, []), "rows": 0}
    return {**_names(day, paths), "rows": writer.rows}


def _names(day: Day, paths: list[Path]) -> dict[str, Any]:
    return {"symbol": day.symbol, "date": day.date, "files": [str(path) for path in paths]}
