"""The recorded market of one symbol: its book by the venue's rule, its mark price and its funding.

The book is whole from a snapshot on, as long as each diff names its predecessor (`pu`). A gap voids it
until a later snapshot. Diffs wait for a snapshot, because some that follow it are recorded before it.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

import msgspec

from services.venue.events import Instrument
from services.venue.funding import Marks
from shared.book import Book, Level
from shared.errors import BadFrame
from shared.units import E9, Parser

WAITING_DIFFS = 2000  # kept while there is no snapshot


class Diff(msgspec.Struct):
    """`depthUpdate`; the venue's keys."""

    U: int
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    pu: int | None = None

    @property
    def previous(self) -> int:
        """The `u` of the diff before. Spot sends no `pu`: its ids are dense."""
        return self.U - 1 if self.pu is None else self.pu


class Snapshot(msgspec.Struct):
    """The answer of `GET /fapi/v1/depth`."""

    lastUpdateId: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    E: int = 0
    T: int = 0


class _Trade(msgspec.Struct):
    p: str
    q: str
    m: bool


_diff = msgspec.json.Decoder(Diff)
_snapshot = msgspec.json.Decoder(Snapshot)
_trade = msgspec.json.Decoder(_Trade)


class Market:
    """Book and mark of one symbol. `is_whole` says whether the book can be relied on."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.scale = instrument.scale
        self.book = Book()
        self.is_whole = False
        self.last_update_id = 0
        self._is_fresh = False  # whether no diff was applied since the snapshot
        self._parser = Parser(self.scale)
        self._waiting: deque[Diff] = deque(maxlen=WAITING_DIFFS)
        self.marks = Marks()
        self._lost_middle: Decimal | None = None  # the middle when the book was last lost

    @property
    def mark(self) -> Decimal | None:
        """The recorded mark price where there is one, else the middle of the book; None before either."""
        if self.marks.price is not None:
            return self.marks.price
        bid, ask = self.book.best_bid, self.book.best_ask
        if bid is None or ask is None:
            return self._lost_middle
        return Decimal((bid[0] + ask[0]) * self.scale.tick_e9) / Decimal(2 * E9)

    def on_depth(self, data: bytes) -> tuple[list[Level], list[Level]] | None:
        """Apply a diff. Returns the levels it touched, or None where the book is not whole."""
        try:
            diff = _diff.decode(data)
            if not self.is_whole:
                self._waiting.append(diff)
                return None
            if self._is_fresh and diff.u < self.last_update_id:
                return [], []
            if not self._follows(diff):
                self._lose()
                self._waiting.append(diff)
                return None
            return self._apply(diff)
        except (msgspec.MsgspecError, BadFrame):
            self._lose()  # what it said is lost, and that is a gap
            return None

    def on_snapshot(self, data: bytes) -> bool:
        """Take a snapshot where the book needs one. Returns whether it is whole because of this one."""
        if self.is_whole:
            return False
        try:
            snapshot = _snapshot.decode(data)
            bids, asks = self._parser.levels(snapshot.bids), self._parser.levels(snapshot.asks)
        except (msgspec.MsgspecError, BadFrame):
            return False  # the frame is passed on all the same; the collector counts and parks it
        self.book.load(bids, asks)
        self.last_update_id, self.is_whole, self._is_fresh = snapshot.lastUpdateId, True, True
        waiting, self._waiting = list(self._waiting), deque(maxlen=WAITING_DIFFS)
        for diff in waiting:
            if diff.u < snapshot.lastUpdateId:
                continue
            if not self._follows(diff):
                self._lose()
                return False
            self._apply(diff)
        return True

    def trade(self, data: bytes) -> tuple[int, int, bool] | None:
        """(price_ticks, lots, is_buyer_maker) of an aggTrade, or None where it says no such thing."""
        try:
            trade = _trade.decode(data)
            return self._parser.ticks(trade.p), self._parser.lots(trade.q), trade.m
        except (msgspec.MsgspecError, BadFrame):
            return None

    def levels(self, sign: int, count: int) -> list[Level]:
        """(price_ticks, lots) of the best `count` levels, best first; bids for +1, asks for -1."""
        flat = self.book.bids(count) if sign > 0 else self.book.asks(count)
        return list(zip(flat[::2], flat[1::2], strict=True))

    def _follows(self, diff: Diff) -> bool:
        """The venue's rule: the first spans the snapshot, each later one names its predecessor."""
        if diff.previous == self.last_update_id:
            return True
        return self._is_fresh and diff.U <= self.last_update_id <= diff.u

    def _apply(self, diff: Diff) -> tuple[list[Level], list[Level]]:
        bids, asks = self._parser.levels(diff.b), self._parser.levels(diff.a)
        self.book.apply(bids, asks)
        self.last_update_id, self._is_fresh = diff.u, False
        return bids, asks

    def _lose(self) -> None:
        self._lost_middle = self.mark
        self.is_whole = False
        self.book.clear()
        self._waiting.clear()
