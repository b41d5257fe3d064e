"""Raw captures written: per symbol one gzip file of `<recv_ns> <frame>` lines, which everything else reads.

Time never goes back in a capture: a line stamped before the last one is restamped to it. A depth snapshot
that precedes the first diff is put behind it, because whoever plays the capture asks for one when a diff has
come.
"""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from research.imports.frames import wrapped
from services.venue.lines import Line
from services.venue.survey import Survey
from shared.units import SECOND

GZIP_LEVEL = 3  # twice as fast as the default for a tenth more bytes


class Capture:
    """One symbol's capture while it is written to `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.survey = Survey(path)
        self.kinds: Counter[str] = Counter()
        self.restamped = 0
        self._file = cast(IO[bytes], gzip.open(path, "wb", compresslevel=GZIP_LEVEL))  # noqa: SIM115
        self._last_ns = 0
        self._held: Line | None = None

    def add(self, line: Line) -> None:
        """Write one more line."""
        if line.kind == "snapshot" and not self.kinds["depth"]:
            self._held = line
            return
        self._write(line)
        if line.kind == "depth" and self._held is not None:
            held, self._held = self._held, None
            self._write(held)

    def _write(self, line: Line) -> None:
        if line.recv_ns < self._last_ns:
            self.restamped += 1
            line = line._replace(recv_ns=self._last_ns)
        self._last_ns = line.recv_ns
        self.kinds[line.kind] += 1
        self.survey.add(line)
        self._file.write(wrapped(line))

    def close(self) -> None:
        """Finish the file. A snapshot that no diff came to is written all the same."""
        if self._held is not None:
            self._write(self._held)
            self._held = None
        self._file.close()

    @property
    def name(self) -> str:
        """The name to keep it under, after the time of its first line."""
        moment = datetime.fromtimestamp(self.survey.first_ns // SECOND, UTC)
        return f"{self.path.stem}_{moment:%Y%m%dT%H%M%S}.gz"


class Captures:
    """The captures of all symbols, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.by_symbol: dict[str, Capture] = {}

    def add(self, line: Line) -> None:
        """Write one more line to its symbol's capture."""
        capture = self.by_symbol.get(line.symbol)
        if capture is None:
            path = self._folder / f"{line.symbol.lower()}.gz"
            capture = self.by_symbol[line.symbol] = Capture(path)
        capture.add(line)

    def __enter__(self) -> Captures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for capture in self.by_symbol.values():
            capture.close()
