"""A synthetic market as the exchange sees it: a book that our orders are part of."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.venue.boards import Board
from services.venue.engine import WALK_LEVELS, Match
from services.venue.events import Event, Instrument
from services.venue.funding import Marks
from services.venue.orders import Order
from services.venue.synthetic.market import SyntheticMarket
from shared.book import Level
from shared.units import E9, Scale


class SyntheticBook:
    """Book and mark. Always whole."""

    is_whole = True

    def __init__(self, market: SyntheticMarket, start_ns: int) -> None:
        self.instrument = Instrument(market.symbol, market.scale, start_ns, start_ns, 0)
        self.marks = Marks()
        self._market = market

    @property
    def scale(self) -> Scale:
        """Tick and lot size."""
        return self._market.scale

    @property
    def mark(self) -> Decimal | None:
        """The mark price, the middle before the first."""
        if self.marks.price is not None:
            return self.marks.price
        return Decimal(sum(self._market.best) * self.scale.tick_e9) / Decimal(2 * E9)

    @property
    def last_update_id(self) -> int:
        """What a snapshot taken now is of."""
        return self._market.update_id

    def levels(self, sign: int, count: int) -> list[Level]:
        """(price_ticks, lots) of the best `count` levels, best first; bids for +1, asks for -1."""
        return self._market.levels(sign, count)


class SyntheticEngine:
    """Our orders in the market's own queues: what they take is gone, and others queue behind them.

    Where a reduce-only order rests with more than is left to reduce, the queue still holds all of it; what
    trades beyond the position is not booked.
    """

    def __init__(self, market: SyntheticMarket) -> None:
        self.resting: dict[int, Order] = {}
        self._market = market

    def would_cross(self, sign: int, price_ticks: int) -> bool:
        """Whether an order at this price meets the other side's best."""
        bid, ask = self._market.best
        return price_ticks >= ask if sign > 0 else price_ticks <= bid

    def walk(self, sign: int, limit_ticks: int, lots: int) -> list[Level]:
        """(price_ticks, lots) that an order of `lots` would take now, best first, up to its limit."""
        found: list[Level] = []
        for price, size in self._market.levels(-sign, WALK_LEVELS):
            if lots <= 0 or (limit_ticks - price) * sign < 0:
                break
            found.append((price, min(lots, size)))
            lots -= size
        return found

    def take(self, order: Order, limit_ticks: int, lots: int) -> list[Match]:
        """Let an order take up to `lots`; the market moves by it."""
        if lots <= 0:
            return []
        placed = self._market.place(order.order_id, order.request.sign, limit_ticks, lots, False)
        return [Match(order, price, size) for price, size in placed.fills]

    def may_rest(self, price_ticks: int) -> bool:
        """Whether the price is on the market's grid."""
        return self._market.reaches(price_ticks)

    def rest(self, order: Order) -> None:
        """Put what is left of a limit order into the queue at its price."""
        request = order.request
        self._market.place(order.order_id, request.sign, request.price_ticks, order.open_lots, True)
        self.resting[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out of the queue, where it is in one."""
        if self.resting.pop(order.order_id, None) is not None:
            self._market.cancel(order.order_id)


def synthetic(market: SyntheticMarket, start_ns: int) -> Board:
    """The board of a synthetic market. What it does to resting orders of ours comes as `Own` events."""

    def handle(event: Event) -> Sequence[Match]:
        return ()

    return Board(SyntheticBook(market, start_ns), SyntheticEngine(market), handle)
