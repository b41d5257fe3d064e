"""Where trade flow comes from: tables of aggTrades or single trades, raw recordings, a recorder's folder.

A table holds one symbol and no book. A recording holds books, and, where it holds single trades, both
aggregations: 1,531 buys of mean 0.817 as aggTrades are 2,751 of mean 0.455 as single trades. So every result
says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from research.flow.entries import Entries, entries_of
from research.imports.columns import AGG_ID, EXCHANGE, MAKER, PRICE, SIDE, SIZE, TRADE_ID, cell, find, need
from research.imports.detect import detect
from research.imports.source import Progress, table
from research.imports.values import flag, identity, is_sold, number, time_ns
from research.market import market_entries
from services.features.flow.law import Ints
from services.features.flow.orders import NO_HOLES, Tape
from services.recorder.layout import label_of
from services.recorder.reader import files_of
from services.recorder.reader import read as read_recorded
from services.venue.lines import read as read_lines
from services.venue.tape import Trade
from shared import codec
from shared.errors import BadFrame, BadInput
from shared.messages import AggTrade, FeedStatus, Heartbeat, Lob, Market, MarkPrice
from shared.streams import Stream
from shared.units import MS, Parser, Scale, e9

AGGREGATED, SINGLE = "aggTrades", "single trades"
TABLES = {
    "binance-aggtrades": AGGREGATED,
    "binance-trades": SINGLE,
    "tardis-trades": SINGLE,
    "trades": SINGLE,
}
CHUNK = 65_536
TEXTS_LIMIT = 1_000_000
HOLE_MS = 1_000
MOST_JUMPS = 0.05  # of the rows

_trade = msgspec.json.Decoder(Trade)


class Source(NamedTuple):
    """One symbol's flow. `tapes` by aggregation; `entries` None where there are no books."""

    symbol: str
    scale: Scale
    tapes: dict[str, Tape]
    entries: Entries | None


def read(paths: Sequence[Path], symbol: str | None = None, progress: Progress | None = None) -> Source:
    """Files of one kind, in order of time. `progress` is told how many bytes of a table were read.

    Raises BadInput, one line, for what is neither, for several symbols where none is named, for times that go
    back.
    """
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path}: no such file or folder")
    if all(path.is_dir() for path in paths):
        return _recorded([_folder_entries(path, symbol) for path in paths])
    kinds = {path: detect(path) for path in paths}
    if all(found.kind == "hftbacktest" for found in kinds.values()):
        return _raw(paths, symbol)
    for path, found in kinds.items():
        if found.kind not in TABLES:
            raise BadInput(f"{path}: is {found.kind}; the flow needs aggTrades, trades or a raw recording")
    (kind, *others) = {found.kind for found in kinds.values()}
    if others:
        raise BadInput(f"{paths[0]}: files of different kinds: {kind}, {', '.join(others)}")
    names = {found.symbol for found in kinds.values() if found.symbol}
    if len(names) > 1:
        raise BadInput(f"files of several symbols: {', '.join(sorted(names))}")
    rows = _Rows()
    for path, found in kinds.items():
        rows.add(path, found.header, kind == "binance-aggtrades", progress)
    scale, tape = rows.tape(paths)
    return Source(symbol or next(iter(names), paths[0].stem), scale, {TABLES[kind]: tape}, None)


class _Rows:
    """Columns of one or several tables, as far as read."""

    def __init__(self) -> None:
        self._e9: dict[str, int] = {}  # texts seen: most prices and many sizes repeat
        self._columns: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = []
        self._last_ms, self._last_id = 0, -1
        self._holes: list[tuple[int, int]] = []

    def add(
        self, path: Path, header: list[str] | None, is_aggregated: bool, progress: Progress | None
    ) -> None:
        """Read one table to its end."""
        columns, rows = table(path, header, progress)
        price, size, at = need(columns, PRICE, path), need(columns, SIZE, path), need(columns, EXCHANGE, path)
        maker, side = find(columns, MAKER), find(columns, SIDE)
        if maker is None and side is None:
            raise BadInput(f"{path}: no column tells who took: is_buyer_maker, or side")
        own = need(columns, AGG_ID, path) if is_aggregated else find(columns, TRADE_ID)
        numbers = self._numbers
        for chunk in _chunks(rows):
            out = np.empty((len(chunk), 4), np.int64)
            for place, (line, row) in enumerate(chunk):
                try:
                    at_ms = time_ns(cell(row, at)) // MS
                    is_sell = flag(cell(row, maker)) if maker is not None else is_sold(cell(row, side))
                    out[place] = at_ms, numbers(row, price), numbers(row, size), -1 if is_sell else 1
                    number_of = -1 if own is None else identity(cell(row, own))
                except BadFrame as error:
                    raise BadInput(f"{path}, line {line}: {error}") from error
                if at_ms < self._last_ms:
                    raise BadInput(f"{path}, line {line}: time goes back by {self._last_ms - at_ms} ms")
                if is_aggregated and 0 <= self._last_id < number_of - 1:
                    self._holes.append((self._last_ms, at_ms))
                self._last_ms, self._last_id = at_ms, number_of
            self._columns.append(out)

    def _numbers(self, row: Sequence[str], place: int) -> int:
        text = cell(row, place)
        value = self._e9.get(text)
        if value is None:
            if len(self._e9) >= TEXTS_LIMIT:
                self._e9.clear()
            value = self._e9[text] = e9(number(text))
        return value

    def tape(self, paths: Sequence[Path]) -> tuple[Scale, Tape]:
        """Everything read; trades of nothing (price or quantity 0) are left out. Tick and lot are the
        greatest common divisors."""
        columns = np.concatenate(self._columns) if self._columns else np.empty((0, 4), np.int64)
        columns = columns[(columns[:, 1] > 0) & (columns[:, 2] > 0)]
        if not len(columns):
            raise BadInput(f"{', '.join(str(path) for path in paths)}: holds no trades")
        scale = Scale(int(np.gcd.reduce(columns[:, 1])), int(np.gcd.reduce(columns[:, 2])))
        prices, sizes = columns[:, 1] // scale.tick_e9, columns[:, 2] // scale.lot_e9
        return scale, Tape(columns[:, 0], prices, sizes, columns[:, 3], _holes(self._holes, len(columns)))


def _chunks(rows: Iterator[tuple[int, list[str]]]) -> Iterator[list[tuple[int, list[str]]]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _raw(paths: Sequence[Path], symbol: str | None) -> Source:
    found: dict[str, list[Market]] = {}
    for name, _, message in market_entries(paths):
        assert isinstance(message, Market)
        found.setdefault(name, []).append(message)
    chosen = _choose(found, symbol, paths)
    source = _recorded([(chosen, found[chosen])])
    single = _single(paths, chosen, source.scale)
    return source if single is None else source._replace(tapes={**source.tapes, SINGLE: single})


def _single(paths: Sequence[Path], symbol: str, scale: Scale) -> Tape | None:
    """The single trades of raw recordings, by the engine's time; None where there are none."""
    parser = Parser(scale)
    rows: list[Row] = []
    for line in merge(*(read_lines(path) for path in paths), key=lambda line: line.recv_ns):
        if line.kind != "trade" or line.symbol != symbol:
            continue
        try:
            trade = _trade.decode(line.data)
            side = -1 if trade.m else 1
            row = (trade.T, trade.t, parser.ticks(trade.p), parser.lots(trade.q), side, trade.t)
        except (msgspec.MsgspecError, BadFrame) as error:
            raise BadInput(f"a trade of {symbol} cannot be read: {error}") from error
        if trade.X == "MARKET" and row[2] and row[3]:
            rows.append(row)
    return _tape(rows) if rows else None


def _folder_entries(folder: Path, symbol: str | None) -> tuple[str, list[Market]]:
    """The market entries that a recorder wrote."""
    names = sorted(
        place.name.removeprefix("symbol=") for place in (folder / "stream=market").glob("symbol=*")
    )
    chosen = _choose(dict.fromkeys(names), symbol, [folder])
    out = []
    for _, data in read_recorded(files_of(folder, label_of(Stream.MARKET, chosen))):
        message = codec.decode(data)
        if not isinstance(message, (Lob, AggTrade, MarkPrice, FeedStatus, Heartbeat)):
            raise BadInput(f"{folder}: {type(message).__name__} among market entries")
        out.append(message)
    return chosen, out


def _choose(found: Mapping[str, object], symbol: str | None, paths: Sequence[Path]) -> str:
    where = ", ".join(str(path) for path in paths)
    if not found:
        raise BadInput(f"{where}: no market data")
    if symbol is None and len(found) > 1:
        raise BadInput(f"{where}: several symbols ({', '.join(sorted(found))}): name one with --symbol")
    chosen = next(iter(found)) if symbol is None else symbol
    if chosen not in found:
        raise BadInput(f"{where}: no {chosen}, only {', '.join(sorted(found))}")
    return chosen


def _recorded(parts: list[tuple[str, list[Market]]]) -> Source:
    symbol = parts[0][0]
    messages = [message for _, part in parts for message in part]
    scaled = next((each for each in messages if isinstance(each, (Lob, AggTrade))), None)
    if scaled is None or len({name for name, _ in parts}) > 1:
        raise BadInput(f"{symbol}: no book and no trade, or folders of several symbols")
    scale = Scale(scaled.tick_e9, scaled.lot_e9)
    rows = [
        (each.exchange_ns // MS, each.first_id, each.price_ticks, each.size_lots, each.side, each.last_id)
        for each in messages
        if isinstance(each, AggTrade)
    ]
    return Source(symbol, scale, {AGGREGATED: _tape(rows)} if rows else {}, entries_of(messages))


Row = tuple[int, int, int, int, int, int]  # ms, first id, ticks, lots, side, last id


def _tape(rows: list[Row]) -> Tape:
    """In the order of time and id: an aggTrade is told when it closes."""
    times, firsts, prices, sizes, sides, lasts = np.array(sorted(rows), np.int64).T.copy()
    order = np.argsort(firsts, kind="stable")  # by id: aggTrades of both sides lie in one another
    known = np.maximum.accumulate(lasts[order])[:-1]
    jumps = np.flatnonzero(firsts[order][1:] > known + 1)
    at_ms = times[order]
    holes = list(zip(at_ms[jumps].tolist(), at_ms[jumps + 1].tolist(), strict=True))
    return Tape(times, prices, sizes, sides, _holes(holes, len(rows)))


def _holes(jumps: list[tuple[int, int]], rows: int) -> Ints:
    """Where trades are missing, by jumps of the ids; (k, 2). Short ones hide no window, and the venue leaves
    out an id now and then. Where many jump, ids do not count up, and nothing is known."""
    if len(jumps) > MOST_JUMPS * rows:
        return NO_HOLES
    long = [jump for jump in jumps if jump[1] - jump[0] >= HOLE_MS]
    return np.array(long, np.int64).reshape(-1, 2)


def bytes_of(paths: Sequence[Path]) -> int:
    """How much there is to read."""
    return sum(path.stat().st_size for path in paths if path.is_file())
