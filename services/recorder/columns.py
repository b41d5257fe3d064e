"""Rows to Arrow columns.

The arrays are made from buffers: pyarrow's own conversion of Python lists imports pandas wherever it is
installed, which costs 60 MB of memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate

import pyarrow as pa

from services.recorder.core import Row

SCHEMA = pa.schema(
    [
        pa.field("id_ms", pa.int64(), nullable=False),
        pa.field("id_n", pa.int64(), nullable=False),
        pa.field("kind", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("recv_ns", pa.int64()),
        pa.field("d", pa.binary(), nullable=False),
    ]
)


def to_batch(rows: Sequence[Row]) -> pa.RecordBatch:
    """One record batch of SCHEMA."""
    arrays = [
        _integers(row.id_ms for row in rows),
        _integers(row.id_n for row in rows),
        _kinds([row.kind for row in rows]),
        _optional([row.recv_ns for row in rows]),
        _binary([row.d for row in rows], pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _integers(values: Iterable[int]) -> pa.Array:
    data = array("q", values)
    return pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data)])


def _optional(values: Sequence[int | None]) -> pa.Array:
    """Integers with nulls: bit i of the mask tells whether value i is there."""
    data = array("q", (0 if value is None else value for value in values))
    mask = bytearray((len(values) + 7) // 8)
    for i, value in enumerate(values):
        if value is not None:
            mask[i >> 3] |= 1 << (i & 7)
    return pa.Array.from_buffers(pa.int64(), len(data), [pa.py_buffer(bytes(mask)), pa.py_buffer(data)])


def _kinds(kinds: Sequence[str]) -> pa.Array:
    names = sorted(set(kinds))
    numbers = {name: number for number, name in enumerate(names)}
    data = array("i", (numbers[kind] for kind in kinds))
    indices = pa.Array.from_buffers(pa.int32(), len(data), [None, pa.py_buffer(data)])
    return pa.DictionaryArray.from_arrays(indices, _binary([name.encode() for name in names], pa.string()))


def _binary(values: Sequence[bytes], kind: pa.DataType) -> pa.Array:
    """Bytes or text, end to end, with the offset of each; a row group is far below the 2 GB they hold."""
    offsets = array("i", accumulate(map(len, values), initial=0))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(kind, len(values), buffers)
