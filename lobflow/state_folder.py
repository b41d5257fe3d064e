"""The folder in which a system keeps everything between two starts, and the locks that one system holds.

The kernel lets go of a lock when the last process that holds it ends, however that ends: a lock cannot be
stale. `up` alone holds the first. The second is inherited by all that it starts, so that nobody begins on the
same data while services of a killed system still write.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from shared.errors import BadSetting, LobflowError

LOCK, SERVICES_LOCK = "lobflow.lock", "services.lock"
LAST_SECONDS = 30.0  # how long services of a killed system may take to end
POLL_SECONDS = 0.1


class StateFolder:
    """`redis`, `models`, `data` (Parquet), `logs` and `venue` under one folder. `take` it before use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.redis, self.models, self.data, self.logs, self.venue = (
            self.folder / name for name in ("redis", "models", "data", "logs", "venue")
        )
        self._lock: int | None = None
        self._services: int | None = None

    @property
    def held(self) -> tuple[int, ...]:
        """The file descriptors for what we start to inherit."""
        return () if self._services is None else (self._services,)

    def take(self, facts: dict[str, Any]) -> None:
        """Lock the folder for this process and write down who it is. Waits for services of a killed system.
        Raises BadSetting where another system runs, or the folder cannot be written to."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise BadSetting(f"--state {self.folder}: {error.strerror}") from error
        if not _is_locked(lock):
            os.close(lock)
            who = self.holder() or {}
            raise BadSetting(
                f"{self.folder}: a system runs here already, process {who.get('pid', 'unknown')}, REST at "
                f"port {who.get('port', 'unknown')}; stop it with `make down`, or name another folder "
                "(STATE=..., --state)"
            )
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), **facts}).encode(), 0)
        self._lock = lock
        self._services = self._free_services()

    def _free_services(self) -> int:
        services = os.open(self.folder / SERVICES_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + LAST_SECONDS
        while not _is_locked(services):
            if time.monotonic() > deadline:
                os.close(services)
                self.release()
                raise LobflowError(
                    f"{self.folder}: services of a system that was killed still run after "
                    f"{LAST_SECONDS:g} s; `fuser {self.folder / SERVICES_LOCK}` names them"
                )
            time.sleep(POLL_SECONDS)
        return services

    def release(self) -> None:
        """Let another have it."""
        for lock in (self._services, self._lock):
            if lock is not None:
                os.close(lock)
        self._services = self._lock = None

    def holder(self) -> dict[str, Any] | None:
        """What the process that holds the lock wrote; None where nobody holds it."""
        try:
            lock = os.open(self.folder / LOCK, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            if _is_locked(lock):
                return None
            text = os.pread(lock, 4096, 0)
            return dict(json.loads(text)) if text else {}
        finally:
            os.close(lock)

    def is_quiet(self) -> bool:
        """Whether neither a system nor a service of one runs here."""
        for name in (LOCK, SERVICES_LOCK):
            try:
                lock = os.open(self.folder / name, os.O_RDWR)
            except FileNotFoundError:
                continue
            try:
                if not _is_locked(lock):
                    return False
            finally:
                os.close(lock)
        return True


def _is_locked(lock: int) -> bool:
    """Try to lock it for us."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
