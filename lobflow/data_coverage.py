"""`lobflow data coverage`: per symbol and day, what was recorded and what is missing, from the ledgers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.data_ls import DEFAULT_FOLDER, AsJson, Folder, Symbol
from services.recorder.audit import kept_pages
from services.recorder.inventory import runs
from services.recorder.ledger import Gap, Ledger
from services.recorder.place import Place, place
from shared.errors import BadInput
from shared.units import SECOND

DAY_NS = 86_400 * SECOND


def coverage(
    folder: Folder = DEFAULT_FOLDER,
    symbol: Symbol = None,
    gaps: Annotated[int, typer.Option(help="The longest gaps shown of each day.", min=0)] = 5,
    as_json: AsJson = False,
) -> None:
    """Per symbol and day: the share covered, and each gap with its reason and length.

    Covered is the time in which the book was whole and entries came; `share` is of the time from the first
    entry to the last. Times are those of arrival, in UTC.
    """
    console = console_for(as_json)
    pages = [(run, page) for run in runs(place(folder)) for page in _pages(run, symbol and symbol.upper())]
    if not pages:
        raise BadInput(f"{folder}: no ledger there; `lobflow data check --repair` writes them from the files")
    console.print(_table(pages))
    for run, page in pages:
        _show_gaps(console, run, page, gaps)
    if as_json:
        print_json({"folder": folder, "days": [_plain(run, page) for run, page in pages]})


def _pages(run: Place, symbol: str | None) -> list[Ledger]:
    names = sorted(path.name.removeprefix("symbol=") for path in (run / "ledger").glob("symbol=*"))
    return [
        page for name in names if symbol is None or name == symbol for page in kept_pages(run, name).values()
    ]


def _all_gaps(page: Ledger) -> list[Gap]:
    return [*page.gap_list, *([page.open_gap] if page.open_gap is not None else [])]


def _table(pages: list[tuple[Place, Ledger]]) -> Table:
    table = Table(
        title="Coverage", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in ("run", "symbol", "date"):
        table.add_column(name, no_wrap=name == "date", overflow="fold")
    for name in (
        "from",
        "until",
        "share",
        "of day",
        "gaps",
        "gap s",
        "resyncs",
        "ids lost",
        "twice",
        "entries",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for run, page in pages:
        shares = _shares(page)
        table.add_row(
            run.name,
            page.symbol,
            page.date + (" (dropped)" if page.is_dropped else ""),
            _clock(page.from_ns)[:8],
            _clock(page.until_ns)[:8],
            f"{shares[0]:.3%}",
            f"{shares[1]:.3%}",
            f"{page.gaps:,}",
            f"{page.gap_ns / SECOND:,.3f}",
            f"{page.resyncs:,}",
            f"{page.trade_ids_missing:,}",
            f"{page.duplicates_dropped:,}",
            f"{sum(page.entries.values()):,}",
        )
    return table


def _show_gaps(console: Console, run: Place, page: Ledger, most: int) -> None:
    longest = sorted(_all_gaps(page), key=lambda gap: gap.from_ns - gap.to_ns)[:most]
    for gap in sorted(longest, key=lambda gap: gap.from_ns):
        state = ", not ended" if gap is page.open_gap else ""
        console.print(
            f"{run.name} {page.symbol} {page.date} {_clock(gap.from_ns)}  "
            f"{(gap.to_ns - gap.from_ns) / SECOND:.3f} s{state}  {gap.reason}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )


def _shares(page: Ledger) -> tuple[float, float]:
    span_ns = page.until_ns - page.from_ns
    return page.covered_ns / span_ns if span_ns else 0.0, page.covered_ns / DAY_NS


def _plain(run: Place, page: Ledger) -> dict[str, Any]:
    shares = _shares(page)
    return {
        "run": run.name,
        **msgspec.to_builtins(page),
        "share_of_span": shares[0],
        "share_of_day": shares[1],
        "gap_list": [
            {**msgspec.to_builtins(gap), "seconds": (gap.to_ns - gap.from_ns) / SECOND}
            for gap in _all_gaps(page)
        ],
    }


def _clock(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // SECOND, UTC):%H:%M:%S}.{at_ns % SECOND // 1_000_000:03d}"
