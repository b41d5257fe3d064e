"""Tardis `incremental_book_L2`: one row a level, rows of one message with one `local_timestamp`.

    exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount

Amounts are absolute, 0 deletes. Rows before the first snapshot are of no use. Where `is_snapshot` goes from
false to true, Tardis had connected anew: the book is discarded, and what came before is a gap. Times are
microseconds; the local one is the arrival at Tardis. A row that cannot be read leaves a level unknown: that
is a gap too, until the next snapshot. Source: docs.tardis.dev, downloadable CSV files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from research.imports.columns import need
from research.imports.ladder import Ladder
from research.imports.reading import Reading, symbol_of
from research.imports.values import number, time_ns
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


SIDES, FLAGS = {"bid": True, "ask": False}, {"true": True, "false": False}


class _Row(NamedTuple):
    symbol: str
    recv_ns: int
    is_snapshot: bool
    exchange_ns: int
    is_bid: bool
    level: tuple[str, str]
    number: int  # of its line


class _Book:
    """One symbol's book. `state`: waiting (for a snapshot), snapshot (the last message was one) or live."""

    def __init__(self, symbol: str) -> None:
        self.ladder = Ladder(symbol)
        self.state = "waiting"
        self.has_begun = False


class _Spoiled:
    """Whether a row could not be read: then a level is not known, and no book is whole any more."""

    def __init__(self) -> None:
        self.is_so = False


def read(paths: Sequence[Path], reading: Reading) -> Iterator[Line]:
    """The books of several files in sequence."""
    books: dict[str, _Book] = {}
    for path in paths:
        for book in books.values():
            if book.state == "snapshot":
                book.state = "live"  # a snapshot at the head of the next file is a new one
        spoiled = _Spoiled()
        rows = (row for row in _rows(path, reading, spoiled) if reading.wants(row.symbol))
        for (symbol, recv_ns, is_snapshot), group in groupby(rows, key=lambda row: row[:3]):
            message = list(group)
            if spoiled.is_so:  # in this message, or right behind it: nobody can tell whose row it was
                spoiled.is_so = False
                for book in books.values():
                    yield from _lost(book, message[-1])
                reading.skips.add("beside a row that cannot be read", path, message[0].number, len(message))
                continue
            book = books.setdefault(symbol, _Book(symbol))
            if book.state == "waiting" and not is_snapshot:
                reason = "until the next snapshot" if book.has_begun else "before the first snapshot"
                reading.skips.add(reason, path, message[0].number, len(message))
                continue
            yield from _frames(book, recv_ns, is_snapshot, message)


def _frames(book: _Book, recv_ns: int, is_snapshot: bool, rows: list[_Row]) -> Iterator[Line]:
    exchange_ns = rows[-1].exchange_ns
    bids = {row.level[0]: row.level[1] for row in rows if row.is_bid}
    asks = {row.level[0]: row.level[1] for row in rows if not row.is_bid}
    levels = list(bids.items()), list(asks.items())
    if is_snapshot and book.state != "snapshot":
        yield from book.ladder.restart(recv_ns, exchange_ns, *levels)
    else:  # a snapshot of several messages goes on where it was
        yield from book.ladder.changes(recv_ns, exchange_ns, *levels)
    book.state, book.has_begun = "snapshot" if is_snapshot else "live", True


def _lost(book: _Book, row: _Row) -> Iterator[Line]:
    if book.state != "waiting":
        yield book.ladder.gap(row.recv_ns, row.exchange_ns)
    book.state, book.has_begun = "waiting", True


def _rows(path: Path, reading: Reading, spoiled: _Spoiled) -> Iterator[_Row]:
    columns, rows = reading.table(path)
    at_time, at_local, at_flag, at_side, at_price, at_amount, at_symbol = (
        need(columns, names, path) for names in COLUMNS
    )
    for line, row in rows:
        try:
            try:
                side, level = SIDES[row[at_side]], (number(row[at_price]), number(row[at_amount]))
                symbol, is_snapshot = symbol_of(row[at_symbol]), FLAGS[row[at_flag]]
                times = time_ns(row[at_local]), time_ns(row[at_time])
            except LookupError as error:
                raise BadFrame("a side or flag is none, or the row is too short") from error
            yield _Row(symbol, times[0], is_snapshot, times[1], side, level, line)
        except BadFrame as error:
            reading.skips.add(str(error), path, line)
            spoiled.is_so = True
