"""Where an import goes: the recorder's Parquet and the raw captures, whole or not at all.

    <folder>/stream=market/symbol=BTCUSDT/date=2024-08-08/part-....parquet
             raw/btcusdt_20240808T235416.gz
             imports.json

Everything is written under `<folder>/.importing` and renamed when it is whole. A symbol that is there already
goes on where it ended: `seq` and ids rise, and a new epoch begins.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from services.collector.feed import Resume
from services.recorder.archive import Archive
from services.recorder.audit import write_ledgers
from services.recorder.core import Limits
from services.recorder.layout import label_of
from services.recorder.reader import files_of, read
from shared import codec
from shared.errors import BadInput, BadSetting
from shared.messages import Market, Message
from shared.streams import Stream, parse_id
from shared.units import SECOND

STAGING, RAW, MANIFEST = ".importing", "raw", "imports.json"
NO_END_S = float("inf")  # files end by size and date alone
BATCH = 512


class Target:
    """The folder of one import. One at a time: a second one raises BadSetting."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staging = folder / STAGING
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(self._lock)
                raise BadSetting(f"{folder}: another import is writing it") from error
            if self.staging.exists():  # of an import that was killed
                shutil.rmtree(self.staging)
            (self.staging / RAW).mkdir(parents=True)
        except OSError as error:
            raise BadSetting(f"cannot write to {folder}: {error.strerror}") from error
        self._archive = Archive(self.staging, Limits(seconds=NO_END_S))
        self._symbols: set[str] = set()  # that were written

    @property
    def raw(self) -> Path:
        """Where captures are written."""
        return self.staging / RAW

    def resume(self, symbol: str, first_ns: int) -> Resume | None:
        """Where the symbol's entries stand in the folder. Raises BadInput where they end after `first_ns`."""
        found = files_of(self.folder, label_of(Stream.MARKET, symbol))
        if not found:
            return None
        (entry_id, data) = deque(read(found[-1:]), maxlen=1).pop()
        last = codec.decode(data)
        if not isinstance(last, Market):
            raise BadInput(f"{found[-1]}: holds {type(last).__name__}, which is no market entry")
        if last.recv_ns >= first_ns:
            raise BadInput(
                f"{self.folder} holds {symbol} up to {_text(last.recv_ns)} already, and the import begins at "
                f"{_text(first_ns)}: import what follows, or into another folder"
            )
        return Resume(last.seq, last.epoch, last.recv_ns, *parse_id(entry_id))

    def write(self, symbol: str, entries: Iterable[tuple[str, Message]]) -> None:
        """Archive one symbol's entries."""
        label = label_of(Stream.MARKET, symbol)
        self._archive.resume(label)
        self._symbols.add(symbol)
        batch: list[tuple[bytes, bytes]] = []
        for entry_id, message in entries:
            batch.append((entry_id.encode(), codec.encode(message)))
            if len(batch) == BATCH:
                self._archive.add(label, batch, 0.0)
                batch = []
        self._archive.add(label, batch, 0.0)

    def finish(self, captures: dict[Path, str], record: dict[str, Any]) -> None:
        """Put all in its place: Parquet, `captures` (written path -> name to keep), and what was done."""
        self._archive.close()
        parts = {path: path.relative_to(self.staging) for path in self.staging.rglob("part-*.parquet")}
        moves = parts | {path: Path(RAW, name) for path, name in captures.items()}
        for path, place in moves.items():
            final = self.folder / place
            final.parent.mkdir(parents=True, exist_ok=True)
            path.rename(final)
        for symbol in sorted(self._symbols):
            write_ledgers(self.folder, symbol)
        manifest = self.folder / MANIFEST
        done = msgspec.json.decode(manifest.read_bytes()) if manifest.exists() else []
        temporary = self.staging / MANIFEST
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode([*done, record]), indent=2) + b"\n")
        temporary.rename(manifest)

    def __enter__(self) -> Target:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.__exit__(kind, error, trace)
        shutil.rmtree(self.staging, ignore_errors=True)
        os.close(self._lock)


def _text(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns / SECOND, UTC):%Y-%m-%d %H:%M:%S.%f}"
