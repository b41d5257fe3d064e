"""All files of one run: which are open, which end, and from where to go on after a crash.

The last id in a file with a final name is the only memory: what had not got that far is read from Redis
again, so a kill -9 at any moment loses nothing and writes nothing twice. The ledgers of market streams are
written after the files they speak of, and catch up at the next start.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from services.recorder.core import UNKNOWN_KIND, Limits, row_of, to_message
from services.recorder.days import Days
from services.recorder.layout import folder_of, label_of
from services.recorder.lock import FolderLock
from services.recorder.part import Part
from services.recorder.place import TEMPORARY_SUFFIX, Place
from services.recorder.reader import files_of, last_id
from shared.streams import ZERO_ID, Stream, format_id, parse_id

Entry = tuple[bytes, bytes]
MARKET = label_of(Stream.MARKET, "X").partition("{")[0]


class Archive:
    """The Parquet files of one run under `root`. One process at a time: a second one raises BadSetting."""

    def __init__(self, root: Place, limits: Limits) -> None:
        self.root = root
        self.limits = limits
        self.safe: dict[str, str] = {}  # label -> last id in a file with a final name: may be trimmed
        self.seen: dict[str, str] = {}  # label -> last id read
        self.entries = 0
        self.duplicates = 0  # entries that came again, under ids not above the last; they are not taken
        self.unreadable = 0  # entries whose bytes are no message; they are archived all the same
        self.files = 0
        self._parts: dict[str, Part] = {}
        self._days: dict[str, Days] = {}  # of market streams, by label
        self._lock = FolderLock(root)
        for leftover in root.rglob(f".*{TEMPORARY_SUFFIX}"):
            leftover.unlink()

    def resume(self, label: str) -> bytes:
        """The id after which to read `label`: the last that is safe, `0-0` where nothing is."""
        found = files_of(self.root, label)
        safe = last_id(found[-1]) if found else ZERO_ID
        self.safe[label] = self.seen[label] = safe
        if label.startswith(MARKET):
            days = self._days[label] = Days(self.root, label.removeprefix(MARKET).strip("{}"))
            days.resume(found)
        return safe.encode()

    def add(self, label: str, entries: Sequence[Entry], now_s: float) -> None:
        """Take entries of `label`, in the order of their ids. `now_s` is any steady clock."""
        part = self._parts.get(label)
        days = self._days.get(label)
        last = parse_id(self.seen.get(label, ZERO_ID))
        for entry_id, data in entries:
            message = to_message(data)
            row = row_of(entry_id, data, message)
            if (row.id_ms, row.id_n) <= last:
                self.duplicates += 1
                if days is not None:
                    days.drop_duplicate()
                continue
            last = row.id_ms, row.id_n
            if part is not None and not part.extent.takes(row, self.limits):
                self._finish(label)
                part = None
            if part is None:
                part = self._parts[label] = Part(self.root / str(folder_of(label)), row, now_s)
            part.add(row)
            if days is not None:
                days.add(row.id_ms, row.entry_id, message)
            self.entries += 1
            self.unreadable += row.kind == UNKNOWN_KIND
            if part.extent.pending_bytes >= self.limits.group_bytes:
                part.write_group()
        if entries:
            self.seen[label] = format_id(*last)
        if self.held_bytes > self.limits.held_bytes:
            max(self._parts.values(), key=lambda part: part.extent.pending_bytes).write_group()

    def end_due(self, now_s: float) -> None:
        """Finish the files that have been open long enough, also of streams that have gone quiet."""
        for label, part in list(self._parts.items()):
            if part.extent.is_due(now_s, self.limits):
                self._finish(label)

    def _finish(self, label: str) -> None:
        part = self._parts.pop(label)
        part.finish()
        self.files += 1
        if (days := self._days.get(label)) is not None:
            days.write()
        self.safe[label] = part.extent.last_id

    @property
    def held_bytes(self) -> int:
        """What is held in memory of entries, before compression."""
        return sum(part.extent.pending_bytes for part in self._parts.values())

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
        try:
            if kind is None:
                self.close()
        finally:
            for part in self._parts.values():
                part.abandon()
            self._lock.release()
