"""Frames that somebody recorded as they came: the venue's own text, whatever stands in front of it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from research.imports.reading import symbol_of
from services.venue.lines import Line, kind_of
from shared.errors import BadFrame, BadInput


class _Outer(msgspec.Struct):
    """A combined frame, a bare one, or a depth answer."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    e: str = ""
    s: str = ""
    lastUpdateId: int | None = None
    symbol: str = ""


_outer = msgspec.json.Decoder(_Outer)


class Frames:
    """The frames of one file. A depth answer without symbol belongs to the symbol of the file (`symbol`, else
    that of its first frame), if it holds only one: update ids are shared by all symbols, so a wrong guess
    would make a wrong book."""

    def __init__(self, path: Path, symbol: str | None) -> None:
        self.path = path
        self.symbol = symbol
        self._seen: set[str] = set()
        self._unnamed: int | None = None  # line of a depth answer without symbol

    def line(self, recv_ns: int, text: bytes, number: int) -> Line:
        """One frame. Raises BadFrame, with a reason, for what is no market data that is used here."""
        try:
            outer = _outer.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadFrame("no JSON of a frame") from error
        if outer.lastUpdateId is not None:
            if not outer.symbol:
                self._unnamed = number
            symbol = outer.symbol or self.symbol
            if symbol is None:
                raise BadFrame("a depth answer without symbol, before any frame")
            self._check(symbol)
            return Line(recv_ns, symbol, "snapshot", text)
        stream_symbol, mark, stream = outer.stream.partition("@")
        if not mark and not outer.s:
            raise BadFrame("no frame of a stream")
        data = bytes(outer.data) if outer.data else text
        kind = kind_of(outer.stream, data)
        if kind == "other":
            raise BadFrame(f"{(stream or outer.e)[:30]}: a stream that is not used")
        symbol = symbol_of(stream_symbol or outer.s)
        self.symbol = self.symbol or symbol
        self._check(symbol)
        return Line(recv_ns, symbol, kind, data)

    def _check(self, symbol: str) -> None:
        self._seen.add(symbol)
        if self._unnamed is not None and len(self._seen) > 1:
            raise BadInput(
                f"{self.path}, line {self._unnamed}: a depth snapshot without `symbol`, but several symbols"
            )
