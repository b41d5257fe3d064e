"""A raw archive through the collector's own core: the market stream again, entry by entry and id by id.

The files of one symbol, in order of their names, are one capture in sequence. Everything that the live core
was told is in them: frames with their final stamps, snapshots, lost and silent sockets, and where the stream
stood.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path

import msgspec

from services.collector import notes
from services.collector.core import CollectorCore
from services.collector.feed import Out, Output
from services.collector.notes import Begin, Dropped, Lost, Stale, Start
from shared.compressed import BROKEN, opened
from shared.errors import BadFrame, BadInput
from shared.units import Scale


class _Line(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_line = msgspec.json.Decoder(_Line)


def rerun(files: Iterable[Path], counts: MutableMapping[str, int] | None = None) -> Iterator[Out]:
    """The entries that were published while `files` of one symbol were written; `counts` receives the core's
    totals. Raises BadInput, with file and line, for a file that is no raw archive of ours, is cut, or says
    that lines of it are missing."""
    counts = defaultdict(int) if counts is None else counts
    core: CollectorCore | None = None
    symbol = ""
    for path in files:
        for number, recv_ns, text in _lines(path):
            where = f"{path}, line {number}"
            line = _decoded(where, text)
            if line.stream == notes.STREAM:
                note = notes.decode(line.data)
                if isinstance(note, Start):
                    symbol, resume = note.symbol, note.resume
                    scale = Scale(note.tick_e9, note.lot_e9)
                    core = CollectorCore({symbol: scale}, counts, {symbol: resume} if resume else None)
                    continue
                if isinstance(note, Dropped):
                    raise BadInput(f"{where}: the archive lost lines here; what follows cannot be derived")
            if core is None:
                raise BadInput(f"{where}: no note of a collector's start stands before this")
            try:
                outputs = _told(core, symbol, recv_ns, line, text)
            except BadFrame as error:
                raise BadInput(f"{where}: {error}") from error
            yield from (output for output in outputs if isinstance(output, Out))


def _told(core: CollectorCore, symbol: str, recv_ns: int, line: _Line, text: bytes) -> list[Output]:
    """Tell the core what one line says."""
    if not line.stream:
        return core.snapshot(recv_ns, symbol, text)
    if line.stream != notes.STREAM:
        return core.frame(recv_ns, line.stream, bytes(line.data))
    note = notes.decode(line.data)
    if isinstance(note, Begin):
        return core.begin(recv_ns)
    if isinstance(note, Lost):
        return core.lost(recv_ns, note.what, note.reason)
    if isinstance(note, Stale):
        return core.stale(recv_ns, symbol, note.kind, note.reason)
    return core.tick(recv_ns)


def _decoded(where: str, text: bytes) -> _Line:
    try:
        return _line.decode(text)
    except msgspec.MsgspecError as error:
        raise BadInput(f"{where}: {error}") from error


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    number = 0
    try:
        with opened(path) as file:
            for number, line in enumerate(file, 1):
                stamp, _, text = line.rstrip(b"\n").partition(b" ")
                if not stamp.isdigit() or not text:
                    raise BadInput(
                        f"{path}, line {number}: begins {line[:40]!r}, not with nanoseconds and a blank"
                    )
                yield number, int(stamp), text
    except BROKEN as error:
        raise BadInput(f"{path}, after line {number}: cut or broken: {error}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
