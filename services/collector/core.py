"""The collector's core (pure): frames, snapshots and the time in; entries and wishes for snapshots out.

A frame that cannot be used raises BadFrame and changes nothing; if it was a diff, the next one shows the gap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping

from services.collector.facts import convert
from services.collector.feed import Feed, Output, Resume
from services.collector.wire import parse, parse_snapshot, split_stream
from shared.errors import BadFrame
from shared.units import Scale

SPEEDS = ("", "@0ms", "@100ms", "@250ms", "@500ms")  # of a stream of diffs, as its name ends


class CollectorCore:
    """All symbols of one collector. `counts` receives its totals; `resume` says where streams stand."""

    def __init__(
        self,
        scales: Mapping[str, Scale],
        counts: MutableMapping[str, int],
        resume: Mapping[str, Resume] | None = None,
    ) -> None:
        self.counts = counts
        self.feeds = {
            symbol: Feed(symbol, scale, counts, (resume or {}).get(symbol))
            for symbol, scale in scales.items()
        }
        self._of_diffs = {
            f"{symbol.lower()}@depth{speed}": feed for symbol, feed in self.feeds.items() for speed in SPEEDS
        }
        self._is_started = False

    def frame(self, recv_ns: int, stream: str, data: bytes) -> list[Output]:
        """One frame: `stream` as the venue names it, `data` the JSON bytes of its payload."""
        self.counts["frames"] += 1
        feed = self._of_diffs.get(stream)
        if feed is not None and self._is_started:
            out = feed.diff(recv_ns, data)
            if out is not None:
                return out
        symbol, kind = split_stream(stream)
        feed = self.feeds.get(symbol)
        if feed is None:
            raise BadFrame(f"frame of {symbol[:40]!r}, which was not asked for")
        fact = convert(parse(kind, symbol, data), feed.parser)
        return self._started(recv_ns) + feed.fact(recv_ns, fact)

    def snapshot(self, recv_ns: int, symbol: str, data: bytes) -> list[Output]:
        """A depth snapshot's body. A malformed one counts as failed and raises BadFrame."""
        feed = self.feeds[symbol]
        try:
            parsed = parse_snapshot(data)
            bids, asks = feed.parser.levels(parsed.bids), feed.parser.levels(parsed.asks)
        except BadFrame:
            feed.snapshot_failed(recv_ns)
            raise
        return feed.snapshot(recv_ns, parsed.last_id, bids, asks)

    def snapshot_failed(self, recv_ns: int, symbol: str) -> list[Output]:
        """A snapshot could not be had."""
        return self.feeds[symbol].snapshot_failed(recv_ns)

    def short(self) -> list[str]:
        """The symbols whose market comes near levels that no snapshot told."""
        return [symbol for symbol, feed in self.feeds.items() if feed.sync.is_short]

    def tick(self, now_ns: int) -> list[Output]:
        """Time has come to `now_ns` and no frame before it is outstanding."""
        out: list[Output] = []
        if self._is_started:
            for feed in self.feeds.values():
                out += feed.advance(now_ns)
        return out

    def lost(
        self, recv_ns: int, what: str, reason: str, symbols: Collection[str] | None = None
    ) -> list[Output]:
        """A socket was lost: `what` is `book` or `tape`, of `symbols` (None: of all)."""
        out: list[Output] = []
        if self._is_started:
            for feed in self.feeds.values():
                if symbols is None or feed.symbol in symbols:
                    out += feed.advance(recv_ns - 1)
                    out += (feed.lost_book if what == "book" else feed.lost_tape)(recv_ns, reason)
        return out

    def stale(self, recv_ns: int, symbol: str, kind: str, reason: str) -> list[Output]:
        """A stream that should send is silent; see `Feed.stale`."""
        return self.feeds[symbol].stale(recv_ns, kind, reason) if self._is_started else []

    def begin(self, recv_ns: int) -> list[Output]:
        """Let time begin, where a frame of another symbol has begun it (a recording of one symbol knows)."""
        return self._started(recv_ns)

    def _started(self, recv_ns: int) -> list[Output]:
        """With the first frame of any symbol the time of all begins, so that no stream stands still."""
        if self._is_started:
            return []
        self._is_started = True
        out: list[Output] = []
        for feed in self.feeds.values():
            out += feed.start(recv_ns, "no book yet")
        return out
