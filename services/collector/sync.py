"""The venue's procedure for a local order book (pure): buffer, snapshot, and `pu` continuity for ever.

Source: USD-M futures, "How to manage a local order book correctly". Events with `u` below the snapshot's id
are dropped; the first applied one spans it (`U <= id <= u`) or continues it (`pu == id`); from then on each
`pu` equals the previous `u`. Whatever else happens is a loss, and is said.
"""

from __future__ import annotations

from collections import deque

from services.collector.facts import Diff
from services.collector.ladder import Ladder
from services.collector.scanner import Scanned
from shared.book import Level

BUFFER_LIMIT = 10_000  # diffs kept while no snapshot has come: minutes at 100 ms, and a bound on memory


class Synchronizer:
    """Keeps `book` equal to the venue's, or says that it is not."""

    def __init__(self) -> None:
        self.book = Ladder()
        self.is_live = False  # the book is whole
        self.last = 0  # the venue's `u` of the last applied diff, or the snapshot's id
        self.exchange_ns = 0  # engine time of the last applied diff
        self.has_snapshot = False  # loaded; the diff that spans it has not come
        self._buffer: deque[Diff] = deque()  # diffs that wait for a snapshot

    def reset(self) -> None:
        """Continuity is lost: forget the book and begin to buffer."""
        self.book = Ladder()
        self.is_live = self.has_snapshot = False
        self._buffer.clear()

    def on_diff(self, diff: Diff | Scanned) -> str:
        """Apply or buffer one diff. Returns `applied`, `live` (applied, and the book is whole from now on),
        `buffered`, `old` (already applied), `gap` (a diff was lost: reset, and this one is buffered) or
        `retry` (the snapshot does not fit: ask for another)."""
        if self.is_live:
            if diff.previous == self.last:
                self._apply(diff)
                return "applied"
            if diff.last <= self.last:
                return "old"
            self.reset()
            self._keep(diff)
            return "gap"
        self._keep(diff)
        return self._begin() if self.has_snapshot else "buffered"

    def on_snapshot(self, last_id: int, bids: list[Level], asks: list[Level]) -> str:
        """Load a snapshot and apply what was buffered after it. Returns `live`, `buffered` (the diff that
        spans it is still to come) or `retry` (it does not fit what was buffered: ask for another)."""
        self.book.load(bids, asks)
        self.last = last_id
        self.has_snapshot = True
        return self._begin()

    def _keep(self, diff: Diff | Scanned) -> None:
        if len(self._buffer) == BUFFER_LIMIT:
            self._buffer.popleft()
        if isinstance(diff, Scanned):
            diff = Diff(diff.first, diff.last, diff.previous, diff.exchange_ns, *diff.levels())
        self._buffer.append(diff)

    def _begin(self) -> str:
        buffer = self._buffer
        while buffer and buffer[0].last < self.last:
            buffer.popleft()
        if not buffer:
            return "buffered"
        head = buffer[0]
        if head.first <= self.last <= head.last or head.previous == self.last:
            self._apply(buffer.popleft())
            while buffer and (buffer[0].previous == self.last or buffer[0].last <= self.last):
                follower = buffer.popleft()
                if follower.previous == self.last:
                    self._apply(follower)  # the others were sent twice
        if buffer:  # older than what was buffered, or a diff was lost among the buffered ones
            self.has_snapshot = False
            return "retry"
        self.is_live = True
        self.has_snapshot = False
        return "live"

    def _apply(self, diff: Diff | Scanned) -> None:
        diff.change(self.book)
        self.last = diff.last
        self.exchange_ns = diff.exchange_ns
