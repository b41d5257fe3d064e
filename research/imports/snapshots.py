"""Tables of whole books, a row each: Tardis `book_snapshot_25`, and Parquet or CSV of 20 tiers or more.

The first book becomes a depth snapshot, each further one the diff that leads to it, so that every row gives
one book again. A row whose book is crossed or has an empty side is left out, and is a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from research.imports.columns import SYMBOL, Clock, cell, find
from research.imports.ladder import Ladder
from research.imports.reading import Reading, symbol_of
from research.imports.reorder import in_order
from research.imports.tiers import Tiers
from services.venue.lines import Line
from shared.errors import BadFrame


def read(paths: Sequence[Path], symbol: str | None, reading: Reading) -> Iterator[Line]:
    """The books of several files in sequence."""
    ladders: dict[str, Ladder] = {}
    for path in paths:
        columns, rows = reading.table(path)
        clock, tiers, at_symbol = Clock(columns, path, reading), Tiers(columns, path), find(columns, SYMBOL)
        if not clock.has_arrival:
            rows = _in_order(rows, clock, reading, path)
        for line, row in rows:
            name = ""
            try:
                name = reading.named(path, symbol) if at_symbol is None else symbol_of(cell(row, at_symbol))
                if not reading.wants(name):
                    continue
                ladder = ladders.setdefault(name, Ladder(name))
                yield from ladder.whole(clock.recv_ns(row), clock.exchange_ns(row), *tiers.book(row))
            except BadFrame as error:
                reading.skips.add(str(error), path, line)
                if name in ladders:
                    ladders[name].lose()


def _in_order(
    rows: Iterator[tuple[int, list[str]]], clock: Clock, reading: Reading, path: Path
) -> Iterator[tuple[int, list[str]]]:
    def keyed() -> Iterator[tuple[int, int, list[str]]]:
        for line, row in rows:
            try:
                yield clock.exchange_ns(row), line, row
            except BadFrame as error:
                reading.skips.add(str(error), path, line)

    for _, line, row in in_order(keyed(), reading.skips, path, is_unique=False):
        yield line, row
