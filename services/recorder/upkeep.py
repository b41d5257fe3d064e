"""What is done to closed days: packed, and dropped when they are old or too much. A day of a stream is closed
when the stream has a file of a later day.

May be killed at any moment: a pack takes the place of its parts at once, and a day that is dropped is marked
so in its ledger first and goes file by file, the oldest first; the next round does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.recorder.days import date_of_file, load
from services.recorder.keep import Held, Keep, to_drop
from services.recorder.layout import folder_of, in_order, ledger_name, superseded
from services.recorder.ledger import encode
from services.recorder.pack import groups, pack
from services.recorder.place import Place, replace
from services.recorder.reader import labels
from shared.errors import BadInput

GRACE_SECONDS = 120.0  # parts stay this long beside their pack: no listing takes as long


class Done(NamedTuple):
    """Totals of one round."""

    packed: int  # files that a pack has taken the place of
    removed: int  # such files that were removed
    dropped: int  # files dropped by age or size
    problems: tuple[str, ...]  # days that cannot be packed, each told once


class Upkeep:
    """The rounds over one run's folder. `is_stopped` ends a round early, at no harm."""

    def __init__(
        self, root: Place, keep: Keep, is_stopped: Callable[[], bool], grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self.root = root
        self.keep = keep
        self._is_stopped = is_stopped
        self._grace_seconds = grace_seconds
        self._seen: dict[str, float] = {}  # folder -> when its superseded parts were first seen
        self._broken: set[str] = set()  # folders that could not be packed

    def round(self, now_s: float) -> Done:
        """Look once at every closed day. `now_s` is any steady clock."""
        packed = removed = dropped = 0
        problems = []
        days = self._days()
        newest = {label: date for label, date in sorted(days)}
        doomed = {
            (day.label, day.date)
            for day in to_drop(
                [Held(date, label, _size(paths)) for (label, date), paths in days.items()], self.keep
            )
        }
        for (label, date), paths in sorted(days.items(), key=lambda row: (row[0][1], row[0][0])):
            if self._is_stopped():
                break
            if (label, date) in doomed:
                dropped += self._drop(label, date, paths)
            elif date != newest[label]:
                try:
                    packed += self._pack(paths)
                except BadInput as error:
                    self._broken.add(str(paths[0].parent))
                    problems.append(str(error))
                removed += self._remove(paths, now_s)
        return Done(packed, removed, dropped, tuple(problems))

    def _days(self) -> dict[tuple[str, str], list[Place]]:
        out: dict[tuple[str, str], list[Place]] = {}
        for label in labels(self.root):
            found: list[Place] = list((self.root / str(folder_of(label))).glob("date=*/p*.parquet"))
            for path in found:
                out.setdefault((label, date_of_file(path)), []).append(path)
        return out

    def _pack(self, paths: list[Place]) -> int:
        if str(paths[0].parent) in self._broken:
            return 0
        count = 0
        for group in groups(in_order(paths)):
            if pack(group, self._is_stopped) is None:
                break
            count += len(group)
        return count

    def _remove(self, paths: list[Place], now_s: float) -> int:
        """Remove the parts that packs have taken the place of, once they have been so for long enough."""
        folder = str(paths[0].parent)
        gone = superseded(paths)
        if not gone:
            self._seen.pop(folder, None)
            return 0
        if now_s - self._seen.setdefault(folder, now_s) < self._grace_seconds:
            return 0
        for path in gone:
            path.unlink()
        return len(gone)

    def _drop(self, label: str, date: str, paths: list[Place]) -> int:
        stream, _, rest = label.partition(":")
        symbol = rest.strip("{}")
        if stream == "market" and (page := load(self.root, symbol, date)) is not None:
            page = msgspec.structs.replace(page, is_dropped=True)
            replace(self.root / str(ledger_name(symbol, date)), encode(page))
        for path in [*superseded(paths), *in_order(paths)]:
            path.unlink()
        if isinstance(paths[0], Path):  # an object store has no folders
            paths[0].parent.rmdir()
        return len(paths)


def _size(paths: list[Place]) -> int:
    return sum(path.stat().st_size for path in paths)
