"""How far the venue's clock is from ours: a figure for people; nothing is decided by it (shell)."""

from __future__ import annotations

import time
from collections import deque
from statistics import median

from services.collector.venue import VenueRest
from shared.errors import VenueError
from shared.runner import Context, sleep_unless
from shared.units import MS, SECOND

EACH_SECONDS = 60.0
KEPT = 5
WARN_NS = SECOND  # from here on signed requests are refused


class Skew:
    """Asks the venue's time now and then; the median of the last answers is the offset."""

    def __init__(self, context: Context, rest: VenueRest) -> None:
        self._context = context
        self._rest = rest
        self._offsets: deque[int] = deque(maxlen=KEPT)
        self._is_far = False

    async def run(self) -> None:
        """Until stopped."""
        while not self._context.stop.is_set():
            try:
                await self._ask()
            except VenueError as error:
                self._context.telemetry.counters["clock_checks_failed"] += 1
                self._context.log.debug("%s", error)
            await sleep_unless(self._context.stop, EACH_SECONDS)

    async def _ask(self) -> None:
        asked_ns = time.time_ns()
        theirs_ms = await self._rest.time_ms()
        self._offsets.append(theirs_ms * MS - (asked_ns + time.time_ns()) // 2)
        offset_ns = int(median(self._offsets))
        self._context.telemetry.gauges["clock_offset_seconds"] = offset_ns / SECOND
        is_far = abs(offset_ns) > WARN_NS
        if is_far and not self._is_far:
            direction = "ahead of" if offset_ns > 0 else "behind"
            self._context.log.warning(
                "the venue's clock is %.1f s %s ours", abs(offset_ns) / SECOND, direction
            )
        self._is_far = is_far
