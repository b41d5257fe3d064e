"""Keeps a venue with synthetic markets on disk: a checkpoint now and then, and a journal of what follows it.

A folder holds `checkpoint-<n>` (zlib) and `journal-<n>`, what took effect after it. A checkpoint is renamed
into place when it is whole; until then the one before it and both journals tell the same.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from services.venue import checkpoint
from services.venue.core import Exchange
from services.venue.journal import Journal
from services.venue.synthetic.source import SyntheticSource
from shared.units import MS, SECOND

EVERY_NS = 30 * SECOND
AHEAD_NS = 1000 * MS  # how far a promise goes beyond what is allowed


class Keeper:
    """Writes the state of `exchange` and `source` into `directory`, where `number` is that of the newest
    checkpoint. Nothing may take effect before it was made: it begins with a checkpoint of its own."""

    def __init__(
        self,
        directory: Path,
        exchange: Exchange,
        source: SyntheticSource,
        kernel: str,
        seed: int,
        number: int,
    ) -> None:
        self._directory = directory
        self._exchange = exchange
        self._source = source
        self._kernel = kernel
        self._seed = seed
        self._number = number + 1
        self._promised_ns = 0
        self._due_ns = source.horizon_ns + EVERY_NS  # market time at which the next checkpoint is due
        self._writing: asyncio.Task[None] | None = None
        self._journal = Journal(directory / f"journal-{self._number}")
        _write(directory, self._number, self._state())

    def allow(self, limit_ns: int) -> None:
        """Write down that the market may go on up to `limit_ns`, and a checkpoint where one is due."""
        if self._source.horizon_ns >= self._due_ns and self._source.is_settled and not self._is_busy:
            self._writing = asyncio.create_task(self._next())
        if limit_ns > self._promised_ns:
            self._promised_ns = limit_ns + AHEAD_NS
            self._journal.promise(self._promised_ns)

    def effect(self, at_ns: int, call: str, params: Mapping[str, str]) -> None:
        """Write down that a request takes effect."""
        self._journal.effect(at_ns, call, params)

    async def close(self) -> None:
        """Write the last checkpoint, so that nothing must be run again."""
        if self._writing is not None:
            await self._writing
        self._source.settle(self._exchange.play)
        await self._next()
        self._journal.close()

    @property
    def _is_busy(self) -> bool:
        if self._writing is None or not self._writing.done():
            return self._writing is not None
        self._writing.result()  # a disk that cannot be written to ends the venue
        return False

    def _next(self) -> Coroutine[Any, Any, None]:
        """Take the state now, and from here on journal after it; the file is written beside."""
        self._number += 1
        data = self._state()
        self._journal.close()
        self._journal = Journal(self._directory / f"journal-{self._number}")
        self._promised_ns = 0
        self._due_ns = self._source.horizon_ns + EVERY_NS
        return asyncio.to_thread(_write, self._directory, self._number, data)

    def _state(self) -> bytes:
        return checkpoint.encode(self._exchange, self._source, self._kernel, self._seed, self._number)


def _write(directory: Path, number: int, data: bytes) -> None:
    fresh = directory / "checkpoint.new"
    with fresh.open("wb") as file:
        file.write(zlib.compress(data, 1))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / f"checkpoint-{number}")
    for kind in ("checkpoint", "journal"):
        for path in directory.glob(f"{kind}-*"):
            if number_of(path) < number:
                path.unlink()


def number_of(path: Path) -> int:
    """The number in a file's name."""
    return int(path.name.rpartition("-")[2])
