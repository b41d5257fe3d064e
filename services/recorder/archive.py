"""All files of one run: which are open, which end, and from where to go on after a crash.

The last id in a file with a final name is the only memory: what had not got that far is read from Redis
again, so a kill -9 at any moment loses nothing and writes nothing twice.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from services.recorder.core import UNKNOWN_KIND, Limits, to_row
from services.recorder.layout import TEMPORARY_SUFFIX, folder_of
from services.recorder.part import Part
from services.recorder.reader import files_of, last_id
from shared.errors import BadSetting
from shared.streams import ZERO_ID

Entry = tuple[bytes, bytes]
LOCK_NAME = ".lock"


class Archive:
    """The Parquet files of one run under `root`. One process at a time: a second one raises BadSetting."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self.root = root
        self.limits = limits
        self.safe: dict[str, str] = {}  # label -> last id in a file with a final name: may be trimmed
        self.seen: dict[str, str] = {}  # label -> last id read
        self.entries = 0
        self.unreadable = 0  # entries whose bytes are no message; they are archived all the same
        self.files = 0
        self._parts: dict[str, Part] = {}
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(root / LOCK_NAME, os.O_WRONLY | os.O_CREAT, 0o644)
        except OSError as error:
            raise BadSetting(f"LOBFLOW_RECORD_DIR: cannot write to {root}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise BadSetting(f"LOBFLOW_RECORD_DIR: another recorder is at work in {root}") from error
        for leftover in root.rglob(f".part-*{TEMPORARY_SUFFIX}"):
            leftover.unlink()

    def resume(self, label: str) -> bytes:
        """The id after which to read `label`: the last that is safe, `0-0` where nothing is."""
        found = files_of(self.root, label)
        safe = last_id(found[-1]) if found else ZERO_ID
        self.safe[label] = self.seen[label] = safe
        return safe.encode()

    def add(self, label: str, entries: Sequence[Entry], now_s: float) -> None:
        """Take entries of `label`, in the order of their ids and each once. `now_s` is any steady clock."""
        part = self._parts.get(label)
        for entry_id, data in entries:
            row = to_row(entry_id, data)
            if part is not None and not part.extent.takes(row, self.limits):
                self._finish(label)
                part = None
            if part is None:
                part = self._parts[label] = Part(self.root / folder_of(label), row, now_s)
            part.add(row)
            self.unreadable += row.kind == UNKNOWN_KIND
            if part.extent.pending_bytes >= self.limits.group_bytes:
                part.write_group()
        if entries:
            self.entries += len(entries)
            self.seen[label] = entries[-1][0].decode()

    def end_due(self, now_s: float) -> None:
        """Finish the files that have been open long enough, also of streams that have gone quiet."""
        for label, part in list(self._parts.items()):
            if part.extent.is_due(now_s, self.limits):
                self._finish(label)

    def _finish(self, label: str) -> None:
        part = self._parts.pop(label)
        part.finish()
        self.files += 1
        self.safe[label] = part.extent.last_id

    def positions(self) -> dict[str, str]:
        """For health: what is safe under the stream's label, what has been read under `seen <label>`."""
        return self.safe | {f"seen {label}": last for label, last in self.seen.items()}

    def close(self) -> None:
        """Finish every file."""
        for label in list(self._parts):
            self._finish(label)

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error the open files stay unfinished: their entries are read again at the next start.
        if kind is None:
            self.close()
        os.close(self._lock)
