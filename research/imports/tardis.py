"""Tardis `incremental_book_L2`: one row a level, rows of one message with one `local_timestamp`.

    exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount

Amounts are absolute, 0 deletes. Rows before the first snapshot are of no use. Where `is_snapshot` goes from
false to true, Tardis had connected anew: the book is discarded, and what came before is a gap. Times are
microseconds; the local one is the arrival at Tardis. Source: docs.tardis.dev, downloadable CSV files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from research.imports.columns import cell, need
from research.imports.ladder import Ladder
from research.imports.reading import Reading, symbol_of
from research.imports.values import flag, number, time_ns
from services.venue.lines import Line
from shared.errors import BadFrame

COLUMNS = (
    ("timestamp",),
    ("localtimestamp",),
    ("issnapshot",),
    ("side",),
    ("price",),
    ("amount",),
    ("symbol",),
)


class _Row(NamedTuple):
    symbol: str
    recv_ns: int
    is_snapshot: bool
    exchange_ns: int
    is_bid: bool
    level: tuple[str, str]
    number: int  # of its line


class _Book(NamedTuple):
    ladder: Ladder
    state: list[str]  # one of: waiting (for a snapshot), snapshot (the last message was one), live


def read(paths: Sequence[Path], reading: Reading) -> Iterator[Line]:
    """The books of several files in sequence."""
    books: dict[str, _Book] = {}
    for path in paths:
        for book in books.values():
            book.state[:] = ["live"] if book.state[0] == "snapshot" else book.state
        rows = (row for row in _rows(path, reading) if reading.wants(row.symbol))
        for (symbol, recv_ns, is_snapshot), message in groupby(rows, key=lambda row: row[:3]):
            if symbol not in books:
                books[symbol] = _Book(Ladder(symbol), ["waiting"])
            yield from _message(books[symbol], recv_ns, is_snapshot, list(message), path, reading)


def _message(
    book: _Book, recv_ns: int, is_snapshot: bool, rows: list[_Row], path: Path, reading: Reading
) -> Iterator[Line]:
    state = book.state[0]
    if state == "waiting" and not is_snapshot:
        for row in rows:
            reading.skips.add("before the first snapshot", path, row.number)
        return
    exchange_ns = rows[-1].exchange_ns
    bids = {row.level[0]: row.level[1] for row in rows if row.is_bid}
    asks = {row.level[0]: row.level[1] for row in rows if not row.is_bid}
    levels = list(bids.items()), list(asks.items())
    if is_snapshot and state != "snapshot":
        yield from book.ladder.restart(recv_ns, exchange_ns, *levels)
    else:  # a snapshot of several messages goes on where it was
        yield from book.ladder.changes(recv_ns, exchange_ns, *levels)
    book.state[0] = "snapshot" if is_snapshot else "live"


def _rows(path: Path, reading: Reading) -> Iterator[_Row]:
    columns, rows = reading.table(path)
    at_time, at_local, at_flag, at_side, at_price, at_amount, at_symbol = (
        need(columns, names, path) for names in COLUMNS
    )
    sides = {"bid": True, "ask": False}
    for line, row in rows:
        try:
            side = sides.get(cell(row, at_side))
            if side is None:
                raise BadFrame("the side is neither bid nor ask")
            level = number(cell(row, at_price)), number(cell(row, at_amount))
            symbol, is_snapshot = symbol_of(cell(row, at_symbol)), flag(cell(row, at_flag))
            times = time_ns(cell(row, at_local)), time_ns(cell(row, at_time))
            yield _Row(symbol, times[0], is_snapshot, times[1], side, level, line)
        except BadFrame as error:
            reading.skips.add(str(error), path, line)
