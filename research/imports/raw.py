"""Raw captures, `<recv_ns> <frame>` a line, as hftbacktest's collectors and our own write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from research.imports.reading import Reading
from research.imports.recorded import Frames
from research.imports.values import time_ns
from services.venue.lines import Line
from shared.errors import BadFrame


def read(paths: Sequence[Path], symbol: str | None, reading: Reading) -> Iterator[Line]:
    """The frames of several files, one capture in sequence."""
    for path in paths:
        frames = Frames(path, symbol)
        for number, text in reading.lines(path):
            stamp, _, frame = text.partition(b" ")
            try:
                if not stamp.isdigit() or not frame:
                    raise BadFrame("does not begin with nanoseconds and a blank")
                line = frames.line(time_ns(stamp.decode()), frame, number)
            except BadFrame as error:
                reading.skips.add(str(error), path, number)
                continue
            if reading.wants(line.symbol):
                yield line
