"""What the exchange needs of one symbol's market, recorded or synthetic: two ports, and the recorded one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from services.venue.engine import Engine, Match
from services.venue.events import Event, Instrument
from services.venue.funding import Marks
from services.venue.market import Market
from services.venue.orders import Order
from shared.book import Level
from shared.units import Scale


class Quoted(Protocol):
    """A book and its mark price."""

    @property
    def instrument(self) -> Instrument:
        """What is traded."""

    @property
    def scale(self) -> Scale:
        """Tick and lot size."""

    @property
    def marks(self) -> Marks:
        """What was announced of mark and funding."""

    @property
    def mark(self) -> Decimal | None:
        """The mark price, else the middle of the book; None before either."""

    @property
    def is_whole(self) -> bool:
        """Whether the book can be relied on."""

    @property
    def last_update_id(self) -> int:
        """What a snapshot taken now is of."""

    def levels(self, sign: int, count: int) -> list[Level]:
        """(price_ticks, lots) of the best `count` levels, best first; bids for +1, asks for -1."""


class Matching(Protocol):
    """Our orders in that book. `resting` holds the open ones by id, in order of arrival."""

    @property
    def resting(self) -> dict[int, Order]:
        """Open orders by id."""

    def would_cross(self, sign: int, price_ticks: int) -> bool:
        """Whether an order at this price meets the other side's best."""

    def walk(self, sign: int, limit_ticks: int, lots: int) -> list[Level]:
        """(price_ticks, lots) that an order of `lots` would take now, best first, up to its limit."""

    def take(self, order: Order, limit_ticks: int, lots: int) -> list[Match]:
        """Let an order take up to `lots`."""

    def may_rest(self, price_ticks: int) -> bool:
        """Whether the book reaches so far from the market."""

    def rest(self, order: Order) -> None:
        """Put what is left of a limit order into the queue at its price."""

    def remove(self, order: Order) -> None:
        """Take an order out of the queue, where it is in one."""


class Board(NamedTuple):
    """One symbol. `handle` takes an event of its market and returns what it filled of our resting orders."""

    market: Quoted
    engine: Matching
    handle: Callable[[Event], Sequence[Match]]


def recorded(instrument: Instrument) -> Board:
    """The board of a recorded market, which does not see our orders."""
    market = Market(instrument)
    engine = Engine(market.book)

    def handle(event: Event) -> Sequence[Match]:
        if event.kind == "depth":
            touched = market.on_depth(event.data)
            if touched is not None:
                engine.touch(*touched)
        elif event.kind == "aggTrade":
            trade = market.trade(event.data) if engine.resting else None
            if trade is not None:
                return engine.on_trade(*trade)
        elif event.kind == "snapshot" and market.on_snapshot(event.data):
            engine.reload()
        return ()

    return Board(market, engine, handle)
