"""Files as they come: plain, gzip, zstd or zip, text or Parquet, as numbered lines or as rows of text.

Files are streamed. Where a compressed file is cut or broken, reading ends with BadInput that says after which
line.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

import pyarrow as pa

from research.imports import columnar
from shared.errors import BadInput

GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
BUFFER = 1 << 18
REPORT_LINES = 2_000  # between two reports of progress
COMMENT = "#"

Progress = Callable[[int], None]  # told how many more bytes of the file, as it lies on the disk, were read


class Table(NamedTuple):
    """Rows of text under named columns; `rows` are (line or row number, values). Where the file has no
    header, `columns` are those handed in."""

    columns: list[str]
    rows: Iterator[tuple[int, list[str]]]


def lines(path: Path, progress: Progress | None = None) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line without its end) of a text file."""
    number, told = 0, 0
    try:
        with path.open("rb") as raw, _opened(raw, path) as text:
            for number, line in enumerate(text, 1):
                yield number, line.rstrip(b"\r\n")
                if progress is not None and number % REPORT_LINES == 0:
                    at = raw.tell()
                    progress(at - told)
                    told = at
            if progress is not None:
                progress(path.stat().st_size - told)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise BadInput(
            f"{path}, after line {number}: the compressed data are cut or broken: {error}"
        ) from error
    except OSError as error:
        if error.errno is None:  # of the decompressor, not of the disk
            raise BadInput(f"{path}, after line {number}: {error}") from error
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error


def table(path: Path, names: list[str] | None = None, progress: Progress | None = None) -> Table:
    """A CSV or Parquet file. `names` are the columns of a CSV file without a header; lines that begin with #
    are comments. Raises BadInput where there is nothing in it."""
    if columnar.is_parquet(path):
        return Table(columnar.columns(path), columnar.rows(path, progress))
    rows = _csv(path, progress)
    if names is not None:
        return Table(names, rows)
    for _, header in rows:
        return Table([name.strip() for name in header], rows)
    raise BadInput(f"{path}: is empty")


def head(path: Path, count: int) -> list[list[str]]:
    """The first rows of a CSV file, or the columns alone of a Parquet file."""
    if columnar.is_parquet(path):
        return [columnar.columns(path)]
    out: list[list[str]] = []
    for _, row in _csv(path, None):
        out.append([value.strip() for value in row])
        if len(out) == count:
            break
    return out


def _csv(path: Path, progress: Progress | None) -> Iterator[tuple[int, list[str]]]:
    """Rows that are neither empty nor comments. No format read here quotes a line break."""
    numbers: list[int] = []

    def texts() -> Iterator[str]:
        for number, line in lines(path, progress):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
            if text and not text.startswith(COMMENT):
                numbers[:] = (number,)
                yield text

    try:
        for row in csv.reader(texts()):
            yield numbers[0], row
    except csv.Error as error:
        raise BadInput(f"{path}, line {numbers[0] if numbers else 1}: {error}") from error


@contextmanager
def _opened(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(GZIP):
        with gzip.open(raw, "rb") as file:
            yield cast(IO[bytes], file)
    elif magic == ZSTD:
        with io.BufferedReader(pa.CompressedInputStream(raw, "zstd"), BUFFER) as file:
            yield file
    elif magic == ZIP:
        with zipfile.ZipFile(raw) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
            if len(members) != 1:
                raise BadInput(f"{path}: holds {len(members)} files, not one")
            with archive.open(members[0]) as file:
                yield file
    else:
        yield raw
