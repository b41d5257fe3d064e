"""Files that may be gzip, zstd or plain, told apart by their first bytes."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import IO, Any, cast

import zstandard

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BROKEN = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    zstandard.ZstdError,
)  # what reading cut or broken data raises
CHUNK = 1 << 18


def opened(path: Path, chunk: int = CHUNK) -> IO[bytes]:
    """The file's plain bytes; lines can be read. Raises OSError; reading may raise one of `BROKEN`.

    `chunk`: how many bytes of a zstd file are read at once; what stands before damage in one is lost with it.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] == GZIP_MAGIC:
        return cast(IO[bytes], gzip.open(path, "rb"))
    if magic == ZSTD_MAGIC:
        return cast(IO[bytes], io.BufferedReader(_Zstd(path, chunk), CHUNK))
    return path.open("rb")


class _Zstd(io.RawIOBase):
    """The plain bytes of zstd frames, one after the other. The library's own reader ends without a word where
    the data is cut; this one raises EOFError there."""

    def __init__(self, path: Path, chunk: int) -> None:
        self._chunk = chunk
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._is_inside = False  # of a frame
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; 0 at the end."""
        while not self._plain:
            data = self._file.read(self._chunk)
            if not data:
                if self._is_inside:
                    raise EOFError("the zstd data ends in the middle of a frame")
                return 0
            self._plain = memoryview(self._decompressed(data))
        size = min(len(buffer), len(self._plain))
        buffer[:size] = self._plain[:size]
        self._plain = self._plain[size:]
        return size

    def _decompressed(self, data: bytes) -> bytes:
        out = []
        while data:
            out.append(self._frame.decompress(data))
            self._is_inside = not self._frame.eof
            data = self._frame.unused_data
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
        return b"".join(out)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
