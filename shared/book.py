"""A limit order book in integer ticks and lots.

Two sorted lists of prices and two dictionaries of sizes: deletes of unknown levels are no error (the venue
sends them), sizes are absolute, zero removes. It keeps no ids: continuity is the collector's business.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

Level = tuple[int, int]  # (price_ticks, size_lots)


class Book:
    """Both sides of one symbol's book."""

    def __init__(self) -> None:
        self.bid_sizes: dict[int, int] = {}
        self.ask_sizes: dict[int, int] = {}
        self._bids: list[int] = []  # ascending: the best bid is last
        self._asks: list[int] = []  # ascending: the best ask is first

    def clear(self) -> None:
        """Forget everything."""
        self.load((), ())

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set absolute sizes at levels; a size of 0 removes the level."""
        _apply(self._bids, self.bid_sizes, bids)
        _apply(self._asks, self.ask_sizes, asks)

    def load(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Replace the whole book by a snapshot."""
        self.bid_sizes = {price: size for price, size in bids if size}
        self.ask_sizes = {price: size for price, size in asks if size}
        self._bids, self._asks = sorted(self.bid_sizes), sorted(self.ask_sizes)

    @property
    def best_bid(self) -> Level | None:
        """(price_ticks, size_lots) of the best bid, or None where there is none."""
        return (self._bids[-1], self.bid_sizes[self._bids[-1]]) if self._bids else None

    @property
    def best_ask(self) -> Level | None:
        """(price_ticks, size_lots) of the best ask, or None where there is none."""
        return (self._asks[0], self.ask_sizes[self._asks[0]]) if self._asks else None

    @property
    def is_crossed(self) -> bool:
        """True where the best bid is at or above the best ask."""
        return bool(self._bids and self._asks and self._bids[-1] >= self._asks[0])

    def bids(self, depth: int) -> list[int]:
        """[price_ticks, size_lots, ...] of the best `depth` bids, best first."""
        sizes = self.bid_sizes
        flat: list[int] = []
        for price in self._bids[: -depth - 1 : -1]:
            flat += (price, sizes[price])
        return flat

    def asks(self, depth: int) -> list[int]:
        """[price_ticks, size_lots, ...] of the best `depth` asks, best first."""
        sizes = self.ask_sizes
        flat: list[int] = []
        for price in self._asks[:depth]:
            flat += (price, sizes[price])
        return flat


def _apply(prices: list[int], sizes: dict[int, int], levels: Iterable[Level]) -> None:
    for price, size in levels:
        if size:
            if price not in sizes:
                insort(prices, price)
            sizes[price] = size
        elif sizes.pop(price, None) is not None:
            del prices[bisect_left(prices, price)]
