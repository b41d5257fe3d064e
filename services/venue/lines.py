"""The lines of a recorded file: their time, symbol and kind, without reading further than that needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.compressed import BROKEN, opened
from shared.errors import BadInput

OF_ALL = "!"  # begins the name of a stream of all symbols: it is no symbol's
NOTE = "!lobflow"  # stream of the notes that our collector leaves in its raw archive; no frames of the venue
STAMP_DIGITS = 19  # of nanoseconds that fit 64 bits
COARSE = {13: 1_000_000, 16: 1_000}  # by digits: milliseconds and microseconds of the years 2001 to 2286
KINDS = {
    "depthUpdate": "depth",
    "bookTicker": "bookTicker",
    "aggTrade": "aggTrade",
    "markPriceUpdate": "markPrice",
    "trade": "trade",
}
_HEADS = {f'{{"e":"{name}"'.encode(): kind for name, kind in KINDS.items()}  # as the venue writes them


Refused = Callable[[int, str], None]  # told the number of a line and what is wrong with it


class Line(NamedTuple):
    """One line. `data` is the JSON of the inner `data`; of a snapshot or of what is no frame, the whole."""

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
    s: str = ""
    B: msgspec.Raw = msgspec.Raw(b"")
    A: msgspec.Raw = msgspec.Raw(b"")
    lastUpdateId: int | None = None


_frame = msgspec.json.Decoder(_Frame)
_head = msgspec.json.Decoder(_Head)


def read(path: Path, refused: Refused | None = None) -> Iterator[Line]:
    """The lines of one file, each with its symbol and kind.

    Raises BadInput at a line without a time, at one whose time goes back, and at a snapshot that may be of
    any of several symbols; `refused`, where it is given, is told of them instead, and all but those whose
    time goes back are left out.
    """
    own_symbol = _first_symbol(path, refused)
    names: dict[str, str] = {}  # stream -> symbol
    is_single = True
    unnamed_snapshot: int | None = None
    for number, recv_ns, text in _numbered(path, refused):
        try:
            frame = _frame.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield Line(recv_ns, own_symbol, "other", text)
            continue
        if frame.lastUpdateId is not None:
            if frame.symbol:
                yield Line(recv_ns, frame.symbol, "snapshot", text)
                continue
            unnamed_snapshot = number
            if is_single:
                yield Line(recv_ns, own_symbol, "snapshot", text)
        elif frame.stream == NOTE:
            continue
        elif "@" not in frame.stream or frame.stream.startswith(OF_ALL):
            yield _bare(recv_ns, own_symbol, text)
        else:
            symbol = names.get(frame.stream)
            if symbol is None:
                symbol = names[frame.stream] = frame.stream.partition("@")[0].upper()
                is_single = is_single and symbol == own_symbol
            data = bytes(frame.data)
            yield Line(recv_ns, symbol, kind_of(frame.stream, data), data)
        if unnamed_snapshot is not None and not is_single:
            problem = "a depth snapshot without `symbol`, but several symbols"
            _refuse(path, unnamed_snapshot, problem, refused)
            unnamed_snapshot = None


def _bare(recv_ns: int, own_symbol: str, text: bytes) -> Line:
    """A line that names no stream of one symbol: the frame itself, as a socket of one stream sends it, or
    anything."""
    try:
        symbol = _head.decode(text).s
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Line(recv_ns, own_symbol, "other", text)
    return Line(recv_ns, symbol or own_symbol, kind_of("", text) if symbol else "other", text)


def kind_of(stream: str, data: bytes) -> str:
    """The kind of a frame of `stream` (empty where it came without): one of KINDS, `snapshot`, or `other`."""
    name = stream.partition("@")[2].partition("@")[0]
    kind = _HEADS.get(data[: data.find(b",")])
    if kind is None:
        try:
            kind = _by_keys(_head.decode(data), name)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return "other"
    # The best levels of `@depth20` are sent under the names of a diff or a snapshot, and are neither.
    if kind == "depth" and name not in ("", "depth"):
        return "other"
    return "other" if kind == "snapshot" and name.removeprefix("depth").isdigit() else kind


def _by_keys(head: _Head, name: str) -> str:
    if head.e:
        return KINDS.get(head.e, "other")
    if head.lastUpdateId is not None:
        return "snapshot"  # the answer of REST, put under the name of a stream
    if head.B and head.A:
        return "bookTicker"  # spot's names no event
    return KINDS.get(name, "other")


def _first_symbol(path: Path, refused: Refused | None) -> str:
    problems: list[str] = []

    def note(number: int, problem: str) -> None:
        if not problems:
            problems.append(f"; line {number} {problem}")

    for _, _, text in _numbered(path, None if refused is None else note):
        try:
            name, mark, _ = _frame.decode(text).stream.partition("@")
            symbol = name.upper() if mark and not name.startswith(OF_ALL) else _head.decode(text).s
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if symbol:
            return symbol
    raise BadInput(f"{path}: holds no frame of any stream{''.join(problems)}")


def _refuse(path: Path, number: int, problem: str, refused: Refused | None) -> None:
    if refused is None:
        raise BadInput(f"{path}, line {number}: {problem}")
    refused(number, problem)


def _numbered(path: Path, refused: Refused | None) -> Iterator[tuple[int, int, bytes]]:
    """(line number, recv_ns, JSON) of each line; checks that time does not go back. Empty lines are none."""
    number, last_ns = 0, 0
    try:
        with opened(path) as file:
            for number, line in enumerate(file, 1):
                stamp, _, text = line.partition(b" ")
                if not stamp.isdigit() or not text or len(stamp) > STAMP_DIGITS:
                    if not line.isspace():
                        _refuse(
                            path, number, f"begins {line[:40]!r}, not with nanoseconds and a blank", refused
                        )
                    continue
                recv_ns = int(stamp) * COARSE.get(len(stamp), 1)
                if recv_ns < last_ns:
                    _refuse(path, number, f"time goes back from {last_ns} to {recv_ns}", refused)
                last_ns = recv_ns
                yield number, recv_ns, text.rstrip()
    except BROKEN as error:
        kind = "zstd" if path.suffix == ".zst" else "gzip"
        raise BadInput(f"{path}, after line {number}: the {kind} data is cut or broken: {error}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    if number == 0:
        raise BadInput(f"{path}: is empty")
