"""Where recordings lie: a local folder, or one behind any fsspec URL (`s3://bucket/lobflow`, `memory://x`).

Both are used through the methods of `pathlib.Path`. The difference that matters is how a file appears at
once: locally by a rename, on an object store by the upload, which is whole or not there.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO, Any, TypeAlias

from upath import UPath

from shared.errors import BadInput, BadSetting

Place: TypeAlias = Path | UPath

LOCAL_SCHEMES = ("file", "local")
TEMPORARY_SUFFIX = ".tmp"
TAKEN = "{} is there already: are two recorders writing one run?"


def place(url: str | Path) -> Place:
    """The folder that a path or URL names. Raises BadSetting for a protocol that cannot be spoken here.

    >>> place("data/live"), place("file:///var/data").name
    (PosixPath('data/live'), 'data')
    """
    if isinstance(url, Path) or "://" not in url:
        return Path(url)
    scheme, _, rest = url.partition("://")
    if scheme in LOCAL_SCHEMES:
        return Path(rest)
    try:
        found = UPath(url)
        _ = found.fs  # loads the package that speaks the protocol
    except (ValueError, ImportError) as error:
        raise BadSetting(f"{url}: {error}") from error
    return found


class Draft:
    """A file on its way: written to `sink`, and under its name only when it is whole.

    Locally it is a hidden file beside the final one, synced and renamed. Elsewhere it is a nameless temporary
    file here, uploaded in one piece; a process that is killed leaves nothing of it.
    """

    def __init__(self, final: Place) -> None:
        self.final = final
        self.sink: IO[bytes]
        self._temporary: Path | None = None
        final.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(final, Path):
            self._temporary = final.with_name(f".{final.stem}{TEMPORARY_SUFFIX}")
            self.sink = self._temporary.open("w+b")
        else:
            self.sink = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - open until it is published

    def publish(self, *, replaces: bool = False) -> None:
        """Give the file its name. Raises BadInput where there is one of that name, unless `replaces`."""
        try:
            self._publish(replaces)
        finally:
            self.drop()

    def _publish(self, replaces: bool) -> None:
        self.sink.flush()
        if not replaces and self.final.exists():
            raise BadInput(TAKEN.format(self.final))
        if isinstance(self.final, Path):
            assert self._temporary is not None
            os.fsync(self.sink.fileno())
            self._temporary.rename(self.final)
            sync_folder(self.final.parent)
            return
        self.sink.seek(0)
        options: dict[str, Any] = {} if replaces else {"mode": "create"}
        try:
            self.final.fs.pipe_file(self.final.path, self.sink.read(), **options)
        except FileExistsError as error:
            raise BadInput(TAKEN.format(self.final)) from error

    def drop(self) -> None:
        """Leave nothing behind."""
        self.sink.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


def replace(final: Place, data: bytes) -> None:
    """Write a small file anew: readers see the old one or the new one."""
    draft = Draft(final)
    draft.sink.write(data)
    draft.publish(replaces=True)


def sync_folder(path: Path) -> None:
    """Have the kernel write a folder's names to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
