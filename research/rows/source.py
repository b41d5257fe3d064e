"""What rows are made from: a recorder's folders or raw recordings, one symbol of them, entry by entry."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from research.breaks import Breaks
from research.labels import Ints
from research.market import played
from services.recorder.inventory import rows_in
from services.recorder.layout import label_of
from services.recorder.place import Place
from services.recorder.reader import files_of, read
from services.venue.recording import scan
from shared import codec
from shared.errors import BadInput
from shared.messages import Lob, Market, Message
from shared.streams import Stream

PIECE = 1 << 20  # bytes hashed at once
EVERY = 5000  # entries between two reports

Progress = Callable[[str, float], None]  # (what, share done; 0 where it is not known)
Entries = Iterator[tuple[str, Message]]


class Origin(NamedTuple):
    """One symbol of some recordings."""

    symbol: str
    paths: tuple[Path, ...]  # recorder's folders, or raw files that are one capture in sequence
    files: tuple[Place, ...]  # all that is read

    def digest(self, progress: Progress) -> str:
        """sha256 over names and bytes of all files."""
        total = hashlib.sha256()
        for number, path in enumerate(self.files):
            progress("hashing the recordings", number / len(self.files))
            one = hashlib.sha256()
            with path.open("rb") as stream:
                while piece := stream.read(PIECE):
                    one.update(piece)
            total.update(f"{path.name} {one.hexdigest()}\n".encode())
        return total.hexdigest()

    def entries(self, progress: Progress) -> Entries:
        """(id, market entry), in the order of the stream."""
        if self.paths[0].is_dir():
            return self._recorded(progress)
        return self._raw(progress)

    def _recorded(self, progress: Progress) -> Entries:
        total = sum(map(rows_in, self.files))
        for number, (entry_id, data) in enumerate(read(self.files)):
            if number % EVERY == 0:
                progress(f"rows of {self.symbol}", number / total)
            yield entry_id, codec.decode(data)

    def _raw(self, progress: Progress) -> Entries:
        instruments = scan(self.paths)
        from_ns = min(row.first_ns for row in instruments.values())
        span_ns = max(1, max(row.last_ns for row in instruments.values()) - from_ns)
        number = 0
        for symbol, entry_id, message in played(self.paths, instruments, defaultdict(int)):
            if symbol != self.symbol:
                continue
            if number % EVERY == 0 and isinstance(message, Market):
                progress(f"rows of {self.symbol}", min(1.0, (message.recv_ns - from_ns) / span_ns))
            number += 1
            yield entry_id, message


def origin(paths: Sequence[Path], symbol: str | None = None) -> Origin:
    """The symbol's part of `paths`. Raises BadInput where it is missing, or where several are and none is
    named."""
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path}: no such file or folder")
    folders = [path for path in paths if path.is_dir()]
    if not paths or (folders and len(folders) < len(paths)):
        raise BadInput("give raw recordings or a recorder's folder, not both")
    found = _symbols(folders) if folders else sorted(scan(paths))
    if not found:
        raise BadInput(f"{', '.join(str(path) for path in paths)}: no market data")
    if symbol is None and len(found) > 1:
        raise BadInput(f"the data hold {', '.join(found)}; name one with --symbol")
    chosen = found[0] if symbol is None else symbol
    if chosen not in found:
        raise BadInput(f"the data hold no {chosen}, only {', '.join(found)}")
    files: tuple[Place, ...] = tuple(paths)
    if folders:
        label = label_of(Stream.MARKET, chosen)
        files = tuple(path for folder in folders for path in files_of(folder, label))
    return Origin(chosen, tuple(paths), files)


def _symbols(folders: Sequence[Path]) -> list[str]:
    places = (place for folder in folders for place in (folder / "stream=market").glob("symbol=*"))
    return sorted({place.name.removeprefix("symbol=") for place in places})


class Passage:
    """Looks at entries on their way to the features and keeps what rows need besides."""

    def __init__(self) -> None:
        self.count = 0
        self.from_ns: int | None = None  # of the first entry, None before it
        self.until_ns = 0  # of the last entry so far
        self._digest = hashlib.sha256()
        self._breaks = Breaks()
        self._seen = 0  # breaks so far
        self._before: list[int] = []  # breaks before each Lob since `take`
        self._breaks_ns: list[int] = []  # since `take`

    def through(self, entries: Entries) -> Entries:
        """The same entries. Raises BadInput for what is no market entry."""
        for entry_id, message in entries:
            is_broken = self._breaks.follow(message)
            assert isinstance(message, Market)
            if is_broken:
                self._seen += 1
                self._breaks_ns.append(message.recv_ns)
            if isinstance(message, Lob):
                self._before.append(self._seen)
            if self.from_ns is None:
                self.from_ns = message.recv_ns
            self.until_ns = message.recv_ns
            self.count += 1
            self._digest.update(entry_id.encode())
            self._digest.update(codec.encode(message))
            yield entry_id, message

    def take(self) -> tuple[Ints, Ints]:
        """Of the entries since the last call: breaks before each Lob, and the times of the breaks."""
        before, breaks_ns = np.array(self._before, np.int64), np.array(self._breaks_ns, np.int64)
        self._before, self._breaks_ns = [], []
        return before, breaks_ns

    @property
    def sha256(self) -> str:
        """Of all entries so far, as `research.dataset` counts it."""
        return self._digest.hexdigest()
