"""Parquet files as rows of text, so that one reader serves both kinds of table.

Binary floats are rounded to nine places, which is what they meant: a double holds any price below a million
closer than that. Nested lists (`bids`, `asks`) become JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared.errors import BadInput

MAGIC = b"PAR1"
BATCH_ROWS = 4_096


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does. Raises BadInput where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4) == MAGIC
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error


def columns(path: Path) -> list[str]:
    """The names of the columns."""
    with _file(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def rows(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[tuple[int, list[str]]]:
    """(row number from 1, values as text) of every row; a missing value is the empty text."""
    number = 0
    with _file(path) as file:
        share = path.stat().st_size / max(1, file.metadata.num_rows)
        try:
            for batch in file.iter_batches(BATCH_ROWS):
                texts = [_texts(column) for column in batch.columns]
                for row in zip(*texts, strict=True):
                    number += 1
                    yield number, list(row)
                if progress is not None:
                    progress(round(batch.num_rows * share))
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{path}, after row {number}: {error}") from error


def _file(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path}: is no whole Parquet file: {error}") from error


def _texts(column: pa.Array) -> list[str]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("ns", kind.tz)).cast(pa.int64())
    elif pa.types.is_float32(kind) or pa.types.is_float16(kind):
        # By way of text: 39432.48 is not 39432.48046875, which is what the narrow float holds.
        column = column.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    if pa.types.is_floating(column.type):
        return ["" if value is None or value != value else _decimal(value) for value in column.to_pylist()]
    if pa.types.is_boolean(kind):
        return ["" if value is None else str(value).lower() for value in column.to_pylist()]
    if pa.types.is_nested(kind):
        return ["" if value is None else json.dumps(value, default=str) for value in column.to_pylist()]
    return ["" if value is None else value for value in pc.cast(column, pa.string()).to_pylist()]


def _decimal(value: float) -> str:
    text = f"{value:.9f}".rstrip("0")
    return text.removesuffix(".")
