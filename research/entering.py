"""How a simulated position is opened and what it is left at: at a price of the book, whoever rests there, or
by a limit order in the queue."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from research.dataset import Dataset
from research.queued import Queue
from services.features.flow import probe
from services.features.flow.probe import Setup
from shared.errors import BadInput

STATES = {
    probe.FILLED: "filled",
    probe.EXPIRED: "missed",
    probe.REJECTED: "rejected",
    probe.VOID: "unknown",
}


class Prices:
    """What orders fill at."""

    def __init__(self, data: Dataset, fill: str) -> None:
        self._track, self._quotes = data.track, data.quotes
        self._tick = float(np.median(data.spread / data.spread_ticks)) if fill != "mid" else 0.0

    def at(self, at_ns: int, side: int) -> float | None:
        """What a taker of `side` pays by the last book at or before a time; None before the first."""
        book = int(np.searchsorted(self._track.recv_ns, at_ns, "right")) - 1
        quote = int(np.searchsorted(self._quotes.recv_ns, at_ns, "right")) - 1
        if book < 0 or quote < 0:
            return None
        half = float(self._quotes.spread_ticks[quote]) * self._tick / 2.0
        return float(self._track.mid[book]) + side * half

    def after(self, from_ns: int, at_ns: int, side: int) -> tuple[int, float, bool] | None:
        """When and at what the position of `from_ns` is left: at a time, or where a gap lies before it by the
        first book at or after it. None where the data end before."""
        low, high = np.searchsorted(self._track.breaks_ns, [from_ns, at_ns], "right")
        if low != high:
            book = int(np.searchsorted(self._track.recv_ns, at_ns, "left"))
            if book == len(self._track.recv_ns):
                return None
            at_ns = int(self._track.recv_ns[book])
        price = self.at(at_ns, side)
        return None if price is None else (at_ns, price, bool(low != high))

    def moved(self, from_ns: int, period_ns: int) -> float:
        """What the mid did in a period; NaN where it is not known."""
        before, end = self.at(from_ns, 0), self.after(from_ns, from_ns + period_ns, 0)
        return float("nan") if before is None or end is None or end[2] else end[1] - before


class Entry(NamedTuple):
    """What an order to enter came to: one of `STATES`, when, and where it was filled."""

    fate: str
    until_ns: int
    price: float


class Entering(Protocol):
    """How a position is opened."""

    longest_ns: int  # from the prediction until the entry, at most

    def enter(self, now_ns: int, side: int) -> Entry | None:
        """Buy (+1) or sell on a prediction. None where there is no price."""


class Assumed:
    """Filled at a price of the book."""

    def __init__(self, prices: Prices, latency_ns: int) -> None:
        self.longest_ns = self._latency_ns = latency_ns
        self._prices = prices

    def enter(self, now_ns: int, side: int) -> Entry | None:
        """See `Entering`."""
        at_ns = now_ns + self._latency_ns
        price = self._prices.at(at_ns, side)
        return None if price is None else Entry("filled", at_ns, price)


class Resting:
    """Rests in the queue."""

    def __init__(self, data: Dataset, queue: Queue, setup: Setup) -> None:
        self.longest_ns = setup.latency_ns + setup.lifetime_ns
        self._quotes, self._queue, self._setup = data.quotes, queue, setup

    def enter(self, now_ns: int, side: int) -> Entry:
        """See `Entering`. Raises BadInput where the books are not those of the rows."""
        done = self._queue.rest(side, now_ns, self._setup)
        quote = int(np.searchsorted(self._quotes.recv_ns, now_ns, "right")) - 1
        seen = done.bid_ticks + done.ask_ticks, done.ask_ticks - done.bid_ticks
        if done.bid_ticks and seen != (self._quotes.half_ticks[quote], self._quotes.spread_ticks[quote]):
            raise BadInput("the market entries are not those that the rows were made of")
        return Entry(STATES[done.state], done.until_ns, done.price_ticks * done.tick_e9 / 1e9)
