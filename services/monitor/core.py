"""Everything on the streams to what a person asks: positions, round trips, PnL, win rate, counts. Pure.

Enters one entry at a time, in the order of its own stream; the order between streams does not matter to any
figure but the mark, which is the middle of the newest book. Its numbers come from the streams alone.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import NamedTuple

from services.monitor.ledger import Ledger, RoundTrip
from services.monitor.models import Models, Terms
from services.monitor.money import ZERO, less, total
from services.monitor.orders import OrderLog
from services.monitor.quotes import QuoteLog
from services.monitor.scores import Scores
from shared.codec import unpack_tiers
from shared.messages import (
    Account,
    AnyMessage,
    Control,
    Decision,
    FeedStatus,
    Fill,
    Flatten,
    Flow,
    Gate,
    Halt,
    Heartbeat,
    Lob,
    MarkPrice,
    Message,
    OrderUpdate,
    Prediction,
    Promote,
    Reconciled,
    ReduceOnly,
    Resume,
    Shadows,
)
from shared.streams import parse_id

NO_TERMS = Terms()
KEPT_TRIPS = 20_000  # round trips listed; totals are counted over all
BROKEN = ("gap", "crossed", "stale", "syncing")
SEVERITY = ("active", "reduce_only", "halted", "flatten")
TRADING = {Halt: "halted", ReduceOnly: "reduce_only", Flatten: "flatten", Resume: "active"}


class Quote(NamedTuple):
    """The newest book's best prices; `entry_id` is its market id."""

    entry_id: str
    recv_ns: int
    bid_e9: int
    ask_e9: int

    @property
    def twice_mid_e9(self) -> int:
        """Twice the middle, which may be half a tick."""
        return self.bid_e9 + self.ask_e9


class Pnl(NamedTuple):
    """Profit and loss in the quote asset. None where the position is open and there is no mark yet."""

    gross: Decimal  # realized, before fees
    unrealized: Decimal | None
    fees: Decimal
    funding: Decimal

    @property
    def net(self) -> Decimal | None:
        """gross + unrealized - fees + funding."""
        if self.unrealized is None:
            return None
        return less(total(self.gross, self.unrealized, self.funding), self.fees)


class Results:
    """Sums over closed round trips."""

    def __init__(self) -> None:
        self.trips = self.wins = self.gross_wins = 0
        self.won = self.lost = ZERO  # net of the wins, net of the others

    def add(self, trip: RoundTrip) -> None:
        """Count one round trip."""
        self.trips += 1
        self.wins += trip.is_win
        self.gross_wins += trip.is_gross_win
        if trip.is_win:
            self.won = total(self.won, trip.net)
        else:
            self.lost = total(self.lost, trip.net)


class SymbolState:
    """All that is known of one symbol."""

    def __init__(self, symbol: str, terms: Terms) -> None:
        self.symbol = symbol
        self.models = Models(terms)
        self.ledger = Ledger(symbol)
        self.orders = OrderLog()
        self.quotes = QuoteLog()
        self.scores = Scores()
        self.results = Results()
        self.trips: deque[RoundTrip] = deque(maxlen=KEPT_TRIPS)  # oldest first
        self.quote: Quote | None = None  # from the first Lob
        self.twice_mark_e9: int | None = None  # twice the venue's mark price, where it sends one
        self.feed = "unknown"
        self.feed_reason = ""
        self.epoch: int | None = None  # from the first market entry
        self.market_ns: int | None = None  # receive time of the newest market entry
        self.prediction: Prediction | None = None  # the newest one
        self.prediction_id = ""
        self.reconciled: Reconciled | None = None  # the newest one
        self.disagreements = 0
        self.counts: dict[str, int] = {}  # entries by kind

    def pnl(self) -> Pnl:
        """Of this symbol; funding is known for the account only."""
        return Pnl(self.ledger.realized, self.ledger.unrealized(self.twice_price_e9), self.ledger.fees, ZERO)

    @property
    def twice_price_e9(self) -> int | None:
        """Twice the price that positions are valued at: the venue's mark, else the middle of the book."""
        if self.twice_mark_e9 is not None:
            return self.twice_mark_e9
        return None if self.quote is None else self.quote.twice_mid_e9


class MonitorCore:
    """The fold over all streams."""

    def __init__(self, symbols: tuple[str, ...], terms: Terms = NO_TERMS) -> None:
        self.symbols = {symbol: SymbolState(symbol, terms) for symbol in symbols}
        self.opened_at = (0, 0)  # the last control id that was there when we started
        self.opening: Account | None = None  # the first account entry: the opening balance
        self.account: Account | None = None  # the newest
        self.trading = "active"
        self.controls: deque[tuple[str, Control]] = deque(maxlen=1000)  # (id, entry), oldest first
        self.counts: dict[str, int] = {}  # entries of streams without a symbol, by kind

    def handle(self, symbol: str, entry_id: str, message: AnyMessage) -> list[Message]:
        """Fold one entry; `symbol` is empty for `account` and `control`. Nothing follows from it."""
        counts = self.symbols[symbol].counts if symbol else self.counts
        kind = type(message).__name__
        counts[kind] = counts.get(kind, 0) + 1
        match message:
            case Account():
                self.opening = message if self.opening is None else self.opening
                self.account = message
            case Halt() | ReduceOnly() | Flatten() | Resume():
                # As the trader does: an order never loosens an earlier one, only Resume lifts them all.
                ordered = TRADING[type(message)]
                is_stricter = SEVERITY.index(ordered) > SEVERITY.index(self.trading)
                if is_stricter or isinstance(message, Resume):
                    self.trading = ordered
                self.controls.append((entry_id, message))
            case Promote():
                self.controls.append((entry_id, message))
            case Gate():  # not among the controls: those are what people ordered
                if message.symbol in self.symbols:
                    is_earlier = parse_id(entry_id) <= self.opened_at
                    self.symbols[message.symbol].models.tell(message, is_earlier)
            case _:
                self._handle_symbol(self.symbols[symbol], entry_id, message)
        return []

    def _handle_symbol(self, state: SymbolState, entry_id: str, message: AnyMessage) -> None:
        match message:
            case Lob():
                _fold_book(state, entry_id, message)
            case FeedStatus():
                state.feed, state.feed_reason = message.state, message.reason
                state.epoch, state.market_ns = message.epoch, message.recv_ns
                if message.state in BROKEN:
                    state.models.path.note_gap(message.recv_ns)
                    state.scores.note_gap(message.recv_ns)
            case Heartbeat():
                state.market_ns = message.recv_ns
            case MarkPrice():
                state.market_ns = message.recv_ns
                state.twice_mark_e9 = 2 * message.mark_e9
            case Prediction():
                state.prediction, state.prediction_id = message, entry_id
                state.scores.handle(message)
                state.models.predict(message)
                state.quotes.foretell(entry_id, message)
            case Shadows():
                state.models.shadow(message)
            case Flow():
                state.quotes.fit(message)
            case Decision():
                state.orders.decide(entry_id, message)
                state.quotes.decide(message)
            case OrderUpdate():
                state.orders.update(message)
                state.quotes.update(message)
            case Fill():
                _fold_fill(state, message)
            case Reconciled():
                state.reconciled = message
                state.disagreements += not message.agrees
            case _:
                return  # trades and features are counted only

    def pnl(self) -> Pnl:
        """Of all symbols together, with the account's funding."""
        parts = [state.pnl() for state in self.symbols.values()]
        unrealized = [part.unrealized for part in parts]
        known = [amount for amount in unrealized if amount is not None]
        return Pnl(
            gross=total(*(part.gross for part in parts)),
            unrealized=total(*known) if len(known) == len(unrealized) else None,
            fees=total(*(part.fees for part in parts)),
            funding=ZERO if self.account is None else self.account.funding,
        )

    def results(self) -> Results:
        """Round trips of all symbols together."""
        out = Results()
        for state in self.symbols.values():
            each = state.results
            out.trips += each.trips
            out.wins += each.wins
            out.gross_wins += each.gross_wins
            out.won, out.lost = total(out.won, each.won), total(out.lost, each.lost)
        return out


def _fold_book(state: SymbolState, entry_id: str, lob: Lob) -> None:
    state.epoch, state.market_ns = lob.epoch, lob.recv_ns
    if state.feed == "unknown":
        state.feed = "live"  # books follow only after `live`, which was before we began to read
    bids, asks = unpack_tiers(lob.bids[:16]), unpack_tiers(lob.asks[:16])
    if bids and asks:
        state.models.board.note_book(lob.recv_ns, bids[1], asks[1])
        state.quote = Quote(entry_id, lob.recv_ns, bids[0] * lob.tick_e9, asks[0] * lob.tick_e9)


def _fold_fill(state: SymbolState, fill: Fill) -> None:
    repeats = state.ledger.repeats
    trip = state.ledger.apply_fill(fill)
    if state.ledger.repeats == repeats:
        state.orders.fill(fill)
    if trip is not None:
        state.trips.append(trip)
        state.results.add(trip)
