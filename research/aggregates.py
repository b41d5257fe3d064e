"""Single trades of a synthetic market to aggTrades, on integers: the rule of `services/venue/tape.py`.

There it works on the texts of frames. Here only what the features see of an aggregate is kept: when it was
sent, its signed size and price, and its place among the other events. A test holds the two together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.labels import Ints
from services.venue.tape import WINDOW_MS
from shared.units import MS


class Closed(NamedTuple):
    """Aggregates in the order they are sent: `places` says before which of the block's events."""

    places: Ints
    recv_ns: Ints
    signed_lots: Ints
    price_ticks: Ints


class Aggregates:
    """The aggregates under way of one symbol. Feed it every block, in order."""

    def __init__(self) -> None:
        # Signed price (side and price in one number) -> first trade's ms, lots, ns when a timer closes it;
        # the earliest due comes first.
        self._open: dict[int, tuple[int, int, int]] = {}

    def of(self, times_ns: Ints, places: Ints, trades: Ints, until_ns: int) -> Closed:
        """What is sent during a block. times_ns: (n,) of all its events. places: (m,) which of them are
        trades; trades: (m, 4) their ns, price in ticks, lots and taker's side. The block comes to
        `until_ns`."""
        at: list[int] = []  # -1 where a timer closes: then the time gives the place
        sent_ns: list[int] = []
        signed: list[int] = []
        prices: list[int] = []
        under_way = self._open
        due_ns = self._due_ns(until_ns)
        for place, (now_ns, price, lots, side) in zip(places.tolist(), trades.tolist(), strict=True):
            if due_ns <= now_ns:
                self._close(now_ns, at, sent_ns, signed, prices)
            key, now_ms = side * price, now_ns // MS
            one = under_way.get(key)
            if one is not None and now_ms - one[0] < WINDOW_MS:
                under_way[key] = (one[0], one[1] + lots, one[2])
                continue
            if one is not None:  # this trade comes too late for it, and before its timer
                del under_way[key]
                at.append(place)
                sent_ns.append(now_ns)
                signed.append(one[1] * side)
                prices.append(price)
            under_way[key] = (now_ms, lots, now_ns + WINDOW_MS * MS)
            due_ns = self._due_ns(until_ns)
        self._close(until_ns, at, sent_ns, signed, prices)
        times = np.array(sent_ns, np.int64)
        where = np.array(at, np.int64)
        # A timer that is due at the very time of an event comes before it.
        where = np.where(where >= 0, where, np.searchsorted(times_ns, times, "left"))
        return Closed(where, times, np.array(signed, np.int64), np.array(prices, np.int64))

    def _due_ns(self, otherwise_ns: int) -> int:
        return next((due_ns for _, _, due_ns in self._open.values()), otherwise_ns)

    def _close(
        self, now_ns: int, at: list[int], sent_ns: list[int], signed: list[int], prices: list[int]
    ) -> None:
        """Close what is due at `now_ns`."""
        while self._open:
            key = next(iter(self._open))
            _, lots, due_ns = self._open[key]
            if due_ns > now_ns:
                return
            del self._open[key]
            at.append(-1)
            sent_ns.append(due_ns)
            signed.append(lots if key > 0 else -lots)
            prices.append(abs(key))
