"""The session: market time, and everything that happens at a market time, in order.

Requests take effect after every event at or before their time and before the next; those of one time are
applied cancels first, then by request id, so the order does not depend on which connection was faster. In
lockstep a request therefore waits until the market moves *beyond* its time: by then the trader's cursor is
beyond its cause, and all requests of that cause are here.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from services.venue.core import Exchange
from services.venue.events import Event, Own
from services.venue.hub import Hub
from services.venue.keeping import PAUSE, Keeping
from services.venue.lockstep import Cursors
from services.venue.source import Source
from shared.settings import Settings
from shared.units import MS, SECOND

# Market time after the last frame: orders are refused, what is under way is delivered. Longer than two of the
# longest latencies, so that everything that took effect reaches the trader.
AFTERMATH_NS = SECOND
HEARTBEAT_NS = 100 * MS  # the trader's last entry is at most so much before the end
BATCH = 256  # events between two sends
ASLEEP_NS = 10 * SECOND  # so far behind the clock nobody simulates: the machine slept
STOP_SECONDS = 0.5  # how long a stop may go unnoticed
IDLE_SECONDS = 0.005  # real time between two looks at the clock, where the pace is held to it

Action = Callable[[int], Any]  # of the market time at which it happens


class _Pending(NamedTuple):
    at_ns: int
    rank: tuple[bool, str]  # cancels first, then by request id
    number: int
    action: Action
    done: asyncio.Future[Any]


class Replay:
    """Drives the exchange through its market and the hub's sockets along with it.

    `pace` gives the market time up to which real time lets the market go, given where it set out; None is as
    far as it likes. A market that goes on needs no audience.
    """

    def __init__(
        self,
        exchange: Exchange,
        source: Source,
        hub: Hub,
        settings: Settings,
        pace: Callable[[], int] | None,
        keeper: Keeping | None = None,
    ) -> None:
        self.exchange = exchange
        self.hub = hub
        self.state = "waiting"  # waiting | running | finished
        self.is_over = False  # market time has come to its end; finished once the trader has, too
        self.start_ns = source.start_ns
        self.end_ns = None if source.end_ns is None else source.end_ns + AFTERMATH_NS
        self.market_ns = self.start_ns
        self.frames = 0  # frames of the market that went by
        self.latency_ns = settings.venue_latency_ms * MS
        self.lockstep = settings.lockstep
        self.cursors = Cursors({symbol: exchange.instruments[symbol].first_ns for symbol in settings.symbols})
        self.wake = asyncio.Event()  # set by whatever may let the market go on
        self._pace = pace
        self._keeper = keeper
        self._source = source
        self._seq = 0
        self._pending: list[_Pending] = []
        self._number = itertools.count()
        self._answers: list[tuple[int, int, asyncio.Future[Any], Any]] = []  # held back for the latency
        self._user_events = 0
        self._advanced = asyncio.Condition()

    def schedule(self, action: Action, cause_ns: int | None, rank: tuple[bool, str]) -> asyncio.Future[Any]:
        """Let `action` happen at the market time at which a request caused at `cause_ns` takes effect.

        Returns what will hold its result. While the market does not run it happens at once.
        """
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.wake.set()
        if self.state != "running":
            done.set_result(action(self.market_ns))
            return done
        due_ns = (self.market_ns if cause_ns is None else cause_ns) + self.latency_ns
        at_ns = self._source.align(max(self.market_ns, self._source.horizon_ns, due_ns))
        heapq.heappush(self._pending, _Pending(at_ns, rank, next(self._number), action, done))
        return done

    def journal(self, at_ns: int, call: str, params: Mapping[str, str]) -> None:
        """Write down a request that takes effect now, where anything is kept."""
        if self._keeper is not None:
            self._keeper.effect(at_ns, call, params)

    def receive(self, request_id: str | None) -> None:
        """Note that a request that a cursor may name has arrived, and is queued if it has an effect."""
        if request_id is not None:
            self.cursors.receive(request_id)
            self.wake.set()

    async def until(self, is_true: Callable[[], bool], seconds: float) -> bool:
        """Wait until the market makes something true. Returns whether it did in time."""
        try:
            async with asyncio.timeout(seconds), self._advanced:
                await self._advanced.wait_for(is_true)
        except TimeoutError:
            return False
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Wait for the audience, let the market go on, then serve requests until stopped."""
        await self._run(stop)
        if self._keeper is not None:
            await self._keeper.close()

    async def _run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self.state == "waiting" and (self.hub.has_audience or self.end_ns is None):
                self.state = "running"
            if self.state == "running" and (self.hub.has_audience or not self.lockstep):
                while self._advance(self._limit()):
                    await self._flush()
                    if stop.is_set():
                        return
            await self._flush()
            await self._rest()

    async def _rest(self) -> None:
        """Sleep until something may have changed; a pace held to the clock is itself such a thing."""
        is_paced = self.state == "running" and self._pace is not None
        try:
            async with asyncio.timeout(IDLE_SECONDS if is_paced else STOP_SECONDS):
                await self.wake.wait()
        except TimeoutError:
            return
        self.wake.clear()

    def _limit(self) -> int:
        limits = [] if self.end_ns is None else [self.end_ns]
        if self.lockstep:
            limits.append(self.cursors.floor_ns + self.latency_ns)
        if self._pace is not None:
            limits.append(self._pace())
        return min(limits)

    def _advance(self, limit_ns: int) -> bool:
        """Let events and requests happen up to `limit_ns`, a batch of them. Returns whether there is more."""
        if limit_ns < self.market_ns:
            return False
        if self._keeper is not None:
            self._keeper.allow(limit_ns)
        if self._pace is not None and limit_ns - self.market_ns > ASLEEP_NS:
            self._wake_up(limit_ns)
        is_end = limit_ns == self.end_ns
        for _ in range(BATCH):
            first = self._pending[0] if self._pending else None
            event = self._source.take(limit_ns if first is None else min(limit_ns, first.at_ns))
            if event is not None:
                self._play(event)
            elif first is not None and (first.at_ns < limit_ns or is_end):
                self._act(heapq.heappop(self._pending))
            else:
                self.market_ns = limit_ns
                if is_end:
                    self.is_over = True
                    if not self.lockstep or self.cursors.floor_ns > limit_ns - HEARTBEAT_NS:
                        self.state = "finished"
                self._settle()
                return False
        self._settle()
        return True

    def _wake_up(self, now_ns: int) -> None:
        """The machine slept: a market that knows the time of day goes on from now."""
        at_ns = self._source.pause(now_ns, self._play)
        if at_ns is not None:
            self.journal(at_ns, PAUSE, {"until": str(now_ns)})
            self.market_ns = max(self.market_ns, self._source.horizon_ns)

    def _play(self, event: Event | Own) -> None:
        self.exchange.play(event)
        if isinstance(event, Own):
            self.market_ns = event.at_ns
            return
        self.market_ns, self._seq = event.recv_ns, event.seq
        self.frames += 1
        self.hub.offer(event)

    def _act(self, pending: _Pending) -> None:
        at_ns = max(self.market_ns, pending.at_ns)
        if self.end_ns is not None:
            at_ns = min(at_ns, self.end_ns)
        self.market_ns = at_ns
        result = pending.action(at_ns)
        if self.lockstep:
            _answer(pending.done, result)
        else:
            heapq.heappush(self._answers, (at_ns + self.latency_ns, pending.number, pending.done, result))

    def _settle(self) -> None:
        """Hand out what is due: user events and, where there is no lockstep, answers."""
        for at_ns, payload in self.exchange.take_events():
            self._user_events += 1
            self.hub.tell(payload, self._user_events, at_ns + self.latency_ns)
        while self._answers and (self.is_over or self._answers[0][0] <= self.market_ns):
            _, _, done, result = heapq.heappop(self._answers)
            _answer(done, result)

    async def _flush(self) -> None:
        self._settle()
        next_ns = self._source.next_ns
        is_still = next_ns is None or next_ns > self.market_ns
        if is_still and self.state != "waiting":
            self.hub.mark(self._seq, self.market_ns, self.is_over)
        await self.hub.flush(self.market_ns)
        async with self._advanced:
            self._advanced.notify_all()


def _answer(done: asyncio.Future[Any], result: Any) -> None:
    if not done.done():  # the client may have gone away; the request took effect all the same
        done.set_result(result)
