"""Tables of the venue's own diffs, flattened to one row a level, with their update ids.

Two are known. Binance's historical depth download:

    symbol,timestamp,first_update_id,last_update_id,side,update_type,price,qty,pu

where `update_type` is `snap` or `set`; and flattened captures of several streams in one table, with
`FirstUpdateId`, `FinalUpdateId`, `FinalUpdateIdInLastStream`, `IsAsk`, `LastUpdateId` of depth answers, and
`TradeId`, `IsBuyerMarketMaker`, `XUnknownParameter` of single trades.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from research.imports.columns import Clock, cell, find, need
from research.imports.frames import depth, snapshot, trade
from research.imports.reading import Reading, symbol_of
from research.imports.values import flag, identity, number
from services.venue.lines import Line
from shared.errors import BadFrame

DEPTH, SNAPSHOT, TRADE = "depth", "snapshot", "trade"
Numbered = tuple[int, list[str]]


class _Unused(BadFrame):
    """A row of a kind that is not used."""


class _Layout:
    """Which column is which in one file."""

    def __init__(self, columns: Sequence[str], path: Path, reading: Reading) -> None:
        self.clock = Clock(columns, path, reading)
        self.symbol = need(columns, ("symbol",), path)
        self.price, self.size = need(columns, ("price",), path), need(columns, ("quantity", "qty"), path)
        self.first, self.last = (
            find(columns, names) for names in (("firstupdateid",), ("finalupdateid", "lastupdateid"))
        )
        self.previous = find(columns, ("finalupdateidinlaststream", "pu"))
        self.is_ask, self.side = find(columns, ("isask",)), find(columns, ("side",))
        self.update_type, self.stream_type = find(columns, ("updatetype",)), find(columns, ("streamtype",))
        self.event, self.trade = find(columns, ("eventtype",)), find(columns, ("tradeid",))
        self.answer = find(columns, ("lastupdateid",)) if self.stream_type is not None else self.last
        self.maker = find(columns, ("isbuyermarketmaker",))
        self.kind = find(columns, ("xunknownparameter",))
        self.is_spoiled = False  # a row could not even be told which message it is of

    def is_asked(self, row: Sequence[str]) -> bool:
        """Whether the level is one of the asks."""
        if self.is_ask is not None:
            return flag(cell(row, self.is_ask))
        return cell(row, self.side).lower() in ("a", "ask", "sell")

    def what(self, row: Sequence[str]) -> str:
        """Depth, snapshot or trade. Raises _Unused for anything else."""
        if self.update_type is not None:
            return SNAPSHOT if cell(row, self.update_type) == "snap" else DEPTH
        name = cell(row, self.event if self.stream_type is None else self.stream_type)
        kinds = {"depthUpdate": DEPTH, "trade": TRADE, "DIFFERENCE_DEPTH_STREAM": DEPTH,
                 "DEPTH_SNAPSHOT": SNAPSHOT, "TRADE_STREAM": TRADE}  # fmt: skip
        if name not in kinds:
            raise _Unused(f"{name[:30] or 'no event'}: rows that are not used")
        return kinds[name]

    def message(self, row: Sequence[str]) -> tuple[str, str, str]:
        """What rows of one message have in common."""
        what = self.what(row)
        at = {DEPTH: self.last, SNAPSHOT: self.answer, TRADE: self.trade}[what]
        return symbol_of(cell(row, self.symbol)), what, cell(row, at)


def read(paths: Sequence[Path], reading: Reading) -> Iterator[Line]:
    """The frames of several files in sequence."""
    for path in paths:
        columns, rows = reading.table(path)
        layout = _Layout(columns, path, reading)
        used = (row for row in _keyed(rows, layout, path, reading) if reading.wants(row[0][0]))
        for (symbol, what, _), message in groupby(used, key=lambda row: row[0]):
            numbered = [row[1] for row in message]
            if layout.is_spoiled:  # the row may have been of this message: without it, the ids show the gap
                layout.is_spoiled = False
                reading.skips.add("beside a row that cannot be read", path, numbered[0][0], len(numbered))
                continue
            try:
                yield _frame(symbol, what, [row for _, row in numbered], layout)
            except BadFrame as error:  # a message is whole or it is lost
                reading.skips.add(str(error), path, numbered[0][0], len(numbered))


def _keyed(
    rows: Iterator[Numbered], layout: _Layout, path: Path, reading: Reading
) -> Iterator[tuple[tuple[str, str, str], Numbered]]:
    for line, row in rows:
        try:
            yield layout.message(row), (line, row)
        except _Unused as error:
            reading.skips.add(str(error), path, line)
        except BadFrame as error:
            reading.skips.add(str(error), path, line)
            layout.is_spoiled = True


def _frame(symbol: str, what: str, rows: list[list[str]], layout: _Layout) -> Line:
    head = rows[0]
    recv_ns, exchange_ns = layout.clock.recv_ns(head), layout.clock.exchange_ns(head)
    if what == TRADE:
        own, kind = identity(cell(head, layout.trade)), cell(head, layout.kind)
        price, size = number(cell(head, layout.price)), number(cell(head, layout.size))
        return trade(recv_ns, symbol, exchange_ns, own, price, size, flag(cell(head, layout.maker)), kind)
    levels = [
        (layout.is_asked(row), (number(cell(row, layout.price)), number(cell(row, layout.size))))
        for row in rows
    ]
    bids = [level for is_ask, level in levels if not is_ask]
    asks = [level for is_ask, level in levels if is_ask]
    if what == SNAPSHOT:
        last_id = identity(cell(head, layout.answer))
        return snapshot(recv_ns, symbol, exchange_ns, last_id, bids, asks)
    first, last = identity(cell(head, layout.first)), identity(cell(head, layout.last))
    previous = None if layout.previous is None else identity(cell(head, layout.previous))
    return depth(recv_ns, symbol, exchange_ns, (first, last, previous), bids, asks)
