"""Many small files of a closed day into few.

A pack appears at once and takes the place of its parts by its name alone (see `layout`): from then on a
listing counts the pack and not the parts, and it does not matter when the parts are removed. They stay a
while, for readers that listed the folder before; whoever comes too late for a part reads on in the pack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from services.recorder.columns import SCHEMA
from services.recorder.layout import first_id_of, in_order, pack_name, pack_range
from services.recorder.part import writer
from services.recorder.place import Draft, Place
from services.recorder.reader import last_id, opened
from shared.errors import BadInput
from shared.streams import parse_id

PACK_BYTES = 64_000_000  # of a pack, compressed: it is held in memory where it is uploaded
GROUP_BYTES = 8_000_000  # of a row group, before compression
BATCH_ROWS = 4096


def groups(files: Sequence[Place], pack_bytes: int = PACK_BYTES) -> list[list[Place]]:
    """Which files of one day (in order, packs among them) are to be packed together: neighbors, at least two,
    up to `pack_bytes`. Packs stay as they are."""
    out: list[list[Place]] = [[]]
    size = 0
    for path in files:
        more = path.stat().st_size
        if pack_range(path.name) is not None:
            out.append([])
            continue
        if not out[-1] or size + more > pack_bytes:
            out.append([])
            size = 0
        out[-1].append(path)
        size += more
    return [group for group in out if len(group) > 1]


def pack(parts: Sequence[Place], is_stopped: Callable[[], bool] = lambda: False) -> Place | None:
    """Write one file with the entries of `parts`, which follow each other. Returns it, or None where it was
    told to stop. Raises BadInput where a part cannot be read or does not follow the one before it; the
    parts are left as they are in any case."""
    end = _check_order(parts)
    first = first_id_of(parts[0].name)
    assert first is not None
    draft = Draft(parts[0].parent / pack_name(first, end))
    try:
        rows = _write(draft, parts, is_stopped)
        wanted = sum(_rows_in(path) for path in parts)
        if is_stopped():
            return None
        if rows != wanted:
            raise BadInput(f"{parts[0].parent}: {rows} entries of {wanted} could be packed")
        draft.publish()
    finally:
        draft.drop()
    return draft.final


def _write(draft: Draft, parts: Sequence[Place], is_stopped: Callable[[], bool]) -> int:
    rows = 0
    with writer(draft) as sink:
        for group in _row_groups(parts):
            if is_stopped():
                break
            sink.write_table(group, row_group_size=len(group))
            rows += len(group)
    return rows


def _row_groups(parts: Sequence[Place]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    size = 0
    for path in parts:
        file = opened(path)
        try:
            for batch in file.iter_batches(BATCH_ROWS):
                held.append(batch)
                size += batch.nbytes
                if size >= GROUP_BYTES:
                    yield _joined(held)
                    held, size = [], 0
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{path}: not readable as Parquet: {error}") from error
        finally:
            file.close(force=True)
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.Table:
    # Each file has a dictionary of its own for the kinds.
    return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().cast(SCHEMA)


def _check_order(parts: Sequence[Place]) -> str:
    """The last id of all. Raises BadInput where files overlap: that is for a person to look at."""
    end = "0-0"
    for path in in_order(parts):
        first = first_id_of(path.name)
        assert first is not None
        if parse_id(first) <= parse_id(end):
            raise BadInput(f"{path}: begins at {first}, and the file before it ends at {end}")
        end = last_id(path)
    return end


def _rows_in(path: Place) -> int:
    file = opened(path)
    try:
        return int(file.metadata.num_rows)
    finally:
        file.close(force=True)
