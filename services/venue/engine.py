"""Our orders against the recorded book of one symbol. The market does not see them.

A taker walks the displayed sizes; what it took of a level is remembered until a diff touches that level, so
the same displayed size is not taken twice. A resting order waits behind all that is displayed at its price on
arrival. Only trades at its price move it forward, although never behind more than is displayed; a trade
beyond its price fills it whole. Cancels are taken to be behind it (the cautious assumption). A book that
moves through its price without a trade fills nothing, and our orders never meet each other.
"""

from __future__ import annotations

from typing import NamedTuple

from services.venue.orders import Order
from shared.book import Book, Level

WALK_LEVELS = 1000


class Match(NamedTuple):
    """Some lots of an order that traded at a price."""

    order: Order
    price_ticks: int
    lots: int


class Engine:
    """Matching for one symbol. `resting` holds open orders by id, in order of arrival."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.resting: dict[int, Order] = {}
        self._taken_bids: dict[int, int] = {}  # price -> lots we took since a diff touched it
        self._taken_asks: dict[int, int] = {}

    def touch(self, bids: list[Level], asks: list[Level]) -> None:
        """Say that a diff with these levels was applied to the book."""
        if self._taken_bids:
            for price, _ in bids:
                self._taken_bids.pop(price, None)
        if self._taken_asks:
            for price, _ in asks:
                self._taken_asks.pop(price, None)
        self._cap_queues()

    def reload(self) -> None:
        """Say that the book was replaced by a snapshot."""
        self._taken_bids.clear()
        self._taken_asks.clear()
        self._cap_queues()

    def would_cross(self, sign: int, price_ticks: int) -> bool:
        """Whether an order at this price meets the other side's best."""
        best = self.book.best_ask if sign > 0 else self.book.best_bid
        return best is not None and (price_ticks - best[0]) * sign >= 0

    def walk(self, sign: int, limit_ticks: int, lots: int) -> list[tuple[int, int]]:
        """(price_ticks, lots) that an order of `lots` would take now, best first, up to its limit."""
        flat = self.book.asks(WALK_LEVELS) if sign > 0 else self.book.bids(WALK_LEVELS)
        taken = self._taken_asks if sign > 0 else self._taken_bids
        found: list[tuple[int, int]] = []
        for price, size in zip(flat[::2], flat[1::2], strict=True):
            if lots <= 0 or (limit_ticks - price) * sign < 0:
                break
            size = min(lots, size - taken.get(price, 0))
            if size > 0:
                found.append((price, size))
                lots -= size
        return found

    def take(self, order: Order, limit_ticks: int, lots: int) -> list[Match]:
        """Let an order take up to `lots` from the displayed book."""
        sign = order.request.sign
        taken = self._taken_asks if sign > 0 else self._taken_bids
        matches = []
        for price, size in self.walk(sign, limit_ticks, lots):
            taken[price] = taken.get(price, 0) + size
            matches.append(Match(order, price, size))
        return matches

    def may_rest(self, price_ticks: int) -> bool:
        """Anywhere: a recorded book has no end."""
        return True

    def rest(self, order: Order) -> None:
        """Put what is left of a limit order into the queue at its price."""
        order.ahead_lots = self._displayed(order)
        self.resting[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out of the queue, where it is in one."""
        self.resting.pop(order.order_id, None)

    def on_trade(self, price_ticks: int, lots: int, is_buyer_maker: bool) -> list[Match]:
        """What a trade of the market fills of our resting orders. The caller books it."""
        matches: list[Match] = []
        given = 0  # of this trade, already to orders of ours that came earlier at this price
        maker_sign = 1 if is_buyer_maker else -1
        for order in self.resting.values():
            sign, price = order.request.sign, order.request.price_ticks
            if (price - price_ticks) * sign > 0:
                matches.append(Match(order, price, order.open_lots))
            elif price == price_ticks and sign == maker_sign:
                over = lots - order.ahead_lots
                order.ahead_lots = max(0, -over)
                filled = min(order.open_lots, over - given)
                if filled > 0:
                    matches.append(Match(order, price, filled))
                    given += filled
        return matches

    def _displayed(self, order: Order) -> int:
        sizes = self.book.bid_sizes if order.request.sign > 0 else self.book.ask_sizes
        return sizes.get(order.request.price_ticks, 0)

    def _cap_queues(self) -> None:
        for order in self.resting.values():
            order.ahead_lots = min(order.ahead_lots, self._displayed(order))
