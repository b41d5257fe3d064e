"""Tables of trades, single or aggregated: Binance Vision's, Tardis's, and whatever names its columns plainly.

Files that tell no time of arrival are sorted by their ids (without ids, by time); others keep their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from research.imports import columns as names
from research.imports.columns import AGG_ID, Clock, cell, find, need
from research.imports.frames import agg_trade, trade
from research.imports.reading import Reading, symbol_of
from research.imports.reorder import in_order
from research.imports.values import flag, identity, is_sold, number
from services.venue.lines import Line
from shared.errors import BadFrame, BadInput

FIRST_ID, LAST_ID = ("firsttradeid", "firstid"), ("lasttradeid", "lastid")


class _Layout:
    """Which column is which in one file."""

    def __init__(self, columns: Sequence[str], path: Path, reading: Reading, is_aggregated: bool) -> None:
        self.clock = Clock(columns, path, reading)
        self.price, self.size = need(columns, names.PRICE, path), need(columns, names.SIZE, path)
        self.symbol = find(columns, names.SYMBOL)
        self.maker, self.side = find(columns, names.MAKER), find(columns, names.SIDE)
        if self.maker is None and self.side is None:
            raise BadInput(f"{path}: no column tells who took: side, or is_buyer_maker")
        self.id = need(columns, AGG_ID, path) if is_aggregated else find(columns, names.TRADE_ID)
        self.first, self.last = find(columns, FIRST_ID), find(columns, LAST_ID)

    def is_sold(self, row: Sequence[str]) -> bool:
        """Whether the taker sold."""
        return flag(cell(row, self.maker)) if self.maker is not None else is_sold(cell(row, self.side))


def read(
    paths: Sequence[Path], symbol: str | None, header: list[str] | None, reading: Reading, is_aggregated: bool
) -> Iterator[Line]:
    """The trades of several files in sequence. `header` where the files have none."""
    count = 0  # an id for trades that have none
    for path in paths:
        columns, rows = reading.table(path, header)
        layout = _Layout(columns, path, reading, is_aggregated)
        if not layout.clock.has_arrival:
            rows = _in_order(rows, layout, reading, path)
        for line, row in rows:
            count += 1
            try:
                name = (
                    reading.named(path, symbol)
                    if layout.symbol is None
                    else symbol_of(cell(row, layout.symbol))
                )
                if reading.wants(name):
                    yield _frame(row, layout, name, count, is_aggregated)
            except BadFrame as error:
                reading.skips.add(str(error), path, line)


def _frame(row: Sequence[str], layout: _Layout, symbol: str, count: int, is_aggregated: bool) -> Line:
    recv_ns, exchange_ns = layout.clock.recv_ns(row), layout.clock.exchange_ns(row)
    price, size = number(cell(row, layout.price)), number(cell(row, layout.size))
    own = count if layout.id is None else identity(cell(row, layout.id))
    if not is_aggregated:
        return trade(recv_ns, symbol, exchange_ns, own, price, size, layout.is_sold(row), "MARKET")
    first = own if layout.first is None else identity(cell(row, layout.first))
    last = first if layout.last is None else identity(cell(row, layout.last))
    return agg_trade(recv_ns, symbol, exchange_ns, (own, first, last), price, size, layout.is_sold(row))


def _in_order(
    rows: Iterator[tuple[int, list[str]]], layout: _Layout, reading: Reading, path: Path
) -> Iterator[tuple[int, list[str]]]:
    def keyed() -> Iterator[tuple[int, int, list[str]]]:
        for line, row in rows:
            try:
                key = layout.clock.exchange_ns(row) if layout.id is None else identity(cell(row, layout.id))
            except BadFrame as error:
                reading.skips.add(str(error), path, line)
                continue
            yield key, line, row

    for _, line, row in in_order(keyed(), reading.skips, path, is_unique=layout.id is not None):
        yield line, row
