"""`lobflow data download`: historical files of Binance Vision, and the free days of Tardis."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from research.downloads import catalog
from research.downloads.catalog import Remote
from research.downloads.fetch import Outcome
from research.downloads.run import PARALLEL
from research.downloads.run import download as fetch_all
from shared.errors import BadSetting
from shared.streams import check_symbol

TYPES = "; ".join(f"{source}: {', '.join(kinds)}" for source, kinds in catalog.TYPES.items())


def download(
    source: Annotated[str, typer.Argument(help="Binance Vision, or Tardis.", metavar="binance|tardis")],
    symbol: Annotated[str, typer.Option(help="As the venue writes it.")],
    kind: Annotated[str, typer.Option("--type", help=f"{TYPES}.")],
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD, UTC.")],
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD; it is included.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to keep the files in.")],
    market: Annotated[str, typer.Option(help="Of Binance: um, cm or spot.")] = "um",
    period: Annotated[str, typer.Option(help="Of Binance: daily or monthly files.")] = "daily",
    exchange: Annotated[str, typer.Option(help="As Tardis names it.")] = "binance-futures",
    parallel: Annotated[int, typer.Option(help="Files at a time.", min=1, max=16)] = PARALLEL,
    base_url: Annotated[
        str | None, typer.Option(help="Another server of the same layout.", envvar="LOBFLOW_DOWNLOAD_URL")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Download historical files: verified, resumed where it broke off, and nothing twice.

    Days that are not published are listed and are no error. Tardis gives the first day of each month without
    a key; those from --from to --to are taken. The exit code is 1 where a file failed: call again to go on.
    """
    console = console_for(as_json)
    remotes = _plan(source, check_symbol(symbol.upper()), kind, _day(first), _day(last), market, period,
                    exchange, base_url)  # fmt: skip
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        bars = _Bars(bar)
        outcomes = asyncio.run(
            fetch_all(remotes, output, parallel, on_bytes=bars.advance, on_outcome=bars.end)
        )
    _show(console, outcomes, output)
    if as_json:
        print_json(_summary(outcomes, output))
    if any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(1)


class _Bars:
    """A bar for each file that is under way, and a line for each that is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[Remote, TaskID] = {}

    def advance(self, remote: Remote, done: int, total: int | None) -> None:
        if remote not in self._tasks:
            self._tasks[remote] = self._progress.add_task(remote.place.name, total=total)
        self._progress.update(self._tasks[remote], completed=done, total=total)

    def end(self, outcome: Outcome) -> None:
        if outcome.remote in self._tasks:
            self._progress.remove_task(self._tasks.pop(outcome.remote))
        text = f": {outcome.reason}" if outcome.state == "failed" else ""
        self._progress.console.print(f"{outcome.state:<10} {outcome.remote.place}{text}", soft_wrap=True)


def _plan(
    source: str,
    symbol: str,
    kind: str,
    first: date,
    last: date,
    market: str,
    period: str,
    exchange: str,
    base_url: str | None,
) -> list[Remote]:
    if source not in catalog.URLS:
        raise BadSetting(f"source {source!r}: one of {', '.join(catalog.URLS)}")
    url = base_url or catalog.URLS[source]
    if not url.startswith(("http://", "https://")):
        raise BadSetting(f"--base-url {url!r}: begins with http:// or https://")
    if source == "tardis":
        return catalog.tardis(url, exchange, kind, symbol, first, last)
    return catalog.binance(url, market, kind, symbol, first, last, period)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadSetting(f"{text!r} is no day: write YYYY-MM-DD") from error


def _show(console: Console, outcomes: list[Outcome], output: Path) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("state")
    for name in ("files", "received", "repeated requests"):
        table.add_column(name, justify="right")
    for state in ("downloaded", "present", "missing", "failed"):
        rows = [row for row in outcomes if row.state == state]
        if rows:
            received, repeated = sum(row.received for row in rows), sum(row.repeated for row in rows)
            table.add_row(state, f"{len(rows)}", f"{received:,} bytes", f"{repeated}")
    console.print(table)
    missing = [f"{row.remote.day}" for row in outcomes if row.state == "missing"]
    if missing:
        console.print(f"Not published: {', '.join(missing)}", soft_wrap=True)
    kept = [row for row in outcomes if row.state in ("downloaded", "present")]
    if kept:
        console.print(f"{len(kept)} verified files below {output}: lobflow data import auto FILES -o DIR")


def _summary(outcomes: list[Outcome], output: Path) -> dict[str, object]:
    counts = Counter(row.state for row in outcomes)
    return {
        "folder": str(output),
        **{state: counts[state] for state in ("downloaded", "present", "missing", "failed")},
        "received": sum(row.received for row in outcomes),
        "missing_days": [str(row.remote.day) for row in outcomes if row.state == "missing"],
        "files": [
            {
                "file": str(row.path),
                "url": row.remote.url,
                "day": str(row.remote.day),
                "state": row.state,
                "reason": row.reason,
                "repeated": row.repeated,
            }
            for row in outcomes
        ],
    }
