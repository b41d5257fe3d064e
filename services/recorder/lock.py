"""Only one recorder at a time writes a run."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from services.recorder.place import Place
from shared.errors import BadSetting

LOCK_NAME = ".lock"


class FolderLock:
    """A lock on the run's folder, which goes with the process. Raises BadSetting where another holds it.

    An object store has no locks. There a second recorder goes on from the same last id, so its first file has
    the name of the first one's and is refused: it ends then (see `place.Draft`).
    """

    def __init__(self, root: Place) -> None:
        self._descriptor: int | None = None
        try:
            root.mkdir(parents=True, exist_ok=True)
            if not isinstance(root, Path):
                return
            descriptor = os.open(root / LOCK_NAME, os.O_WRONLY | os.O_CREAT, 0o644)
        except OSError as error:
            raise BadSetting(
                f"LOBFLOW_RECORD_DIR: cannot write to {root}: {error.strerror or error}"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise BadSetting(f"LOBFLOW_RECORD_DIR: another recorder is at work in {root}") from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another take it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
