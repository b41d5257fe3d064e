"""The folder in which a system keeps everything between two starts, and the lock that only one holds."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from shared.errors import BadSetting

LOCK = "lobflow.lock"


class StateFolder:
    """`redis`, `models`, `data` (Parquet), `logs` and `venue` under one folder. `take` it before use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.redis, self.models, self.data, self.logs, self.venue = (
            self.folder / name for name in ("redis", "models", "data", "logs", "venue")
        )
        self._lock: int | None = None

    def take(self, facts: dict[str, Any]) -> None:
        """Lock the folder for this process and write down who it is. Raises BadSetting where another holds
        it. The lock goes with the process, however that ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            who = self.holder() or {}
            raise BadSetting(
                f"{self.folder}: a system runs there already, process {who.get('pid', 'unknown')}, REST at "
                f"port {who.get('port', 'unknown')}; stop it with `lobflow down`, or name another folder "
                "with --state"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), **facts}).encode(), 0)
        self._lock = lock

    def release(self) -> None:
        """Let another have it."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def holder(self) -> dict[str, Any] | None:
        """What the process that holds the lock wrote; None where nobody holds it."""
        try:
            lock = os.open(self.folder / LOCK, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            text = os.pread(lock, 4096, 0)
            return dict(json.loads(text)) if text else {}
        finally:
            os.close(lock)
