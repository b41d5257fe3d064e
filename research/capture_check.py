"""One symbol of a raw recording, checked line by line: the collector's own core, and two counts beside it.

The core builds the book and compares it with bookTicker, as it does live. Beside it the ids of diffs and of
trades are followed whether or not there is a book, so that a recording without a snapshot is checked as far
as it can be, and each loss is counted once, also while the book waits for a snapshot.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

import msgspec

from services.collector.core import CollectorCore
from services.collector.feed import Feed, Out, Output
from services.collector.sync import BUFFER_LIMIT
from services.venue.lines import Line
from shared.errors import BadFrame
from shared.messages import Lob
from shared.units import SECOND, Parser, Scale

NAMED = 5  # of each kind of problem, the first are named
BOOK_KINDS = ("depth", "bookTicker", "aggTrade", "markPrice")


class _Ids(msgspec.Struct):
    U: int
    u: int
    pu: int | None = None


class _Trade(msgspec.Struct):
    p: str
    q: str
    t: int | None = None
    a: int | None = None


class _Snapshot(msgspec.Struct):
    lastUpdateId: int


_ids = msgspec.json.Decoder(_Ids)
_trade = msgspec.json.Decoder(_Trade)
_snapshot = msgspec.json.Decoder(_Snapshot)


class SymbolCheck:
    """The lines of one symbol. `problems` names the first of each kind, with where they are."""

    def __init__(self, symbol: str, scale: Scale) -> None:
        self.symbol, self.scale = symbol, scale
        self.frames: defaultdict[str, int] = defaultdict(int)
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.problems: defaultdict[str, list[str]] = defaultdict(list)
        self.first_ns = self.last_ns = 0
        self._core_counts: defaultdict[str, int] = defaultdict(int)
        self._core = CollectorCore({symbol: scale}, self._core_counts)
        self._parser = Parser(scale)
        self._last_u: int | None = None
        self._last_ids: dict[str, int] = {}  # of trades and of aggTrades
        # `u` of the diffs since the book was last whole; the core keeps no more of them for a snapshot
        self._waiting: deque[int] = deque(maxlen=BUFFER_LIMIT)
        self._snapshot_id = 0  # of the last snapshot
        self._depth_ns: int | None = None  # when the last diff came
        self._silence_ns = 0  # the longest time between two diffs

    def add(self, line: Line, place: str) -> None:
        """Take one line; `place` names it for a person."""
        self.first_ns = line.recv_ns if not self.frames else min(self.first_ns, line.recv_ns)
        self.last_ns = max(self.last_ns, line.recv_ns)
        self.frames[line.kind] += 1
        new: int | None = None  # `u` of a diff that is not one again
        try:
            if line.kind == "depth":
                new = self._depth(line, place)
            elif line.kind in ("trade", "aggTrade"):
                self._tape(line, place)
            elif line.kind == "snapshot":
                self._take_snapshot(line)
            if line.kind in BOOK_KINDS:
                self._see(self._core.frame(line.recv_ns, f"{self.symbol.lower()}@{line.kind}", line.data))
            elif line.kind == "other":
                self._check_other(line)
            if new is not None:
                self._waiting.append(new)
        except (BadFrame, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._problem("parked", f"{place}: {error}")
        if line.kind == "depth" and self._feed.sync.is_live and self._waiting:
            self._applied()

    @property
    def _feed(self) -> Feed:
        return self._core.feeds[self.symbol]

    def _depth(self, line: Line, place: str) -> int | None:
        if self._depth_ns is not None:
            self._silence_ns = max(self._silence_ns, line.recv_ns - self._depth_ns)
        self._depth_ns = line.recv_ns
        ids = _ids.decode(line.data)
        previous = ids.U - 1 if ids.pu is None else ids.pu
        if self._last_u is not None and ids.u <= self._last_u:
            self.counts["depth_duplicates"] += 1
            return None
        if self._last_u is not None and previous != self._last_u:
            self._problem("gaps", f"{place}: pu {previous} after u {self._last_u}")
        self._last_u = ids.u
        return ids.u

    def _tape(self, line: Line, place: str) -> None:
        trade = _trade.decode(line.data)
        price, size = self._parser.ticks(trade.p), self._parser.lots(trade.q)
        number = trade.t if line.kind == "trade" else trade.a
        if number is None:
            raise BadFrame(f"a {line.kind} without its id")
        if price == 0 or size == 0:
            self.counts["zero_trades"] += 1
        last = self._last_ids.get(line.kind)
        if last is not None and number <= last:
            self.counts["trade_duplicates"] += 1
            return
        if last is not None and number != last + 1:
            self._problem("trade_id_gaps", f"{place}: {line.kind} {number} after {last}")
            self.counts["trade_ids_missing"] += number - last - 1
        self._last_ids[line.kind] = number

    def _take_snapshot(self, line: Line) -> None:
        outputs = self._core.snapshot(line.recv_ns, self.symbol, line.data)
        self._snapshot_id = _snapshot.decode(line.data).lastUpdateId
        if self._feed.sync.is_live and self._waiting:
            self._applied()
        self._see(outputs)

    def _applied(self) -> None:
        """The book is whole: of what waited, the diffs that end below the snapshot's id were left out."""
        self.counts["depth_applied"] += sum(u >= self._snapshot_id for u in self._waiting)
        self._waiting.clear()

    def _check_other(self, line: Line) -> None:
        try:
            msgspec.json.decode(line.data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadFrame(f"not JSON: {error}") from error

    def _see(self, outputs: list[Output]) -> None:
        self.counts["lobs"] += sum(isinstance(one, Out) and isinstance(one.message, Lob) for one in outputs)

    def _problem(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        if len(self.problems[kind]) < NAMED:
            self.problems[kind].append(text)

    def book_state(self) -> str:
        """`whole`, or why the book was not checked, or not to the end."""
        if not self.frames["depth"]:
            return "not checked: there is no depth stream"
        if not self.frames["snapshot"]:
            return "not checked: there is no depth snapshot to begin from (ids were followed all the same)"
        if not self.counts["lobs"]:
            return "never whole: no snapshot fits the diffs"
        return "whole" if self._feed.sync.is_live else "not whole at the end: no snapshot after a loss"

    def result(self) -> dict[str, Any]:
        """What was found, as JSON takes it."""
        counts, core = self.counts, self._core_counts
        return {
            "tick": self.scale.price_text(1),
            "lot": self.scale.size_text(1),
            "frames": dict(sorted(self.frames.items())),
            "book": self.book_state(),
            "snapshots": self.frames["snapshot"],
            "snapshots_differ": core["snapshots_differs"],
            "depth_applied": counts["depth_applied"],
            "depth_duplicates": counts["depth_duplicates"],
            "gaps": counts["gaps"],
            "crossed": core["crossed"],
            "bbo_checked": core["bbo_checked"],
            "bbo_agree": core["bbo_agree"],
            "bbo_late_checked": core["bbo_late_checked"],
            "bbo_late_agree": core["bbo_late_agree"],
            "trade_id_gaps": counts["trade_id_gaps"],
            "trade_ids_missing": counts["trade_ids_missing"],
            "trade_duplicates": counts["trade_duplicates"],
            "zero_trades": counts["zero_trades"],
            "parked": counts["parked"],
            "lobs": counts["lobs"],
            "longest_depth_silence_seconds": round(self._silence_ns / SECOND, 3),
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
        }
