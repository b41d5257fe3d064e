"""The first frame of each stream (pure): an acknowledged subscription proves nothing, data does.

The venue acknowledges streams of the wrong path and then stays silent. So each stream must have sent a frame
within a time after its socket opened. The mark price comes every second whatever the market does and proves
that `/market` is routed; book tickers prove `/public`. A stream that follows events may be excused for a
sleepy symbol: see `is_excused`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from services.collector.routes import Route, kind_of
from shared.units import SECOND

DAY_SECONDS = 86_400
ENOUGH = 10.0  # trades expected in the time: no trade then has a chance of e^-10


class Overdue(NamedTuple):
    """A stream that should have sent by now. `is_routed`: others of its socket have."""

    stream: str
    url: str
    is_routed: bool


class Boot:
    """Follows the first frames of `routes`; `demanded` are the kinds that must come."""

    def __init__(
        self, routes: Iterable[Route], demanded: Collection[str], seconds: float, now_ns: int
    ) -> None:
        self._routes = {route.name: route for route in routes}
        self._demanded = demanded
        self._limit_ns = int(seconds * SECOND)
        self._begun_ns = now_ns
        self._opened_ns: dict[str, int] = {}  # by socket: when it first opened
        self.waiting = {
            stream
            for route in self._routes.values()
            for stream in route.streams
            if kind_of(stream) in demanded
        }

    def opened(self, route: Route, now_ns: int) -> None:
        """Its socket is open; only the first time counts."""
        self._opened_ns.setdefault(route.name, now_ns)

    def heard(self, stream: str) -> None:
        """A frame of `stream` came."""
        self.waiting.discard(stream)

    def excuse(self, stream: str) -> None:
        """`stream` may stay silent."""
        self.waiting.discard(stream)

    def unopened(self, now_ns: int) -> list[Route]:
        """The sockets that have never been open although their time is over."""
        if now_ns - self._begun_ns < self._limit_ns:
            return []
        return [route for name, route in self._routes.items() if name not in self._opened_ns]

    def overdue(self, now_ns: int) -> list[Overdue]:
        """The streams whose time is over."""
        out = []
        for name, opened_ns in self._opened_ns.items():
            route = self._routes[name]
            demanded = [stream for stream in route.streams if kind_of(stream) in self._demanded]
            silent = [stream for stream in demanded if stream in self.waiting]
            if silent and now_ns - opened_ns >= self._limit_ns:
                is_routed = len(silent) < len(demanded)
                out += [Overdue(stream, f"{route.base}/stream", is_routed) for stream in silent]
        return out


def is_excused(overdue: Overdue, trades_a_day: int | None, seconds: float) -> bool:
    """Whether a silent stream may just have had nothing to say: its socket has proved its path, the stream
    follows events, and the symbol trades so seldom that nothing need have come in `seconds`. Where the venue
    does not tell how often it trades (None), only the tape is excused."""
    kind = kind_of(overdue.stream)
    if not overdue.is_routed or kind == "markPrice":
        return False
    if trades_a_day is None:
        return kind == "aggTrade"
    return trades_a_day * seconds / DAY_SECONDS < ENOUGH
