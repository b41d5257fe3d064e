"""The lines of a recorded file: their time, symbol and kind, without reading further than that needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.compressed import BROKEN, opened
from shared.errors import BadInput

NOTE = "!lobflow"  # stream of the notes that our collector leaves in its raw archive; no frames of the venue
KINDS = {
    "depthUpdate": "depth",
    "bookTicker": "bookTicker",
    "aggTrade": "aggTrade",
    "markPriceUpdate": "markPrice",
    "trade": "trade",
}
_HEADS = {f'{{"e":"{name}"'.encode(): kind for name, kind in KINDS.items()}  # as the venue writes them


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


_frame = msgspec.json.Decoder(_Frame)
_head = msgspec.json.Decoder(_Head)


def read(path: Path) -> Iterator[Line]:
    """The lines of one file, each with its symbol and kind."""
    own_symbol = _first_symbol(path)
    names: dict[str, str] = {}  # stream -> symbol
    is_single = True
    unnamed_snapshot: int | None = None
    for number, recv_ns, text in _numbered(path):
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
            yield Line(recv_ns, own_symbol, "other", text)
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


def _kind(stream: str, data: bytes) -> str:
    kind = _HEADS.get(data[: data.find(b",")])
    if kind is not None:
        return kind
    try:
        name = _head.decode(data).e or stream.partition("@")[2]  # spot's bookTicker names no event
        return KINDS.get(name, "other")
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
        with opened(path) as file:
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
    except BROKEN as error:
        kind = "zstd" if path.suffix == ".zst" else "gzip"
        raise BadInput(f"{path}, after line {number}: the {kind} data is cut or broken: {error}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    if number == 0:
        raise BadInput(f"{path}: is empty")
