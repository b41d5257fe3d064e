"""Orders of one side summed over windows of T seconds that begin at multiples of T; empty windows are left
out.

So what is said of windows is conditional on N > 0; `filled_share` and `chance` are P(N > 0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.features.flow.law import Ints
from services.features.flow.orders import Orders


class Windows(NamedTuple):
    """(n,) each but `seconds`, `spanned` and `watched`. The change of price goes from the last price of a
    window's first order to that of its last one."""

    seconds: float
    starts_ms: Ints
    volumes_lots: Ints
    changes_ticks: Ints
    orders: Ints
    spanned: int  # windows from the first to the last, with the empty ones, less those inside a hole
    watched: int  # the same from the first row of the tape to its last, whichever side took

    @property
    def filled_share(self) -> float:
        """P(N > 0) while this side trades, which is what D_T needs."""
        return len(self.volumes_lots) / self.spanned if self.spanned else 0.0

    @property
    def chance(self) -> float:
        """P(N > 0) at any time: of a side that trades once in ten minutes it is small."""
        return len(self.volumes_lots) / self.watched if self.watched else 0.0


def windows_of(orders: Orders, seconds: float) -> Windows:
    """The windows of `seconds` (at least a millisecond) that hold an order."""
    width_ms = round(seconds * 1000)
    if not len(orders.times_ms):
        none = np.empty(0, np.int64)
        return Windows(seconds, none, none, none, none, 0, 0)
    numbers = orders.times_ms // width_ms
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    ends = np.append(starts[1:], len(numbers)) - 1
    own = int(orders.times_ms[0]), int(orders.times_ms[-1])
    return Windows(
        seconds,
        numbers[starts] * width_ms,
        np.add.reduceat(orders.sizes_lots, starts),
        orders.last_ticks[ends] - orders.last_ticks[starts],
        ends - starts + 1,
        _whole(orders, width_ms, own),
        _whole(orders, width_ms, own if orders.tape_ms is None else orders.tape_ms),
    )


def _whole(orders: Orders, width_ms: int, within_ms: tuple[int, int]) -> int:
    """How many windows there are in a stretch, less those inside a hole."""
    lost = sum(last - first for first, last in unseen(orders, width_ms, within_ms))
    return within_ms[1] // width_ms - within_ms[0] // width_ms + 1 - lost


def unseen(orders: Orders, width_ms: int, within_ms: tuple[int, int] | None = None) -> list[tuple[int, int]]:
    """The windows of `width_ms` that lie inside holes of a stretch, from the first order to the last unless
    given: from which number until which."""
    if not len(orders.times_ms):
        return []
    holes = np.clip(orders.holes_ms, *(within_ms or (orders.times_ms[0], orders.times_ms[-1])))
    found = [(-int(-from_ms // width_ms), int(until_ms // width_ms)) for from_ms, until_ms in holes]
    return [(first, last) for first, last in found if last > first]
