"""One Parquet file from its first row to its final name.

It is written under a hidden name, synced, and renamed; the folder is synced after it. Whoever sees the final
name sees a whole file, after a power cut too.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq

from services.recorder.columns import SCHEMA, to_batch
from services.recorder.core import Extent, Row
from services.recorder.layout import part_name, temporary_name
from shared.errors import BadInput


class Part:
    """A file that is being written. Rows are held back until they make a row group."""

    def __init__(self, folder: Path, first: Row, now_s: float) -> None:
        self.extent = Extent(first, now_s)
        self.folder = folder / f"date={self.extent.date}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._temporary = self.folder / temporary_name(self.extent.first_id)
        self._rows: list[Row] = []
        self._writer = pq.ParquetWriter(
            self._temporary, SCHEMA, compression="zstd", use_dictionary=["kind"], write_statistics=["id_ms"]
        )

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

    def finish(self) -> Path:
        """Write what is left, close, sync and give the file its final name, which is returned."""
        self.write_group()
        self._writer.close()
        final = self.folder / part_name(self.extent.first_id)
        if final.exists():
            raise BadInput(f"{final} is there already: are two recorders writing one run?")
        sync(self._temporary)
        self._temporary.rename(final)
        sync(self.folder)
        return final


def sync(path: Path) -> None:
    """Have the kernel write one file, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
