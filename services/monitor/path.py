"""The best prices of the last minutes and the gaps in them: what outcomes are looked up in. Pure.

Every prediction carries the best prices of its `Lob`, and there is one for each, so they hold the path whole.
The prices at a time are those of the last `Lob` at or before it, known once a later one has come.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from shared.units import SECOND

KEPT_NS = 300 * SECOND  # longer than any horizon, and than shadows may lag and still be judged
E9 = 10**9


class Touch(NamedTuple):
    """Best prices, quote currency."""

    bid: float
    ask: float

    @property
    def mid(self) -> float:
        """Their middle."""
        return (self.bid + self.ask) / 2.0

    @property
    def spread(self) -> float:
        """Their distance."""
        return self.ask - self.bid


class Path:
    """Entered in order of receive time, which may repeat."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._touches: list[Touch] = []
        self._gaps: list[int] = []

    @property
    def last_ns(self) -> int:
        """The newest time; prices are known before it. 0 where there is none."""
        return self._times[-1] if self._times else 0

    def add(self, recv_ns: int, bid_ticks: int, ask_ticks: int, tick_e9: int) -> None:
        """One `Lob`'s best prices; a side without a price leaves them as they were."""
        if bid_ticks <= 0 or ask_ticks <= 0:
            if not self._touches:
                return
            touch = self._touches[-1]
        else:
            touch = Touch(bid_ticks * tick_e9 / E9, ask_ticks * tick_e9 / E9)
        self._times.append(recv_ns)
        self._touches.append(touch)
        if self._times[len(self._times) // 2] < recv_ns - KEPT_NS:  # half of it is old: amortized
            old = bisect_left(self._times, recv_ns - KEPT_NS)
            del self._times[:old], self._touches[:old]
            del self._gaps[: bisect_left(self._gaps, recv_ns - KEPT_NS)]

    def note_gap(self, recv_ns: int) -> None:
        """The feed was broken at this time."""
        self._gaps.append(recv_ns)

    def at(self, at_ns: int) -> Touch | None:
        """The prices at a time; None before the first that is kept."""
        place = bisect_right(self._times, at_ns)
        return self._touches[place - 1] if place else None

    def is_whole(self, from_ns: int, until_ns: int) -> bool:
        """Whether no gap lies between, both ends included."""
        return bisect_left(self._gaps, from_ns) == bisect_right(self._gaps, until_ns)
