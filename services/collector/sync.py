"""The venue's procedure for a local order book (pure): buffer, snapshot, and `pu` continuity for ever.

Source: USD-M futures, "How to manage a local order book correctly". Events with `u` below the snapshot's id
are dropped; the first applied one spans it (`U <= id <= u`) or continues it (`pu == id`); from then on each
`pu` equals the previous `u`. Whatever else happens is a loss, and is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from services.collector.facts import Diff
from services.collector.ladder import APPLIED, NO_ID, UNKNOWN, Ladder
from services.collector.reach import Reach
from services.collector.state import TIERS
from shared.book import Level
from shared.units import MS

RECENT = 600  # applied diffs that are remembered for a snapshot under way: a minute of 100 ms
BUFFER_LIMIT = 10_000  # diffs kept while no snapshot has come: minutes at 100 ms, and a bound on memory


class Synchronizer:
    """Keeps `book` equal to the venue's, or says that it is not."""

    def __init__(self, book: Ladder | None = None) -> None:
        self.book = book or Ladder()
        self.is_live = False  # the book is whole
        self.last = 0  # the venue's `u` of the last applied diff, or the snapshot's id
        self.exchange_ns = 0  # engine time of the last applied diff
        self.has_snapshot = False  # loaded; the diff that spans it has not come
        self.gap = ""  # what the last gap was
        self.reach = Reach()
        self._buffer: deque[Diff] = deque()  # diffs that wait for a snapshot
        self._recent: deque[Diff | bytes] = deque(maxlen=RECENT)  # applied to the whole book, newest last

    def reset(self) -> None:
        """Continuity is lost: forget the book and begin to buffer."""
        self.book.clear()
        self.is_live = self.has_snapshot = False
        self._buffer.clear()
        self._recent.clear()

    def on_frame(self, data: bytes) -> str | None:
        """As `on_diff`, with the bytes of a diff. None, and nothing is changed, where they have another shape
        than the scanner knows."""
        done, last, ms = self.book.take(data, self.last if self.is_live else NO_ID)
        if done == APPLIED:
            self.last = last
            self.exchange_ns = ms * MS
            self._recent.append(data)
            return "applied"
        if done == UNKNOWN:
            return None
        first, last, previous, ms, bids, asks = self.book.scanned()
        return self.on_diff(Diff(first, last, previous, ms * MS, bids, asks))

    def on_diff(self, diff: Diff) -> str:
        """Apply or buffer one diff. Returns `applied`, `live` (applied, and the book is whole from now on),
        `buffered`, `old` (already applied), `gap` (a diff was lost: reset, and this one is buffered) or
        `retry` (the snapshot does not fit: ask for another)."""
        if self.is_live:
            if diff.previous == self.last:
                self._apply(diff)
                self._recent.append(diff)
                return "applied"
            if diff.last <= self.last:
                return "old"
            self.gap = f"pu {diff.previous} after u {self.last}"
            self.reset()
            self._buffer.append(diff)
            return "gap"
        if len(self._buffer) == BUFFER_LIMIT:
            self._buffer.popleft()
        self._buffer.append(diff)
        return self._begin() if self.has_snapshot else "buffered"

    def on_snapshot(self, last_id: int, bids: list[Level], asks: list[Level]) -> str:
        """Load a snapshot and apply what was buffered after it. Returns `live`, `buffered` (the diff that
        spans it is still to come) or `retry` (it does not fit what was buffered: ask for another)."""
        self.book.load(bids, asks)
        self.reach.load(bids, asks)
        self.last = last_id
        self.has_snapshot = True
        return self._begin()

    @property
    def is_short(self) -> bool:
        """Whether the market comes near levels that no snapshot told: another one is wanted."""
        bid, ask = self.book.best_bid, self.book.best_ask
        return self.is_live and bid is not None and ask is not None and self.reach.is_short(bid[0], ask[0])

    def fill(self, last_id: int, bids: list[Level], asks: list[Level]) -> str:
        """Fill levels beyond the reach into the whole book from another snapshot. Returns `early` (a diff
        that spans it is still to come: ask again then), `unneeded` (it tells nothing new, or no diff that
        spans it is remembered), `filled`, `late` (filled, but levels were missing among the best `TIERS`)
        or `differs` (where both know the book they do not agree; nothing is changed)."""
        if last_id > self.last:
            return "early"
        other = Synchronizer(self.book.fresh())
        for one in self._recent:
            if isinstance(one, Diff):
                other.on_diff(one)
            else:
                other.on_frame(one)
        if other.on_snapshot(last_id, bids, asks) != "live":
            return "unneeded"
        ours, theirs = self.book, other.book
        more_bids = _more(ours.bid_sizes, theirs.bid_sizes, self.reach.knows_bid, other.reach.knows_bid)
        more_asks = _more(ours.ask_sizes, theirs.ask_sizes, self.reach.knows_ask, other.reach.knows_ask)
        if more_bids is None or more_asks is None:
            return "differs"
        best = ours.bids(TIERS)[::2], ours.asks(TIERS)[::2]
        self.reach.extend(other.reach)
        if not more_bids and not more_asks:
            return "unneeded"
        ours.apply(more_bids, more_asks)
        return "filled" if (ours.bids(TIERS)[::2], ours.asks(TIERS)[::2]) == best else "late"

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
                    self._apply(follower)  # the others came twice, or late
        if buffer:  # older than what was buffered, or a diff was lost among the buffered ones
            self.has_snapshot = False
            return "retry"
        self.is_live = True
        self.has_snapshot = False
        return "live"

    def _apply(self, diff: Diff) -> None:
        self.book.apply(diff.bids, diff.asks)
        self.last = diff.last
        self.exchange_ns = diff.exchange_ns


def _more(
    ours: dict[int, int],
    theirs: dict[int, int],
    we_know: Callable[[int], bool],
    they_know: Callable[[int], bool],
) -> list[Level] | None:
    """The levels that only they have; None where one is missing, or another, that would have to be there."""
    if any(theirs.get(price) != size for price, size in ours.items() if they_know(price)):
        return None
    more = [(price, size) for price, size in theirs.items() if price not in ours]
    return None if any(we_know(price) for price, _ in more) else more
