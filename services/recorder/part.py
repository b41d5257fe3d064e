"""One Parquet file from its first row to its final name.

Whoever sees the final name sees a whole file, after a power cut too; see `place.Draft`.
"""

from __future__ import annotations

import pyarrow.parquet as pq

from services.recorder.columns import SCHEMA, to_batch
from services.recorder.core import Extent, Row
from services.recorder.layout import part_name
from services.recorder.place import Draft, Place


class Part:
    """A file that is being written. Rows are held back until they make a row group."""

    def __init__(self, folder: Place, first: Row, now_s: float) -> None:
        self.extent = Extent(first, now_s)
        self._draft = Draft(folder / f"date={self.extent.date}" / part_name(self.extent.first_id))
        self._rows: list[Row] = []
        self._writer = writer(self._draft)

    def add(self, row: Row) -> None:
        """Take one more row."""
        self._rows.append(row)
        self.extent.add(row)

    def write_group(self) -> None:
        """Write the rows held back as one row group and let go of them."""
        if not self._rows:
            return
        self._writer.write_batch(to_batch(self._rows), row_group_size=len(self._rows))
        self._rows.clear()
        self.extent.pending_bytes = 0

    def finish(self) -> Place:
        """Write what is left, close, and give the file its final name, which is returned."""
        self.write_group()
        self._writer.close()
        self._draft.publish()
        return self._draft.final

    def abandon(self) -> None:
        """Let go of an unfinished file; what is left of it is removed at the next start."""
        self._writer.close()
        self._draft.sink.close()


def writer(draft: Draft) -> pq.ParquetWriter:
    """What writes our columns to a draft."""
    return pq.ParquetWriter(
        draft.sink, SCHEMA, compression="zstd", use_dictionary=["kind"], write_statistics=["id_ms"]
    )
