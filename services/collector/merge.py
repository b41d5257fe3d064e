"""Frames of several sockets back in their recorded order (pure; replay only).

Two sockets reorder: what was recorded first may arrive second. The venue numbers its frames and tells each
socket how far everything has been sent; up to the lowest of these watermarks the order is known.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple


class Item(NamedTuple):
    """A frame or a snapshot at its place. `stream` is empty for a snapshot of `symbol`."""

    seq: int
    recv_ns: int
    stream: str
    symbol: str
    data: bytes


class Merge:
    """Holds frames until every socket's watermark has passed them."""

    def __init__(self, sockets: list[str]) -> None:
        self._marks: dict[str, tuple[int, int]] = {name: (0, 0) for name in sockets}
        self._heap: list[Item] = []

    def add(self, item: Item) -> None:
        """A frame arrived, or a snapshot is put at its place."""
        heapq.heappush(self._heap, item)

    def watermark(self, name: str, seq: int, market_ns: int) -> None:
        """Socket `name` has been sent everything up to `seq`; market time there is `market_ns`."""
        self._marks[name] = (seq, market_ns)

    def next(self) -> Item | None:
        """The next item whose order is certain, or None."""
        low = min(seq for seq, _ in self._marks.values())
        if self._heap and self._heap[0].seq <= low:
            return heapq.heappop(self._heap)
        return None

    @property
    def market_ns(self) -> int:
        """The market time up to which all sockets are complete; valid when `next` has returned None."""
        return min(market_ns for _, market_ns in self._marks.values())
