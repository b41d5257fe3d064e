"""How fast a market goes: with the clock on the wall, or so many market seconds per second."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.units import SECOND


def paced(clock: Callable[[], float], start_ns: int, speed: float) -> Callable[[], int]:
    """The market time that is due, counted from the first time it is asked for. `clock` gives seconds that
    only go forward."""
    started_at: float | None = None

    def due_ns() -> int:
        nonlocal started_at
        now = clock()
        if started_at is None:
            started_at = now
        return start_ns + int((now - started_at) * speed * SECOND)

    return due_ns


def wall_clock() -> Callable[[], int]:
    """The time of day, held still where it is set back."""
    latest_ns = 0

    def due_ns() -> int:
        nonlocal latest_ns
        latest_ns = max(latest_ns, time.time_ns())
        return latest_ns

    return due_ns
