"""The lines of a recorded file: their time, symbol and kind, without reading further than that needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.compressed import BROKEN, opened
from shared.errors import BadInput

NOTE = "!lobflow"  # stream of the notes that our collector leaves in its raw archive; no frames of the venue
STAMP_DIGITS = 19  # of nanoseconds that fit 64 bits
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


_frame = msgspec.json.Decoder(_Frame)
_head = msgspec.json.Decoder(_Head)


def read(path: Path, refused: Refused | None = None) -> Iterator[Line]:
    """The lines of one file, each with its symbol and kind.

    Raises BadInput at a line without a time and at one whose time goes back; `refused`, where it is given, is
    told of them instead, and the first are left out.
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
            if not frame.symbol:
                unnamed_snapshot = number
            yield Line(recv_ns, frame.symbol or own_symbol, "snapshot", text)
        elif frame.stream == NOTE:
            continue
        elif "@" not in frame.stream:
            yield _bare(recv_ns, own_symbol, text)
        else:
            symbol = names.get(frame.stream)
            if symbol is None:
                symbol = names[frame.stream] = frame.stream.partition("@")[0].upper()
                is_single = is_single and symbol == own_symbol
            data = bytes(frame.data)
            yield Line(recv_ns, symbol, _kind(frame.stream, data), data)
        if unnamed_snapshot is not None and not is_single:
            raise BadInput(
                f"{path}, line {unnamed_snapshot}: a depth snapshot without `symbol`, but several symbols"
            )


def _bare(recv_ns: int, own_symbol: str, text: bytes) -> Line:
    """A line that names no stream: the frame itself, as a socket of one stream sends it, or anything."""
    try:
        head = _head.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Line(recv_ns, own_symbol, "other", text)
    return Line(recv_ns, head.s or own_symbol, KINDS.get(head.e, "other") if head.s else "other", text)


def _kind(stream: str, data: bytes) -> str:
    kind = _HEADS.get(data[: data.find(b",")])
    if kind is None:
        try:
            name = _head.decode(data).e or stream.partition("@")[2]  # spot's bookTicker names no event
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return "other"
        kind = KINDS.get(name, "other")
    if kind == "depth" and stream.split("@")[1] != "depth":
        return "other"  # the best levels of `@depth20` are sent under the same name, and are no diff
    return kind


def _first_symbol(path: Path, refused: Refused | None) -> str:
    for _, _, text in _numbered(path, None if refused is None else lambda number, problem: None):
        try:
            name, mark, _ = _frame.decode(text).stream.partition("@")
            symbol = name.upper() if mark else _head.decode(text).s
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if symbol:
            return symbol
    raise BadInput(f"{path}: holds no frame of any stream")


def _numbered(path: Path, refused: Refused | None) -> Iterator[tuple[int, int, bytes]]:
    """(line number, recv_ns, JSON) of each line; checks that time does not go back."""
    number, last_ns = 0, 0
    try:
        with opened(path) as file:
            for number, line in enumerate(file, 1):
                stamp, _, text = line.partition(b" ")
                if not stamp.isdigit() or not text or len(stamp) > STAMP_DIGITS:
                    problem = f"begins {line[:40]!r}, not with nanoseconds and a blank"
                    if refused is None:
                        raise BadInput(f"{path}, line {number}: {problem}")
                    refused(number, problem)
                    continue
                recv_ns = int(stamp)
                if recv_ns < last_ns:
                    problem = f"time goes back from {last_ns} to {recv_ns}"
                    if refused is None:
                        raise BadInput(f"{path}, line {number}: {problem}")
                    refused(number, problem)
                last_ns = recv_ns
                yield number, recv_ns, text.rstrip()
    except BROKEN as error:
        kind = "zstd" if path.suffix == ".zst" else "gzip"
        raise BadInput(f"{path}, after line {number}: the {kind} data is cut or broken: {error}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    if number == 0:
        raise BadInput(f"{path}: is empty")
