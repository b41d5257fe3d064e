"""`lobflow parity`: are the recorded features those of the recorded market?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Annotated, Any

import typer
from rich import box
from rich.progress import Progress
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.data_ls import DEFAULT_FOLDER, AsJson, Symbol
from services.features.parity import Parity
from services.recorder.inventory import rows_in, runs
from services.recorder.layout import label_of
from services.recorder.place import Place, place
from services.recorder.reader import files_of, labels, read
from shared.errors import BadInput
from shared.streams import Stream, parse_id

EVERY = 2000  # market entries between two moves of the bar
COLUMNS = ("compared", "mismatches", "unchecked", "other_schema")


def parity(
    data: Annotated[
        str, typer.Option("--data", help="A recorder's folder or one run in it; or a URL that fsspec knows.")
    ] = DEFAULT_FOLDER,
    run: Annotated[str | None, typer.Option("--run", help="Only this run of the folder.")] = None,
    symbol: Symbol = None,
    as_json: AsJson = False,
) -> None:
    """Compute the features of recorded market entries again; compare them with the recorded ones, bit by bit.

    Ends with 1 where any differs, or is missing on one side, and names the first by its id and feature. Not
    checked are vectors whose past is not recorded: up to 612 s after the beginning of a recording and after
    a hole in it.
    """
    console = console_for(as_json)
    found = [one for one in runs(place(data)) if run is None or one.name == run]
    if not found:
        raise BadInput(f"{data}: no run {run}; there are {', '.join(one.name for one in runs(place(data)))}")
    rows: list[dict[str, Any]] = []
    with Progress(console=console, transient=True) as bar:
        for one in found:
            for name in _symbols(one, symbol and symbol.upper()):
                task = bar.add_task(f"{one.name} {name}", total=_count(one, Stream.MARKET, name))
                result = compare(one, name, lambda count, task=task: bar.advance(task, count))  # type: ignore[misc]
                rows.append({"run": one.name, "symbol": name, **_figures(result)})
    if not any(row["compared"] for row in rows):
        counts = ((name, sum(row[name] for row in rows)) for name in COLUMNS[2:])
        why = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts)
        raise BadInput(f"{data}: no recorded vector can be compared ({why})")
    totals = {name: sum(row[name] for row in rows) for name in COLUMNS}
    table = Table(box=box.SIMPLE_HEAD, title=data, title_justify="left", title_style="bold")
    for name in ("run", "symbol", *COLUMNS):
        table.add_column(name.replace("_", " "), justify="left" if name in ("run", "symbol") else "right")
    for row in rows:
        table.add_row(row["run"], row["symbol"], *(f"{row[name]:,}" for name in COLUMNS))
    console.print(table)
    first = next((row["first_mismatch"] for row in rows if row["first_mismatch"]), None)
    if as_json:
        print_json({"data": data, **totals, "first_mismatch": first, "streams": rows})
    if first is not None:
        typer.echo(
            f"lobflow: {totals['mismatches']:,} of {totals['compared']:,} vectors differ, the first at "
            f"{first['id']} in {first['feature']}: recorded {first['recorded']}, recomputed "
            f"{first['recomputed']}",
            err=True,
        )
        raise typer.Exit(1)


def compare(run: Place, symbol: str, progress: Callable[[int], object] = lambda count: None) -> Parity:
    """One symbol of one run, as it lies in the files."""
    result = Parity()
    vectors = read(files_of(run, label_of(Stream.FEATURES, symbol)))
    waiting: Iterator[tuple[str, bytes]] = vectors
    for number, (entry_id, data) in enumerate(read(files_of(run, label_of(Stream.MARKET, symbol))), 1):
        result.market(entry_id, data)
        for vector in waiting:
            if parse_id(vector[0]) > parse_id(entry_id):
                waiting = chain((vector,), vectors)
                break
            result.published(*vector)
        if number % EVERY == 0:
            progress(EVERY)
    for vector in waiting:
        result.published(*vector)
    result.finish()
    return result


def _symbols(run: Place, wanted: str | None) -> list[str]:
    """The symbols of which both streams are there."""
    there = set(labels(run))
    pairs = {label.partition("{")[2].rstrip("}") for label in there if label.startswith("features:")}
    found = sorted(name for name in pairs if label_of(Stream.MARKET, name) in there)
    return [name for name in found if wanted is None or name == wanted]


def _count(run: Place, stream: Stream, symbol: str) -> int:
    return sum(rows_in(path) for path in files_of(run, label_of(stream, symbol)))


def _figures(result: Parity) -> dict[str, Any]:
    first = result.first
    return {
        **{name: getattr(result, name) for name in COLUMNS},
        "first_mismatch": first
        and {
            "id": first.entry_id,
            "feature": first.feature,
            "recorded": first.published,
            "recomputed": first.recomputed,
        },
    }
