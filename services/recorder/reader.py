"""Reading back what the recorder wrote: which files there are, and their entries in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from services.recorder.layout import folder_of, in_order, label_of
from shared.errors import BadInput
from shared.streams import Stream, format_id

BATCH_ROWS = 4096


def files(root: Path, run_id: str, stream: Stream, symbol: str = "") -> list[Path]:
    """The finished files of one stream under `root` (the setting `record_dir`), in the order of their ids."""
    return files_of(root / run_id, label_of(stream, symbol))


def files_of(run_root: Path, label: str) -> list[Path]:
    """The same by label, which is also how health is found (`health:features:0`)."""
    return [Path(path) for path in in_order((run_root / folder_of(label)).glob("date=*/part-*.parquet"))]


def read(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """(id, bytes) of every entry. Raises BadInput where ids do not rise from entry to entry, across files
    too: an entry can then not come twice."""
    last = (-1, -1)
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=["id_ms", "id_n", "d"]):
                columns = (batch.column(name).to_pylist() for name in ("id_ms", "id_n", "d"))
                for ms, n, data in zip(*columns, strict=True):
                    if (ms, n) <= last:
                        raise BadInput(f"{path}: id {format_id(ms, n)} does not follow {format_id(*last)}")
                    last = (ms, n)
                    yield format_id(ms, n), data


def last_id(path: Path) -> str:
    """The last id in one file, read from its last row group alone."""
    with pq.ParquetFile(path) as file:
        group = file.read_row_group(file.num_row_groups - 1, columns=["id_ms", "id_n"])
    return format_id(group.column("id_ms")[-1].as_py(), group.column("id_n")[-1].as_py())
