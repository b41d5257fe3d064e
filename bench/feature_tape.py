"""A recording in memory as integers: what a feature benchmark steps through, and the same for hftbacktest.

Every level of every diff is there, not the best 20 alone, and every aggregated trade; both as the collector
took them. Only one stretch is kept: from the first whole book to the first gap, or to the end.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.symbol import symbol_of
from research.hft_events import BUY, DEPTH, EVENT, SELL, SNAPSHOT, TRADE, Events, in_both_orders
from services.collector.core import CollectorCore
from services.collector.facts import Diff, convert
from services.collector.feed import Out
from services.collector.wire import parse
from services.features import kernel
from services.features.continuity import MARKET_KINDS, Continuity
from services.features.state import Ints
from services.venue.events import Event
from services.venue.recording import scan, timeline
from shared.book import Level
from shared.errors import BadFrame, BadInput
from shared.messages import AggTrade, Lob
from shared.units import E9, Parser, Scale

QUIET = -1  # a diff that gave no `Lob`: its levels count, there is no vector after it
EVERY = 5_000  # frames between two calls of `progress`


class Tape(NamedTuple):
    """bids, asks: the book at the beginning. events: (n, 7), the kind (`kernel.TRADE`, `LOB`, `FIRST_LOB` or
    QUIET), recv_ns, exchange_ns, then of a trade its signed size and its price, of a diff the place of its
    first level, and how many of its levels are bids and asks. levels: (2 m,), price and size of each level,
    ticks and lots."""

    symbol: str
    scale: Scale
    bids: list[Level]
    asks: list[Level]
    events: Ints
    levels: Ints

    @property
    def updates(self) -> int:
        """Level updates and trades: what both sides of the comparison count."""
        return len(self.levels) // 2 + int((self.events[:, 0] == kernel.TRADE).sum())

    @property
    def vectors(self) -> int:
        """How many vectors it gives."""
        return int(np.isin(self.events[:, 0], (kernel.LOB, kernel.FIRST_LOB)).sum())


class _Recorder:
    """Takes one symbol's events to a tape."""

    def __init__(self, symbol: str, scale: Scale) -> None:
        self.symbol, self.scale = symbol, scale
        self.core = CollectorCore({symbol: scale}, defaultdict(int))
        self.sync = self.core.feeds[symbol].sync
        self.continuity = Continuity()
        self.book: tuple[list[Level], list[Level]] | None = None  # at the beginning, once that has come
        self.events, self.levels = array("q"), array("q")
        self._parser = Parser(scale)
        self._is_wanted = False  # the core asked for a snapshot

    def take(self, event: Event) -> bool:
        """One event. False where the stretch is over."""
        if event.kind == "snapshot":
            if not self._is_wanted:
                return True  # nobody asked for it
            self._is_wanted = False
            outputs = self.core.snapshot(event.recv_ns, event.symbol, event.data)
        else:
            outputs = self.core.frame(event.recv_ns, f"{self.symbol.lower()}@{event.kind}", event.data)
        lob, first = None, False
        for output in outputs:
            message = output.message if isinstance(output, Out) else None
            if not isinstance(message, MARKET_KINDS):
                self._is_wanted = self.book is None  # a book that is whole stays as it is
                continue
            is_first = self.continuity.follow(message)
            if isinstance(message, Lob):
                lob, first = message, is_first
            elif isinstance(message, AggTrade) and self.book is not None:
                signed_lots = message.side * message.size_lots
                times = message.recv_ns, message.exchange_ns
                self._add(kernel.TRADE, *times, signed_lots, message.price_ticks)
        if self.book is None:
            if lob is not None:
                book = self.sync.book
                self.book = list(book.bid_sizes.items()), list(book.ask_sizes.items())
                self._add(kernel.FIRST_LOB, lob.recv_ns, lob.exchange_ns)
            return True
        if event.kind == "depth" and self.sync.is_live:
            self._diff(event, lob, first)
        return self.sync.is_live

    def _diff(self, event: Event, lob: Lob | None, is_first: bool) -> None:
        diff = convert(parse("depth", self.symbol, event.data), self._parser)
        if not isinstance(diff, Diff) or diff.last != self.sync.last:
            return  # one that the book has seen already
        kind = QUIET if lob is None else kernel.FIRST_LOB if is_first else kernel.LOB
        at = len(self.levels)
        for level in (*diff.bids, *diff.asks):
            self.levels.extend(level)
        recv_ns = event.recv_ns if lob is None else lob.recv_ns
        self._add(kind, recv_ns, diff.exchange_ns, at, len(diff.bids), len(diff.asks))

    def _add(self, *facts: int) -> None:
        self.events.extend((*facts, *(0,) * (7 - len(facts))))


def load(files: Sequence[Path], symbol: str | None, progress: Callable[[str, float], None]) -> Tape:
    """The tape of one symbol; `symbol` is needed where the recording holds several. Raises BadInput where no
    book becomes whole."""
    progress("reading", 0.0)
    instruments = scan(files)
    symbol = symbol_of(instruments, symbol)
    recorder = _Recorder(symbol, instruments[symbol].scale)
    span_ns = max(1, instruments[symbol].last_ns - instruments[symbol].first_ns)
    for number, event in enumerate(timeline(files, instruments)):
        if event.symbol != symbol:
            continue
        try:
            if not recorder.take(event):
                break
        except BadFrame:
            continue  # as in the service, where it is parked
        if number % EVERY == 0:
            progress("reading", (event.recv_ns - instruments[symbol].first_ns) / span_ns)
    if recorder.book is None:
        raise BadInput(f"the book of {symbol} never becomes whole: no snapshot fits the diffs")
    events = np.array(recorder.events, np.int64).reshape(-1, 7)
    levels = np.array(recorder.levels, np.int64)
    return Tape(symbol, recorder.scale, *recorder.book, events, levels)


def hft_events(tape: Tape) -> Events:
    """The tape as hftbacktest's events: the book as a snapshot, then each level and trade, in both orders."""
    tick, lot = tape.scale.tick_e9 / E9, tape.scale.lot_e9 / E9
    is_trade = tape.events[:, 0] == kernel.TRADE
    diffs, trades = tape.events[~is_trade], tape.events[is_trade]
    counts = diffs[:, 4] + diffs[:, 5]
    of = np.repeat(np.arange(len(diffs)), counts)  # the diff of each level
    rank = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)  # and its place there
    rows = np.zeros(len(of), EVENT)
    side = np.where(rank < diffs[of, 4], BUY, SELL)
    rows["ev"] = DEPTH | side
    rows["local_ts"], rows["exch_ts"] = diffs[of, 1], diffs[of, 2]
    rows["px"], rows["qty"] = tape.levels[::2] * tick, tape.levels[1::2] * lot
    told = np.zeros(len(trades), EVENT)
    told["ev"] = TRADE | np.where(trades[:, 3] > 0, BUY, SELL)
    told["local_ts"], told["exch_ts"] = trades[:, 1], trades[:, 2]
    told["px"], told["qty"] = trades[:, 4] * tick, np.abs(trades[:, 3]) * lot
    book = [
        (price, size, flag) for flag, side in ((BUY, tape.bids), (SELL, tape.asks)) for price, size in side
    ]
    begin = np.zeros(len(book), EVENT)
    begin["ev"] = [SNAPSHOT | flag for _, _, flag in book]
    begin["local_ts"], begin["exch_ts"] = tape.events[0, 1:3]
    begin["px"] = [price * tick for price, _, _ in book]
    begin["qty"] = [size * lot for _, size, _ in book]
    # In the order in which they came: the levels of a diff at its place among the trades.
    place = np.flatnonzero(~is_trade)[of], np.flatnonzero(is_trade)
    order = np.argsort(np.concatenate(place), kind="stable")
    rows = np.concatenate([begin, np.concatenate([rows, told])[order]])
    behind_ns = max(0, int((rows["exch_ts"] - rows["local_ts"]).max()))
    rows["local_ts"] += behind_ns  # none may arrive before it was sent
    return in_both_orders(rows)
