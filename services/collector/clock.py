"""Our time, for stamps: never back, never still (shell).

Wall time may be set back under a running service. `recv_ns` must not follow it, and must not stand still
until wall time has caught up either, or there would be no heartbeat: meanwhile time goes on by the monotonic
clock, one percent slow.
"""

from __future__ import annotations

import time
from collections.abc import Callable

STEP_NS = 1_000_000  # going back by less is the clock's own jitter


class Clock:
    """Nanoseconds since the epoch, rising. `steps_back` counts how often wall time was set back."""

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._last_ns = 0
        self._last_monotonic_ns = monotonic()
        self._is_ahead = False
        self.steps_back = 0

    def now_ns(self) -> int:
        """The time now."""
        wall, monotonic = self._wall(), self._monotonic()
        passed_ns = monotonic - self._last_monotonic_ns
        if wall >= self._last_ns:
            self._is_ahead = False
            self._last_ns = wall
        else:
            if not self._is_ahead and self._last_ns - wall > STEP_NS:
                self._is_ahead = True
                self.steps_back += 1
            self._last_ns += passed_ns - passed_ns // 100
        self._last_monotonic_ns = monotonic
        return self._last_ns
