"""What a folder of recordings holds: runs, streams, symbols, days, files, without reading an entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from services.recorder.days import date_of_file
from services.recorder.place import Place
from services.recorder.reader import files_of, labels, opened
from shared.errors import BadInput


class Day(NamedTuple):
    """The files of one stream of one day. `files` are in the order of their ids."""

    run: str
    label: str
    stream: str
    symbol: str  # empty for streams without; service and instance of health
    date: str
    files: list[Place]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def entries(self) -> int:
        """Entries in all files, from what the files say of themselves."""
        return sum(rows_in(path) for path in self.files)


def runs(folder: Place) -> list[Place]:
    """The folders of the runs in `folder`: itself, or those below it. Raises BadInput where there is none."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    below: list[Place] = [folder] if _is_run(folder) else list(folder.iterdir())
    found = sorted(filter(_is_run, below), key=str)
    if not found:
        raise BadInput(f"{folder}: no recording there: neither stream=... nor a folder with it")
    return found


def days(run: Place, symbol: str | None = None) -> Iterator[Day]:
    """All days of all streams of a run, of one symbol where it is named."""
    for label in labels(run):
        stream, _, rest = label.partition(":")
        of = rest.strip("{}")
        if symbol is not None and of != symbol:
            continue
        by_date: dict[str, list[Place]] = {}
        for path in files_of(run, label):
            by_date.setdefault(date_of_file(path), []).append(path)
        for date, paths in sorted(by_date.items()):
            yield Day(run.name, label, stream, of, date, paths)


def rows_in(path: Place) -> int:
    """How many entries one file holds."""
    file = opened(path)
    try:
        count: int = file.metadata.num_rows
    finally:
        file.close(force=True)
    return count


def _is_run(folder: Place) -> bool:
    return folder.is_dir() and any(True for _ in folder.glob("stream=*"))
