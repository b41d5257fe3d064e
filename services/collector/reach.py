"""How far from the market a book is known (pure): a snapshot of 1,000 levels says nothing of those beyond.

What lies beyond becomes known only when it changes, and a market that walks there would meet levels that the
book lacks (1,000 levels of BTCUSDT are a quarter of a percent). So another snapshot is wanted when the market
has come half way to the end of what is known. Source: USD-M futures, "How to manage a local order book
correctly"; cryptofeed issue 604.
"""

from __future__ import annotations

from shared.book import Level


class Reach:
    """Every bid at or above `floor` is known, and every ask at or below `ceiling`; in ticks."""

    def __init__(self) -> None:
        self.floor: int | None = None  # there was none
        self.ceiling: int | None = None
        self._below = self._above = 0  # from the best level to the end, as the snapshot was taken

    def load(self, bids: list[Level], asks: list[Level]) -> None:
        """A book begins with this snapshot."""
        self.floor = min((price for price, _ in bids), default=None)
        self.ceiling = max((price for price, _ in asks), default=None)
        self._below = 0 if self.floor is None else max(price for price, _ in bids) - self.floor
        self._above = 0 if self.ceiling is None else self.ceiling - min(price for price, _ in asks)

    def knows_bid(self, price: int) -> bool:
        """Whether a bid at `price` would be known."""
        return self.floor is not None and price >= self.floor

    def knows_ask(self, price: int) -> bool:
        """Whether an ask at `price` would be known."""
        return self.ceiling is not None and price <= self.ceiling

    def is_short(self, bid: int, ask: int) -> bool:
        """Whether the best bid or ask has come half way to the end."""
        below = self.floor is not None and 2 * (bid - self.floor) < self._below
        return below or (self.ceiling is not None and 2 * (self.ceiling - ask) < self._above)

    def extend(self, other: Reach) -> None:
        """What `other` reaches is known too."""
        if other.floor is not None and not self.knows_bid(other.floor):
            self.floor, self._below = other.floor, other._below
        if other.ceiling is not None and not self.knows_ask(other.ceiling):
            self.ceiling, self._above = other.ceiling, other._above
