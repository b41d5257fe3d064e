"""Looks at the streams a few times a second: first frames at the start, silences ever after (shell)."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.collector.boot import Boot, Overdue, is_excused
from services.collector.routes import kind_of, symbol_of
from services.collector.venue import VenueRest
from services.collector.watch import Watch
from shared.errors import VenueError
from shared.runner import Context, sleep_unless

EACH_SECONDS = 0.25
NAMED = 6  # streams that a text names before it counts the rest


class Vigil:
    """`on_silent(stream, reason)` is called for each stream that fell silent. A stream that never sends its
    first frame ends the service: that is a wrong URL or a wrong path, and no reconnect heals it."""

    def __init__(
        self,
        context: Context,
        boot: Boot,
        watch: Watch,
        rest: VenueRest,
        on_silent: Callable[[str, str], None],
    ) -> None:
        self._context = context
        self._boot = boot
        self._watch = watch
        self._rest = rest
        self._on_silent = on_silent
        self.is_down: dict[str, str] = {}  # socket -> why it is lost

    async def run(self) -> None:
        """Until stopped. Raises VenueError where a stream does not begin."""
        stop = self._context.stop
        while not stop.is_set():
            self._say()
            await self._judge()
            for silence in self._watch.check(time.monotonic_ns()):
                self._context.log.warning("silent: %s", silence.reason)
                self._on_silent(silence.stream, silence.reason)
            await sleep_unless(stop, EACH_SECONDS)

    def _say(self) -> None:
        """Ready means that all sockets are open and every stream has sent a frame."""
        against = self._context.telemetry.not_ready
        if self._boot.waiting:
            against["feed"] = f"no frame yet of {_named(sorted(self._boot.waiting))}"
        elif self.is_down:
            against["feed"] = "; ".join(reason for _, reason in sorted(self.is_down.items()))
        else:
            against.pop("feed", None)

    async def _judge(self) -> None:
        seconds = self._context.settings.first_frame_seconds
        for route in self._boot.unopened(time.monotonic_ns()):
            why = self.is_down.get(route.name, "no answer")
            raise VenueError(f"no connection to {route.url[:120]} within {seconds:g} s: {why}")
        failed: list[Overdue] = []
        for overdue in self._boot.overdue(time.monotonic_ns()):
            symbol = symbol_of(overdue.stream)
            is_asked = overdue.is_routed and kind_of(overdue.stream) != "markPrice"
            trades = await self._rest.trades_a_day(symbol) if is_asked else None
            if is_excused(overdue, trades, seconds):
                self._boot.excuse(overdue.stream)
                self._context.log.warning(
                    "%s has sent nothing yet; %s trades so seldom that this may be", overdue.stream, symbol
                )
            elif overdue.stream in self._boot.waiting:  # it may have come while we asked
                failed.append(overdue)
        if failed:
            streams = _named([overdue.stream for overdue in failed])
            raise VenueError(
                f"no frame of {streams} within {seconds:g} s of subscribing at {failed[0].url}: an "
                "acknowledged subscription proves nothing; see LOBFLOW_DATA_PUBLIC_URL and "
                "LOBFLOW_DATA_MARKET_URL"
            )


def _named(streams: list[str]) -> str:
    rest = f" and {len(streams) - NAMED} more" if len(streams) > NAMED else ""
    return ", ".join(streams[:NAMED]) + rest
