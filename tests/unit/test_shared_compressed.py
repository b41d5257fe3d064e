"""Files are read alike however they are packed, and a cut one is said to be cut."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from shared.compressed import BROKEN, opened

LINES = [b"%d line of some length\n" % number for number in range(50_000)]
PLAIN = b"".join(LINES)


def frames(data: bytes) -> bytes:
    """Several zstd frames, one after the other."""
    cut = len(data) // 3
    return zstandard.compress(data[:cut]) + zstandard.compress(data[cut:])


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, frames])
def test_lines_are_the_same(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "x"
    path.write_bytes(pack(PLAIN))  # type: ignore[operator]
    with opened(path) as file:
        assert list(file) == LINES


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, frames])
def test_cut_file_raises(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "x"
    path.write_bytes(pack(PLAIN)[:-7])  # type: ignore[operator]
    with pytest.raises(BROKEN), opened(path) as file:
        list(file)


def test_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    with opened(path) as file:
        assert list(file) == []
