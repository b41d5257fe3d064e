"""Binance Vision's bookTicker: the best bid and ask alone, as a book of one tier a side.

The venue published them from 2023-05-16 to 2024-03-30. Rows can be out of order; they are sorted by update
id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from research.imports.columns import Clock, cell, need
from research.imports.ladder import Ladder
from research.imports.reading import Reading
from research.imports.reorder import in_order
from research.imports.values import identity, number
from services.venue.lines import Line
from shared.errors import BadFrame

UPDATE_ID = ("updateid",)
PLACES = ("bestbidprice",), ("bestbidqty",), ("bestaskprice",), ("bestaskqty",)


def read(
    paths: Sequence[Path], symbol: str | None, header: list[str] | None, reading: Reading
) -> Iterator[Line]:
    """The best prices of several files in sequence, of one symbol."""
    ladder = Ladder(reading.named(paths[0], symbol))
    for path in paths:
        columns, rows = reading.table(path, header)
        clock = Clock(columns, path, reading)
        update_id = need(columns, UPDATE_ID, path)
        places = [need(columns, name, path) for name in PLACES]
        keyed = _keyed(rows, update_id, reading, path)
        for own, line, row in in_order(keyed, reading.skips, path, is_unique=True):
            try:
                bid, bid_size, ask, ask_size = (number(cell(row, at)) for at in places)
                times = clock.recv_ns(row), clock.exchange_ns(row)
                yield from ladder.whole(*times, [(bid, bid_size)], [(ask, ask_size)], own)
            except BadFrame as error:
                reading.skips.add(str(error), path, line)


def _keyed(
    rows: Iterator[tuple[int, list[str]]], at: int, reading: Reading, path: Path
) -> Iterator[tuple[int, int, list[str]]]:
    for line, row in rows:
        try:
            yield identity(cell(row, at)), line, row
        except BadFrame as error:
            reading.skips.add(str(error), path, line)
