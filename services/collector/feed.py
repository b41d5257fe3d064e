"""One symbol's entries: ids, `seq`, `epoch`, heartbeats, and what each frame becomes (pure)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import MutableMapping
from functools import partial
from typing import NamedTuple

from services.collector.facts import Best, Diff, Fact, Mark, Trade
from services.collector.ladder import Ladder
from services.collector.sync import Synchronizer
from shared.book import Level
from shared.errors import Conflict
from shared.messages import AggTrade, FeedStatus, Heartbeat, Lob, MarkPrice, Message
from shared.streams import format_id
from shared.units import MS, SECOND, Parser, Scale

HEARTBEAT_NS = 100 * MS
MAX_HEARTBEATS = 600  # after a jump of the clock (a suspended laptop) only the last minute is filled in
SNAPSHOT_PAUSE_NS = SECOND  # between a failed snapshot and the next try
REORDERED_NS = 10 * SECOND  # a mark price this much older than the last is late; more, and the clock was set
CLOCK_BEHIND_NS = 5 * SECOND  # a stream that ends this far in our future belongs to another clock
TICKERS_KEPT = 512


class Out(NamedTuple):
    """One entry to publish."""

    symbol: str
    entry_id: str
    message: Message


class WantSnapshot(NamedTuple):
    """The shell is to fetch a depth snapshot of `symbol`."""

    symbol: str


Output = Out | WantSnapshot
_out = partial(tuple.__new__, Out)  # from a tuple: a third of the time that the class itself takes


class Resume(NamedTuple):
    """Where the stream of a symbol stands when a collector starts on it."""

    seq: int
    epoch: int
    recv_ns: int
    ms: int
    n: int


class Feed:
    """State of one symbol. Methods return what is to be published, in order."""

    def __init__(
        self, symbol: str, scale: Scale, counts: MutableMapping[str, int], resume: Resume | None
    ) -> None:
        self.symbol = symbol
        self.scale = scale
        self.counts = counts
        self.sync = Synchronizer(Ladder(symbol, scale))
        self.parser = Parser(scale)
        self.seq = resume.seq + 1 if resume else 0  # of the next entry
        self.epoch = resume.epoch + 1 if resume else 0
        self.last_ns = resume.recv_ns if resume else 0  # `recv_ns` of the last entry
        self._ms, self._n = (resume.ms, resume.n) if resume else (0, -1)  # id of the last entry
        self._agg_id: int | None = None  # of the last aggTrade
        self._mark_ns = 0  # event time of the last mark price
        self._stale: set[str] = set()  # inputs that are silent: a kind of stream, or `tape` while it is lost
        self._is_waiting = False  # a snapshot was asked for and has not come
        self._retry_ns = 0  # no snapshot is asked for before this time
        self._more: tuple[int, list[Level], list[Level]] | None = None  # a snapshot to fill the book from
        self._tickers: OrderedDict[int, Best] = OrderedDict()  # by `u`, newest last

    def start(self, now_ns: int, reason: str) -> list[Output]:
        """The first entry: the feed begins without a book. Raises Conflict where the stream's last entry is
        later than now: ids would fall below it."""
        if now_ns + CLOCK_BEHIND_NS < self.last_ns:
            raise Conflict(
                f"the market stream of {self.symbol} ends {(self.last_ns - now_ns) / SECOND:.1f} s later "
                "than this feed begins: ids would be below the stream's last; use another LOBFLOW_RUN_ID"
            )
        return [self._status(now_ns, "syncing", reason)]

    def advance(self, now_ns: int) -> list[Output]:
        """The heartbeats due strictly before or at `now_ns`: multiples of 100 ms after the last entry."""
        due = (now_ns - self.last_ns) // HEARTBEAT_NS
        if due <= 0:
            return []
        if due > MAX_HEARTBEATS:
            self.counts["heartbeats_skipped"] += due - MAX_HEARTBEATS
            self.last_ns += (due - MAX_HEARTBEATS) * HEARTBEAT_NS
            due = MAX_HEARTBEATS
        return [self._heartbeat(self.last_ns + HEARTBEAT_NS) for _ in range(due)]

    def fact(self, recv_ns: int, fact: Fact) -> list[Output]:
        """What one frame becomes, after the heartbeats due before it."""
        # A heartbeat due at this very time is not "before": the frame's own entry takes its place.
        out = self.advance(recv_ns - 1)
        if isinstance(fact, Diff):
            out += self._depth(recv_ns, self.sync.on_diff(fact))
        elif isinstance(fact, Best):
            self._ticker(fact)
        elif isinstance(fact, Trade):
            out += self._trade(recv_ns, fact)
        else:
            out += self._mark(recv_ns, fact)
        return out

    def diff(self, recv_ns: int, data: bytes) -> list[Output] | None:
        """As `fact`, with the bytes of a diff. None, and nothing is changed, where their shape is unusual."""
        result = self.sync.on_frame(data)
        if result is None:
            return None
        if recv_ns - self.last_ns > HEARTBEAT_NS:
            return self.advance(recv_ns - 1) + self._depth(recv_ns, result)
        return self._depth(recv_ns, result)

    def snapshot(self, recv_ns: int, last_id: int, bids: list[Level], asks: list[Level]) -> list[Output]:
        """A snapshot came."""
        out = self.advance(recv_ns - 1)
        self._is_waiting = False
        if self.sync.is_live:  # asked for to fill the book, or before it became whole
            self._more = last_id, bids, asks
            return out + self._fill(recv_ns)
        self.counts["snapshots"] += 1
        result = self.sync.on_snapshot(last_id, bids, asks)
        if result == "live":
            out += self._whole(recv_ns)
        elif result == "retry":
            self.counts["snapshots_too_old"] += 1
            out += self._ask(recv_ns)
        return out

    def snapshot_failed(self, recv_ns: int) -> list[Output]:
        """No snapshot came; another is asked for with a diff that comes at least a second later."""
        self._is_waiting = False
        self._retry_ns = recv_ns + SNAPSHOT_PAUSE_NS
        self.counts["snapshots_failed"] += 1
        return []

    def lost_book(self, recv_ns: int, reason: str) -> list[Output]:
        """The book's socket was lost: a gap if there was a book, and a new start in any case."""
        was_live = self.sync.is_live
        self.sync.reset()
        self._is_waiting = False
        return self._gap(recv_ns, reason) if was_live else []

    def lost_tape(self, recv_ns: int, reason: str) -> list[Output]:
        """The tape's socket was lost: trades are missing until it sends again."""
        self._agg_id = None
        self._mark_ns = 0
        self._stale = self._stale - {"aggTrade", "markPrice"} | {"tape"}
        return self._gap(recv_ns, reason)

    def stale(self, recv_ns: int, kind: str, reason: str) -> list[Output]:
        """Stream `kind` (`depth`, `aggTrade` or `markPrice`) is silent although it should not be. No `Lob`
        follows until it sends again; a book begins anew, from a snapshot."""
        out = self.advance(recv_ns - 1)
        if kind in self._stale or (kind != "depth" and "tape" in self._stale):
            return out
        if kind == "depth":
            self.sync.reset()
            self._is_waiting = False
        self._stale.add(kind)
        self.counts["stale"] += 1
        self.epoch += 1
        return [*out, self._status(recv_ns, "stale", reason)]

    def _depth(self, recv_ns: int, result: str) -> list[Output]:
        """What follows from what the synchronizer made of a diff."""
        self.counts["depth"] += 1
        if result == "applied":
            if self._more is None:
                return self._publish_book(recv_ns)
            filled = self._fill(recv_ns)
            return filled + self._publish_book(recv_ns) if self.sync.is_live else filled
        if result == "live":
            return self._whole(recv_ns)
        if result == "old":
            self.counts["depth_old"] += 1
            return []
        if result == "retry":
            self.counts["snapshots_too_old"] += 1
        gap = self._gap(recv_ns, f"depth: {self.sync.gap}") if result == "gap" else []
        return gap + self._ask(recv_ns)

    def _fill(self, recv_ns: int) -> list[Output]:
        """What follows from a snapshot that came while the book was whole."""
        assert self._more is not None
        result = self.sync.fill(*self._more)
        if result == "early":
            return []
        self._more = None
        self.counts[f"snapshots_{result}"] += 1
        if result == "late":
            gap = self._gap(recv_ns, "depth: the market reached levels that no snapshot had told")
            return gap + self._live(recv_ns, "book filled")
        if result == "differs":
            self.sync.reset()
            return self._gap(recv_ns, f"depth: the book at u {self.sync.last} differs from a snapshot")
        return []

    def _ask(self, recv_ns: int) -> list[Output]:
        if self._is_waiting or self.sync.has_snapshot or recv_ns < self._retry_ns:
            return []
        self._is_waiting = True
        return [WantSnapshot(self.symbol)]

    def _whole(self, recv_ns: int) -> list[Output]:
        self._stale.discard("depth")
        return self._live(recv_ns, f"book whole at u {self.sync.last}") + self._publish_book(recv_ns)

    def _live(self, recv_ns: int, reason: str) -> list[Output]:
        """`live`, if the book is whole and no input is silent."""
        return [] if self._stale or not self.sync.is_live else [self._status(recv_ns, "live", reason)]

    def _heard(self, recv_ns: int, kind: str) -> list[Output]:
        """The tape has sent a frame of `kind`: what was waited for is there."""
        if not self._stale & {"tape", kind}:
            return []
        self._stale -= {"tape", kind}
        return self._live(recv_ns, f"{kind} flows again")

    def _publish_book(self, recv_ns: int) -> list[Output]:
        book = self.sync.book
        is_two_sided = book.n_bids > 0 and book.n_asks > 0
        if is_two_sided and book.is_crossed:
            self.counts["crossed"] += 1
            self.sync.reset()
            self.epoch += 1
            return [self._status(recv_ns, "crossed", f"best bid at or above best ask at u {self.sync.last}")]
        if self.sync.last in self._tickers:
            self._compare("bbo")
        if self._stale:
            return []
        if not is_two_sided:
            self.counts["one_sided"] += 1
            return []
        bids, asks = book.packed()
        recv_ns, entry_id = self._stamp(recv_ns)
        message = Lob(
            seq=self._next_seq(),
            epoch=self.epoch,
            exchange_ns=self.sync.exchange_ns,
            recv_ns=recv_ns,
            update_id=self.sync.last,
            tick_e9=self.scale.tick_e9,
            lot_e9=self.scale.lot_e9,
            bids=bids,
            asks=asks,
        )
        return [_out((self.symbol, entry_id, message))]

    def _ticker(self, best: Best) -> None:
        self.counts["book_ticker"] += 1
        self._tickers[best.update_id] = best
        if len(self._tickers) > TICKERS_KEPT:
            self._tickers.popitem(last=False)
        if self.sync.is_live and best.update_id == self.sync.last:
            self._compare("bbo_late")

    def _compare(self, name: str) -> None:
        """The two streams share one id space: where they meet at `u`, the best levels must agree. `name`
        tells tickers that came before their diff (`bbo`) from those that came after it (`bbo_late`)."""
        best = self._tickers.pop(self.sync.last, None)
        if best is None:
            return
        bid, ask = self.sync.book.best_bid, self.sync.book.best_ask
        self.counts[f"{name}_checked"] += 1
        if bid is not None and ask is not None and best[1:] == (*bid, *ask):
            self.counts[f"{name}_agree"] += 1

    def _trade(self, recv_ns: int, trade: Trade) -> list[Output]:
        self.counts["agg_trade"] += 1
        if self._agg_id is not None and trade.agg_id <= self._agg_id:
            self.counts["agg_trade_old"] += 1
            return []
        out: list[Output] = []
        if self._agg_id is not None and trade.agg_id != self._agg_id + 1:
            out += self._gap(recv_ns, f"aggTrade: id {trade.agg_id} after {self._agg_id}")
            self._stale -= {"tape", "aggTrade"}
            out += self._live(recv_ns, "book whole, tape resumed")
        else:
            out += self._heard(recv_ns, "aggTrade")
        self._agg_id = trade.agg_id
        if trade.price_ticks == 0 or trade.size_lots == 0:
            self.counts["agg_trade_zero"] += 1  # the venue does send them; they are no trade
            return out
        recv_ns, entry_id = self._stamp(recv_ns)
        message = AggTrade(
            seq=self._next_seq(),
            epoch=self.epoch,
            exchange_ns=trade.exchange_ns,
            recv_ns=recv_ns,
            agg_id=trade.agg_id,
            first_id=trade.first_id,
            last_id=trade.last_id,
            price_ticks=trade.price_ticks,
            size_lots=trade.size_lots,
            side=trade.side,
            tick_e9=self.scale.tick_e9,
            lot_e9=self.scale.lot_e9,
        )
        return [*out, Out(self.symbol, entry_id, message)]

    def _mark(self, recv_ns: int, mark: Mark) -> list[Output]:
        if 0 <= self._mark_ns - mark.exchange_ns < REORDERED_NS:
            self.counts["mark_price_old"] += 1  # sent twice, or overtaken by a later one
            return []
        self._mark_ns = mark.exchange_ns
        out = self._heard(recv_ns, "markPrice")
        recv_ns, entry_id = self._stamp(recv_ns)
        message = MarkPrice(
            seq=self._next_seq(),
            epoch=self.epoch,
            exchange_ns=mark.exchange_ns,
            recv_ns=recv_ns,
            mark_e9=mark.mark_e9,
            index_e9=mark.index_e9,
            funding_rate_e9=mark.funding_rate_e9,
            next_funding_ns=mark.next_funding_ns,
        )
        return [*out, Out(self.symbol, entry_id, message)]

    def _gap(self, recv_ns: int, reason: str) -> list[Output]:
        self.counts["gaps"] += 1
        self.epoch += 1
        return [self._status(recv_ns, "gap", reason)]

    def _status(self, recv_ns: int, state: str, reason: str) -> Out:
        recv_ns, entry_id = self._stamp(recv_ns)
        message = FeedStatus(
            seq=self._next_seq(), epoch=self.epoch, exchange_ns=0, recv_ns=recv_ns, state=state, reason=reason
        )
        return Out(self.symbol, entry_id, message)

    def _heartbeat(self, at_ns: int) -> Out:
        self.counts["heartbeats"] += 1
        at_ns, entry_id = self._stamp(at_ns)
        message = Heartbeat(seq=self._next_seq(), epoch=self.epoch, exchange_ns=0, recv_ns=at_ns)
        return Out(self.symbol, entry_id, message)

    def _stamp(self, recv_ns: int) -> tuple[int, str]:
        """The time and id of the next entry: never below the last one's (a frame stamped before a heartbeat
        that is already published is restamped to it)."""
        if recv_ns > self.last_ns:
            self.last_ns = recv_ns
        ms = self.last_ns // MS
        if ms > self._ms:
            self._ms, self._n = ms, 0
        else:
            self._n += 1
        return self.last_ns, format_id(self._ms, self._n)

    def _next_seq(self) -> int:
        self.seq += 1
        return self.seq - 1
