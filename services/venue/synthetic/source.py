"""Synthetic markets as the venue's source: they go on as far as they are asked to, in steps of a fixed grid.

Requests take effect between two steps. So what happens is a function of the seed and of the requests with
their times, however often the source is asked: a market can be run again from its journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from services.venue.events import Event, Own
from services.venue.lines import Line
from services.venue.source import Play
from services.venue.synthetic.frames import Frames
from services.venue.synthetic.market import SyntheticMarket
from services.venue.synthetic.state import OWN_EXPIRED, OWN_FILL
from shared.units import MS, SECOND

GRID_NS = 5 * MS


class SyntheticSource:
    """The events of several synthetic markets whose clocks stand at the same point of the grid."""

    end_ns = None

    def __init__(self, markets: Mapping[str, SyntheticMarket], frames: Mapping[str, Frames]) -> None:
        starts = {market.now_ns for market in markets.values()}
        if len(starts) != 1 or starts.pop() % GRID_NS:
            raise ValueError("the clocks of the markets do not stand at one point of the grid")
        self.markets = dict(markets)
        self.frames = dict(frames)
        self.start_ns = self.horizon_ns = next(iter(markets.values())).now_ns
        self._queue: deque[Event | Own] = deque()
        self._seq = 0

    @property
    def next_ns(self) -> int | None:
        """See Source."""
        return _time(self._queue[0]) if self._queue else None

    def take(self, until_ns: int) -> Event | Own | None:
        """See Source. Lets the markets go on to the last point of the grid up to `until_ns`, where needed."""
        while not self._queue and self.horizon_ns + GRID_NS <= until_ns:
            self._step()
        if not self._queue or _time(self._queue[0]) > until_ns:
            return None
        return self._queue.popleft()

    def align(self, at_ns: int) -> int:
        """The next point of the grid, or `at_ns` where it is one."""
        return -(-at_ns // GRID_NS) * GRID_NS

    @property
    def is_settled(self) -> bool:
        """Whether everything that happened was taken."""
        return not self._queue and all(market.is_settled for market in self.markets.values())

    def stand_still(self, until_ns: int) -> None:
        """Let the clocks go on to `until_ns`, as far as whole seconds come, while nothing happens. Aggregates
        under way end unseen, as they do for whoever was not connected."""
        ahead_ns = max(0, until_ns - self.horizon_ns) // SECOND * SECOND
        self.start_ns = self.horizon_ns = self.horizon_ns + ahead_ns
        if not ahead_ns:
            return
        for symbol, market in self.markets.items():
            market.stand_still(self.horizon_ns)
            while self.frames[symbol].tape.due_ns is not None:
                self.frames[symbol].tape.close()

    def pause(self, until_ns: int, play: Play) -> int | None:
        """See Source."""
        self.settle(play)
        at_ns = self.horizon_ns
        self.stand_still(until_ns)
        return at_ns

    def settle(self, play: Play) -> None:
        """Go on, a few steps, until everything that happened was taken by `play`."""
        while not self.is_settled:
            self.go_on(self.horizon_ns + GRID_NS, play)

    def go_on(self, until_ns: int, play: Play) -> None:
        """Hand everything up to `until_ns` to `play`."""
        while (event := self.take(until_ns)) is not None:
            play(event)

    def _step(self) -> None:
        until_ns = self.horizon_ns + GRID_NS
        happened: list[Line | Own] = []
        for symbol, market in self.markets.items():
            for block in market.advance(until_ns):
                for row in block.events.tolist():
                    if row[0] == OWN_FILL and row[5]:  # that of a taker was its answer
                        happened.append(Own(row[1], symbol, row[2], row[3], row[4]))
                    elif row[0] == OWN_EXPIRED:
                        happened.append(Own(row[1], symbol, row[2], 0, 0))
                happened += self.frames[symbol].of(block, market.now_ns)
        self.horizon_ns = until_ns
        for each in sorted(happened, key=_time):
            if isinstance(each, Line):
                self._seq += 1
                self._queue.append(Event(self._seq, *each))
            else:
                self._queue.append(each)


def _time(each: Event | Own | Line) -> int:
    return each.at_ns if isinstance(each, Own) else each.recv_ns
