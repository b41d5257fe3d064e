"""Reading staged rows: which days there are, and a day's columns as far as they are asked for.

Nothing here compiles or loads the features: a worker that reads rows stays small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from research.labels import Flags, Floats
from research.rows.layout import PAGE, SOURCE, Page, Source, day_path, start_of
from services.features import schema
from shared.errors import BadInput


class Day(NamedTuple):
    """One file."""

    path: Path
    date: str

    @property
    def start_ns(self) -> int:
        """The day's first nanosecond."""
        return start_of(self.date)

    def page(self) -> Page:
        """What the file says of itself. Raises BadInput where it is none of ours."""
        try:
            metadata = pq.read_metadata(self.path).metadata or {}
            return msgspec.json.decode(metadata[PAGE], type=Page)
        except (pa.ArrowException, OSError, KeyError, msgspec.MsgspecError) as error:
            raise BadInput(f"{self.path}: no file of staged rows: {error}") from error

    def columns(self, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Some columns, each (n,). Raises BadInput where one is missing or the file cannot be read."""
        with self._file() as file:
            self._check(names, file.schema_arrow.names)
            table = file.read(columns=list(names), use_threads=False)
        return {name: _array(table.column(name)) for name in names}

    def features(self, names: Sequence[str]) -> Floats:
        """Features in the order of `names`, (n, k)."""
        matrix = np.empty((self.page().rows, len(names)))
        start = 0
        for group in self.groups(names):
            matrix[start : start + len(group)] = group
            start += len(group)
        return matrix

    def groups(self, names: Sequence[str]) -> Iterator[Floats]:
        """The same, some ten thousand rows at a time."""
        wanted = [f"x.{name}" for name in names]
        with self._file() as file:
            self._check(wanted, file.schema_arrow.names)
            for at in range(file.num_row_groups):
                table = file.read_row_group(at, columns=wanted, use_threads=False)
                yield np.stack([_array(table.column(name)) for name in wanted], axis=1)

    @contextmanager
    def _file(self) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(self.path) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{self.path}: not readable as Parquet: {error}") from error

    def _check(self, wanted: Sequence[str], there: Sequence[str]) -> None:
        missing = [name for name in wanted if name not in there]
        if missing:
            raise BadInput(f"{self.path}: no column {', '.join(missing)}")


def _array(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column without nulls, (n,). Arrow's own way loads pandas, 55 MB in each worker."""
    parts = []
    for chunk in column.chunks:
        data = chunk.buffers()[1]
        if pa.types.is_boolean(chunk.type):
            bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
            parts.append(bits[chunk.offset : chunk.offset + len(chunk)].astype(np.bool_))
        else:
            values = np.frombuffer(data, chunk.type.to_pandas_dtype())
            parts.append(values[chunk.offset : chunk.offset + len(chunk)])
    return np.concatenate(parts) if parts else np.empty(0)


class Store(NamedTuple):
    """The staged rows of one symbol."""

    folder: Path
    source: Source
    days: tuple[Day, ...]  # ascending

    def rows(self) -> int:
        """Rows of all days."""
        return sum(day.page().rows for day in self.days)


def opened(folder: Path) -> Store:
    """Staged rows that are whole. Raises BadInput where they are not, or of another feature schema."""
    path = folder / SOURCE
    try:
        source = msgspec.json.decode(path.read_bytes(), type=Source)
    except (OSError, msgspec.MsgspecError) as error:
        raise BadInput(f"{folder}: no staged rows: {error}") from error
    if source.schema != schema.SCHEMA_HASH:
        raise BadInput(f"{folder}: rows of feature schema {source.schema}, not {schema.SCHEMA_HASH}")
    days = tuple(Day(day_path(folder, date), date) for date in source.days)
    for day in days:
        if not day.path.exists():
            raise BadInput(f"{day.path}: no such file")
    return Store(folder, source, days)


def usable(columns: dict[str, npt.NDArray[Any]], values: Floats, window_ns: int, sigmas: int) -> Flags:
    """Rows on which every feature is whole and finite; `values` are those of a model, so many sigmas last."""
    mask: Flags = (columns["clean_ns"] >= window_ns) & np.isfinite(values).all(axis=1)
    mask &= (values[:, values.shape[1] - sigmas :] > 0.0).all(axis=1)
    return mask
