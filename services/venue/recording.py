"""Recorded frames: files of `<recv_ns> <json>` lines, merged into one rising sequence of events.

A line holds a combined-stream frame (`{"stream": ..., "data": {...}}`) or a REST depth answer
(`{"lastUpdateId": ...}`). Files may be gzip or plain, hold one symbol or several, and follow or overlap each
other. They are streamed: a recording is never held in memory. A line whose time cannot be read ends the replay
with BadInput; anything else that is not understood is passed on as kind `other`, for the collector to park.
"""

from __future__ import annotations

import gzip
import heapq
import zlib
from collections.abc import Iterator, Sequence
from math import gcd
from pathlib import Path
from typing import IO, NamedTuple, cast

import msgspec

from services.venue.tape import Tape, Trade
from shared.errors import BadFrame, BadInput
from shared.units import Scale, e9

GZIP_MAGIC = b"\x1f\x8b"
TEXTS_LIMIT = 100_000  # distinct decimal texts kept before they are folded into their divisor
KINDS = {
    "depthUpdate": "depth",
    "bookTicker": "bookTicker",
    "aggTrade": "aggTrade",
    "markPriceUpdate": "markPrice",
    "trade": "trade",
}
_HEADS = {f'{{"e":"{name}"'.encode(): kind for name, kind in KINDS.items()}  # as the venue writes them


class Instrument(NamedTuple):
    """One symbol of a recording: `frames` counts its lines, `snapshots` are the times of its depth answers."""

    symbol: str
    scale: Scale
    first_ns: int
    last_ns: int
    frames: int
    snapshots: tuple[int, ...] = ()


class Event(NamedTuple):
    """One frame to send. `kind`: depth, bookTicker, aggTrade, markPrice, snapshot or other."""

    seq: int
    recv_ns: int
    symbol: str
    kind: str
    data: bytes  # the JSON of the inner `data`; of a snapshot the REST answer


class _Line(NamedTuple):
    recv_ns: int
    symbol: str
    kind: str
    data: bytes


class _Frame(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    lastUpdateId: int | None = None
    symbol: str = ""


class _Head(msgspec.Struct):
    e: str = ""


class _Levels(msgspec.Struct):
    """The levels of a diff (`b`, `a`) or of a snapshot (`bids`, `asks`)."""

    b: list[tuple[str, str]] = []
    a: list[tuple[str, str]] = []
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []


class _Ticker(msgspec.Struct):
    b: str
    B: str
    a: str
    A: str


class _Print(msgspec.Struct):
    p: str
    q: str


_frame = msgspec.json.Decoder(_Frame)
_head = msgspec.json.Decoder(_Head)
_levels = msgspec.json.Decoder(_Levels)
_ticker = msgspec.json.Decoder(_Ticker)
_print = msgspec.json.Decoder(_Print)
_trade = msgspec.json.Decoder(Trade)


def scan(files: Sequence[Path]) -> dict[str, Instrument]:
    """Read everything once: which symbols, from when to when, with what tick and lot size.

    Tick and lot are the greatest common divisors of all prices and quantities. Raises BadInput, one line that
    names file and line, for files that cannot be replayed.
    """
    if not files:
        raise BadInput("no recording was named: set LOBFLOW_VENUE_FILES")
    surveys: dict[str, _Survey] = {}
    for path in files:
        for line in _read(path):
            survey = surveys.get(line.symbol)
            if survey is None:
                survey = surveys[line.symbol] = _Survey(path)
            survey.add(line)
    return {symbol: survey.instrument(symbol) for symbol, survey in sorted(surveys.items())}


def timeline(files: Sequence[Path], instruments: dict[str, Instrument]) -> Iterator[Event]:
    """All events in order of `recv_ns` (ties: order of files, then of lines), `seq` from 1 without a gap.

    `instruments` is what `scan` returned for the same files. Single trades come as aggTrades.
    """
    tapes = {symbol: Tape(symbol) for symbol in instruments}
    merged = heapq.merge(*(_read(path) for path in files), key=lambda line: line[0])
    for seq, line in enumerate(_aggregated(merged, tapes), 1):
        yield Event(seq, *line)


def _aggregated(lines: Iterator[_Line], tapes: dict[str, Tape]) -> Iterator[_Line]:
    due_ns: int | None = None  # the earliest timer of all tapes
    for line in lines:
        if due_ns is not None and due_ns <= line.recv_ns:
            yield from _due(tapes, line.recv_ns)
            due_ns = _earliest(tapes)
        if line.kind != "trade":
            yield line
            continue
        try:
            closed = tapes[line.symbol].add(_trade.decode(line.data), line.recv_ns)
        except (msgspec.MsgspecError, BadFrame):
            yield line._replace(kind="other")
            continue
        if closed is not None:
            yield _Line(line.recv_ns, line.symbol, "aggTrade", closed)
        due_ns = _earliest(tapes)
    yield from _due(tapes, None)


def _earliest(tapes: dict[str, Tape]) -> int | None:
    return min((tape.due_ns for tape in tapes.values() if tape.due_ns is not None), default=None)


def _due(tapes: dict[str, Tape], now_ns: int | None) -> list[_Line]:
    """What timers close up to `now_ns` (None: all of it), by time and then by symbol."""
    timers = sorted((tape.due_ns, name) for name, tape in tapes.items() if tape.due_ns is not None)
    return [
        _Line(due_ns, name, "aggTrade", tapes[name].close())
        for due_ns, name in timers
        if now_ns is None or due_ns <= now_ns
    ]


def _read(path: Path) -> Iterator[_Line]:
    """The lines of one file, each with its symbol and kind."""
    own_symbol = _first_symbol(path)
    names: dict[str, str] = {}  # stream -> symbol
    is_single = True
    unnamed_snapshot: int | None = None
    for number, recv_ns, text in _numbered(path):
        try:
            frame = _frame.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield _Line(recv_ns, own_symbol, "other", text)
            continue
        if frame.lastUpdateId is not None:
            if not frame.symbol:
                unnamed_snapshot = number
            yield _Line(recv_ns, frame.symbol or own_symbol, "snapshot", text)
        elif "@" not in frame.stream:
            yield _Line(recv_ns, own_symbol, "other", text)
        else:
            symbol = names.get(frame.stream)
            if symbol is None:
                symbol = names[frame.stream] = frame.stream.partition("@")[0].upper()
                is_single = is_single and symbol == own_symbol
            data = bytes(frame.data)
            yield _Line(recv_ns, symbol, _kind(data), data)
        if unnamed_snapshot is not None and not is_single:
            raise BadInput(
                f"{path}, line {unnamed_snapshot}: a depth snapshot without `symbol`, but several symbols"
            )


def _kind(data: bytes) -> str:
    kind = _HEADS.get(data[: data.find(b",")])
    if kind is not None:
        return kind
    try:
        return KINDS.get(_head.decode(data).e, "other")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "other"


def _first_symbol(path: Path) -> str:
    for _, _, text in _numbered(path):
        try:
            name, mark, _ = _frame.decode(text).stream.partition("@")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if mark:
            return name.upper()
    raise BadInput(f"{path}: holds no frame of any stream")


def _numbered(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(line number, recv_ns, JSON) of each line; checks that time does not go back."""
    number, last_ns = 0, 0
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, 1):
                stamp, _, text = line.partition(b" ")
                if not stamp.isdigit() or not text:
                    raise BadInput(
                        f"{path}, line {number}: begins {line[:40]!r}, not with nanoseconds and a blank"
                    )
                recv_ns = int(stamp)
                if recv_ns < last_ns:
                    raise BadInput(f"{path}, line {number}: time goes back from {last_ns} to {recv_ns}")
                last_ns = recv_ns
                yield number, recv_ns, text.rstrip()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path}, after line {number}: the gzip data is cut or broken: {error}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    if number == 0:
        raise BadInput(f"{path}: is empty")


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP_MAGIC
    return cast(IO[bytes], gzip.open(path, "rb")) if is_gzip else path.open("rb")


class _Survey:
    """What one symbol's lines add up to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first_ns: int | None = None
        self.last_ns = 0
        self.frames = 0
        self.snapshots: list[int] = []
        self._prices, self._sizes = _Divisor(), _Divisor()

    def add(self, line: _Line) -> None:
        self.first_ns = line.recv_ns if self.first_ns is None else min(self.first_ns, line.recv_ns)
        self.last_ns = max(self.last_ns, line.recv_ns)
        self.frames += 1
        try:
            self._weigh(line)
        except msgspec.MsgspecError:
            return  # the frame is passed on all the same; the collector counts and parks it

    def _weigh(self, line: _Line) -> None:
        prices, sizes = self._prices, self._sizes
        if line.kind == "bookTicker":
            ticker = _ticker.decode(line.data)
            prices.add((ticker.b, ticker.a))
            sizes.add((ticker.B, ticker.A))
        elif line.kind in ("trade", "aggTrade"):
            sale = _print.decode(line.data)
            prices.add((sale.p,))
            sizes.add((sale.q,))
        elif line.kind in ("depth", "snapshot"):
            levels = _levels.decode(line.data)
            rows = levels.b + levels.a + levels.bids + levels.asks
            if rows:
                texts = tuple(zip(*rows, strict=True))
                prices.add(texts[0])
                sizes.add(texts[1])
            if line.kind == "snapshot":
                self.snapshots.append(line.recv_ns)

    def instrument(self, symbol: str) -> Instrument:
        if not self.snapshots:
            raise BadInput(f"no depth snapshot for {symbol} in {self.path}: the book cannot be built")
        scale = Scale(self._prices.value(), self._sizes.value())
        if not scale.tick_e9 or not scale.lot_e9 or self.first_ns is None:
            raise BadInput(f"no price and quantity for {symbol} in {self.path}")
        return Instrument(
            symbol, scale, self.first_ns, self.last_ns, self.frames, tuple(sorted(self.snapshots))
        )


class _Divisor:
    """The greatest common divisor of many decimal texts, in 1e-9; most texts repeat."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._value_e9 = 0

    def add(self, texts: tuple[str, ...]) -> None:
        self._texts.update(texts)
        if len(self._texts) > TEXTS_LIMIT:
            self.value()

    def value(self) -> int:
        for text in self._texts:
            try:
                self._value_e9 = gcd(self._value_e9, e9(text))
            except BadFrame:
                continue  # one bad text does not change the tick; its frame is parked by the collector
        self._texts.clear()
        return self._value_e9
