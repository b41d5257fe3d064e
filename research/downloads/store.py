"""One downloaded file on the disk: `.part` while it comes, `.CHECKSUM` beside it when it is whole.

The final name exists only for a file that was verified. The checksum is kept because archived files are
replaced now and then: it says which one a result rests on.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import re
import zlib
from pathlib import Path

from shared.errors import BadInput

CHUNK = 1 << 20
DIGEST = re.compile(r"^([0-9a-fA-F]{64})\b")


class Store:
    """The local side of one file. One process at a time writes it."""

    def __init__(self, final: Path) -> None:
        self.final = final
        self.part = final.with_name(f"{final.name}.part")
        self.checksum = final.with_name(f"{final.name}.CHECKSUM")

    def stored_digest(self) -> str | None:
        """The sha256 kept beside the file, or None."""
        return read_digest(self.checksum.read_text()) if self.checksum.exists() else None

    def is_whole(self, digest: str | None) -> bool:
        """Whether the file is there with this sha256; None stands for the one kept beside it."""
        wanted = digest or self.stored_digest()
        return wanted is not None and self.final.exists() and sha256(self.final) == wanted

    def publish(self, digest: str | None) -> None:
        """Verify the part and give it its final name. Without a published `digest` its gzip must be whole.
        Raises BadInput, and deletes the part, where it is not what it must be."""
        found = sha256(self.part)
        if digest is not None and found != digest:
            self.part.unlink()
            raise BadInput(f"sha256 is {found[:16]}..., published is {digest[:16]}...")
        if digest is None and not _is_gzip_whole(self.part):
            self.part.unlink()
            raise BadInput("the gzip data are cut or broken")
        _sync(self.part)
        self.checksum.write_text(f"{found}  {self.final.name}\n")
        self.part.rename(self.final)


class PartFile:
    """The `.part` file, open to be gone on with. Raises BadInput where another process writes it."""

    def __init__(self, store: Store) -> None:
        store.part.parent.mkdir(parents=True, exist_ok=True)
        self._file = store.part.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise BadInput(f"{store.part}: another download is writing it") from error

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._file.tell()

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)

    def restart(self) -> None:
        """Forget what is there."""
        self._file.truncate(0)
        self._file.seek(0)

    def close(self) -> None:
        """Close, and let others write it."""
        self._file.close()


def read_digest(text: str) -> str:
    """The sha256 in the text of a `.CHECKSUM` file, `<sha256>  <name>`. Raises BadInput without one."""
    match = DIGEST.match(text.strip())
    if match is None:
        raise BadInput(f"the checksum file begins {text[:40]!r}, not with a sha256")
    return match[1].lower()


def sha256(path: Path) -> str:
    """The sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_gzip_whole(path: Path) -> bool:
    try:
        with gzip.open(path, "rb") as file:
            while file.read(CHUNK):
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
