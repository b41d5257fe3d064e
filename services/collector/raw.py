"""The raw archive: every frame as it came, with its final stamp, in zstd files a symbol (shell).

The hot path only appends to a queue; a thread compresses and writes. The queue has an end: when the disk
cannot follow, lines are dropped, counted, logged, and the file says where. A file has its name only when it
is whole; what a killed collector left behind is finished by the next one. One collector a folder.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import zstandard

from services.collector import notes
from services.collector.notes import Dropped, Note
from shared.compressed import BROKEN, opened
from shared.units import SECOND

QUEUE_BYTES = 64 * 1024 * 1024
PAUSE_SECONDS = 0.1  # between two looks at the queue
FLUSH_SECONDS = 1.0  # a killed collector loses at most so much
RETRY_SECONDS = 10.0  # after the disk failed
LEVEL = 3
SALVAGE_CHUNK = 1024


class Part:
    """One open file: `.<name>.part` until it is whole."""

    def __init__(self, folder: Path, symbol: str, first_ns: int) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(first_ns // SECOND))
        self.path = folder / f"{symbol.lower()}_{stamp}.{first_ns % SECOND:09d}Z.zst"
        self.hidden = folder / f".{self.path.name}.part"
        self.size = 0  # plain bytes
        self.opened_at = time.monotonic()
        self._file = self.hidden.open("xb")
        self._zstd = zstandard.ZstdCompressor(level=LEVEL).compressobj()

    def write(self, line: bytes) -> None:
        """Add one line."""
        self.size += len(line)
        self._file.write(self._zstd.compress(line))

    def flush(self) -> None:
        """Let everything so far be readable on the disk."""
        self._file.write(self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        self._file.flush()

    def finish(self) -> None:
        """End the file and give it its name."""
        self._file.write(self._zstd.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.hidden.rename(self.path)

    def abandon(self) -> None:
        """Leave the file as it is; the next start finishes it."""
        self._file.close()


class RawArchive:
    """Takes lines from the event loop and writes them. Files end after `seconds` or `size` plain bytes."""

    def __init__(
        self,
        folder: Path,
        seconds: float,
        size: float,
        log: logging.Logger,
        counts: MutableMapping[str, int],
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._size = size
        self._log = log
        self._counts = counts
        self._queue_bytes = queue_bytes
        self._queue: deque[tuple[str, int, bytes]] = deque()
        self._put = 0  # bytes ever queued; written by the event loop alone
        self._taken = 0  # bytes ever taken; written by the thread alone
        self._dropped: defaultdict[str, int] = defaultdict(int)  # lines, until the file has been told
        self._parts: dict[str, Part] = {}
        self._ended = threading.Event()
        self._failed_at: float | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._work, name="raw-archive", daemon=True)

    def start(self) -> None:
        """Finish what an earlier collector left, and begin to write. Raises OSError where nothing can be."""
        for left in sorted(self._folder.glob(".*.part")):
            salvage(left)
            self._counts["raw_files_salvaged"] += 1
        self._thread.start()

    def put(self, symbol: str, recv_ns: int, text: bytes) -> None:
        """One line: `text` is a frame as it came, a snapshot's body, or a note. Never waits."""
        if self._dropped and symbol in self._dropped:
            if self._put - self._taken > self._queue_bytes // 2:  # let it catch up first
                self._drop(symbol)
                return
            self._append(symbol, recv_ns, notes.encode(Dropped(self._dropped.pop(symbol))))
        if self._put - self._taken + len(text) > self._queue_bytes:
            self._log.error("the raw archive cannot follow: lines of %s are dropped", symbol)
            self._drop(symbol)
            return
        self._append(symbol, recv_ns, text.replace(b"\n", b"") if b"\n" in text else text)

    def note(self, symbol: str, recv_ns: int, note: Note) -> None:
        """One line of our own."""
        self.put(symbol, recv_ns, notes.encode(note))

    def close(self) -> None:
        """Write what waits and finish all files; blocks."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _append(self, symbol: str, recv_ns: int, text: bytes) -> None:
        line = b"%d %s\n" % (recv_ns, text)
        self._put += len(line)
        self._queue.append((symbol, recv_ns, line))

    def _drop(self, symbol: str) -> None:
        self._dropped[symbol] += 1
        self._counts["raw_lines_dropped"] += 1

    def _work(self) -> None:
        flushed_at = time.monotonic()
        while True:
            is_last = self._ended.wait(PAUSE_SECONDS)
            try:
                self._drain()
                now = time.monotonic()
                if now - flushed_at >= FLUSH_SECONDS:
                    flushed_at = now
                    for part in self._parts.values():
                        part.flush()
                self._rotate(now, is_last=is_last)
            except OSError as error:
                self._fail(error)
            if is_last:
                return

    def _drain(self) -> None:
        while self._queue:
            symbol, recv_ns, line = self._queue.popleft()
            self._taken += len(line)
            if self._failed_at is not None and time.monotonic() - self._failed_at < RETRY_SECONDS:
                self._counts["raw_lines_lost"] += 1
                continue
            try:
                part = self._parts.get(symbol)
                if part is None:
                    part = self._parts[symbol] = Part(self._folder, symbol, recv_ns)
                    if self._failed_at is not None:
                        part.write(b"%d %s\n" % (recv_ns, notes.encode(Dropped(-1))))
                part.write(line)
            except OSError:
                self._counts["raw_lines_lost"] += 1
                raise
            if part.size >= self._size:
                self._finish(symbol)

    def _rotate(self, now: float, *, is_last: bool) -> None:
        for symbol, part in list(self._parts.items()):
            if is_last or now - part.opened_at >= self._seconds:
                self._finish(symbol)

    def _finish(self, symbol: str) -> None:
        self._parts.pop(symbol).finish()
        self._counts["raw_files"] += 1

    def _fail(self, error: OSError) -> None:
        """The disk failed: say so, lose lines for a while, and try again with new files."""
        self._log.error("the raw archive cannot be written, lines are lost: %s", error)
        self._counts["raw_failures"] += 1
        self._failed_at = time.monotonic()
        for part in self._parts.values():
            part.abandon()
        self._parts.clear()


def salvage(left: Path) -> None:
    """Finish a file that a killed collector left: its whole lines, under its name."""
    target = left.with_name(left.name.removeprefix(".").removesuffix(".part"))
    saved = left.with_name(f".{target.name}.saved")
    zstd = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    is_empty = True
    with saved.open("wb") as out:
        for line in _whole_lines(left):
            out.write(zstd.compress(line))
            is_empty = False
        out.write(zstd.flush())
        out.flush()
        os.fsync(out.fileno())
    if is_empty:
        saved.unlink()
    else:
        saved.rename(target)
    left.unlink()


def _whole_lines(left: Path) -> Iterator[bytes]:
    """The lines of a file that ends somewhere; its last second may be torn."""
    with opened(left, SALVAGE_CHUNK) as lines:
        while True:
            try:
                line = lines.readline()
            except BROKEN:
                return  # the end that was never written: what came before it is whole
            if not line.endswith(b"\n"):
                return
            yield line
