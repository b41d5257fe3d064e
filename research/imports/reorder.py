"""Rows that a file does not hold in order: sorted within a window, so that a day never lies in memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

from research.imports.skips import Skips

WINDOW_ROWS = 50_000  # how far a row may stray

Keyed = tuple[int, int, list[str]]  # what it is sorted by, its line, its values


def in_order(
    rows: Iterator[Keyed], skips: Skips, path: Path, is_unique: bool, window: int = WINDOW_ROWS
) -> Iterator[Keyed]:
    """The same rows by rising key. A row that strayed further than the window is left out and counted; where
    keys are unique, so is the second row of a key."""
    last: int | None = None
    for row in _sorted(rows, window):
        if last is not None and row[0] < last:
            skips.add(f"out of order by more than {window} rows", path, row[1])
        elif is_unique and row[0] == last:
            skips.add("the same id again", path, row[1])
        else:
            last = row[0]
            yield row


def _sorted(rows: Iterator[Keyed], window: int) -> Iterator[Keyed]:
    heap: list[Keyed] = []  # no two lines are equal, so values are never compared
    for row in rows:
        if len(heap) < window:
            heapq.heappush(heap, row)
        else:
            yield heapq.heappushpop(heap, row)
    while heap:
        yield heapq.heappop(heap)
