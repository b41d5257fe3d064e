"""Reading back what the recorder wrote: which files there are, and their entries in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from services.recorder.layout import first_id_of, folder_of, in_order, label_in, label_of, pack_range
from services.recorder.place import Place
from shared.errors import BadInput
from shared.streams import Stream, format_id, parse_id

BATCH_ROWS = 4096
COLUMNS = ("id_ms", "id_n", "d")


def files(root: Place, run_id: str, stream: Stream, symbol: str = "") -> list[Place]:
    """The finished files of one stream under `root` (the setting `record_dir`), in the order of their ids."""
    return files_of(root / run_id, label_of(stream, symbol))


def files_of(run_root: Place, label: str) -> list[Place]:
    """The same by label, which is also how health is found (`health:features:0`)."""
    found: list[Place] = list((run_root / str(folder_of(label))).glob("date=*/p*.parquet"))
    return in_order(found)


def labels(run_root: Place) -> list[str]:
    """The labels that have a folder in a run, sorted."""
    found = set()
    for pattern, depth in (("stream=*/symbol=*", 2), ("stream=health/service=*/instance=*", 3)):
        for folder in run_root.glob(pattern):
            found.add(label_in(_tail(folder, depth)))
    return sorted(found)


def read(paths: Iterable[Place]) -> Iterator[tuple[str, bytes]]:
    """(id, bytes) of every entry. Raises BadInput where ids do not rise from entry to entry, across files
    too: an entry can then not come twice.

    Files may be packed while they are read: where a part is gone and a pack has taken its place, reading goes
    on there.
    """
    last = (-1, -1)
    packed = (-1, -1)  # the last id of the pack that took the place of files read here
    for path in paths:
        first = first_id_of(path.name)
        if first is not None and parse_id(first) <= packed:
            continue
        try:
            file = opened(path)
        except FileNotFoundError:
            path, packed = _stand_in(path)
            rows = _after(last, entries(path))
        else:
            rows = _rows(path, file)
        for entry_id, data in rows:
            at = parse_id(entry_id)
            if at <= last:
                raise BadInput(f"{path}: id {entry_id} does not follow {format_id(*last)}")
            last = at
            yield entry_id, data


def entries(path: Place) -> Iterator[tuple[str, bytes]]:
    """(id, bytes) of every entry of one file, as they lie there."""
    return _rows(path, opened(path))


def opened(path: Place) -> pq.ParquetFile:
    """One file. Raises BadInput where it is no Parquet file of ours, FileNotFoundError where it is gone."""
    stream = path.open("rb")
    try:
        file = pq.ParquetFile(stream)
        missing = {"id_ms", "id_n", "kind", "d"} - set(file.schema_arrow.names)
        if missing:
            raise BadInput(f"{path}: no file of the recorder: no column {', '.join(sorted(missing))}")
    except (pa.ArrowException, OSError, BadInput) as error:
        stream.close()
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: not readable as Parquet: {_one_line(error)}") from error
    return file


def last_id(path: Place) -> str:
    """The last id in one file, read from its last row group alone."""
    file = opened(path)
    try:
        group = file.read_row_group(file.num_row_groups - 1, columns=["id_ms", "id_n"])
    finally:
        file.close(force=True)
    return format_id(group.column("id_ms")[-1].as_py(), group.column("id_n")[-1].as_py())


def _rows(path: Place, file: pq.ParquetFile) -> Iterator[tuple[str, bytes]]:
    try:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(COLUMNS)):
            columns = (batch.column(name).to_pylist() for name in COLUMNS)
            for ms, n, data in zip(*columns, strict=True):
                yield format_id(ms, n), data
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path}: not readable as Parquet: {_one_line(error)}") from error
    finally:
        file.close(force=True)


def _after(last: tuple[int, int], rows: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    return (row for row in rows if parse_id(row[0]) > last)


def _stand_in(path: Place) -> tuple[Place, tuple[int, int]]:
    """The pack that took the place of `path`, and its last id."""
    first = first_id_of(path.name)
    for other in path.parent.glob("pack-*.parquet"):
        found = pack_range(other.name)
        if first is not None and found is not None and found[0] <= parse_id(first) <= found[1]:
            return other, found[1]
    raise BadInput(f"{path}: no such file; was it dropped while it was to be read?")


def _tail(folder: Place, depth: int) -> PurePath:
    return PurePath(*folder.parts[-depth:])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
