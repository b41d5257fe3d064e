"""The collector live: each frame is stamped on arrival and handled at once (shell)."""

from __future__ import annotations

import asyncio
import time

from services.collector.boot import Boot
from services.collector.clock import Clock
from services.collector.core import CollectorCore
from services.collector.envelope import open_envelope
from services.collector.feed import HEARTBEAT_NS, Output
from services.collector.journal import Journal
from services.collector.parking import Parking
from services.collector.publisher import Publisher
from services.collector.routes import Route, kind_of, routes, symbol_of
from services.collector.skew import Skew
from services.collector.sockets import Channel
from services.collector.venue import VenueRest
from services.collector.vigil import Vigil
from services.collector.watch import Watch
from shared.bus import Link
from shared.errors import BadFrame, VenueError
from shared.runner import Context, gather, sleep_unless
from shared.units import SECOND
from shared.venues import PRESETS

SNAPSHOTS_AT_ONCE = 4
# Between two snapshots of a symbol that only fill its book: they have one budget with the rest.
FILL_SECONDS = 30.0
SHUTDOWN = b'"serverShutdown"'  # the venue says so before it closes a socket
PUBLISHED_KINDS = ("depth", "aggTrade", "markPrice")  # book tickers only check the book


class Live:
    """Sockets, snapshots and the clock, each in a task; all meet in the core, which never waits."""

    def __init__(
        self, context: Context, core: CollectorCore, rest: VenueRest, link: Link, journal: Journal
    ) -> None:
        settings = context.settings
        self._context = context
        self._core = core
        self._rest = rest
        self._journal = journal
        self._publisher = Publisher(context, link, self._want)
        self._clock = Clock()
        self._is_begun = False
        self._snapshots: asyncio.Queue[str | None] = asyncio.Queue()
        self._filled_at: dict[str, float] = {}  # when a snapshot was asked for to fill a book
        self._parking = Parking(context)
        self._routes = routes(
            settings.data_public_url, settings.data_market_url, settings.symbols, settings.socket_streams
        )
        self._channels = {
            route.name: Channel(
                route,
                self,
                context.stop,
                context.log,
                settings.socket_seconds + 30 * number,  # not all at once
                settings.overlap_seconds,
            )
            for number, route in enumerate(self._routes)
        }
        demanded = PRESETS[settings.data_venue].demanded
        streams = [stream for route in self._routes for stream in route.streams]
        self._watch = Watch(streams, int(settings.silent_seconds * SECOND))
        self._boot = Boot(self._routes, demanded, settings.first_frame_seconds, time.monotonic_ns())
        self._vigil = Vigil(context, self._boot, self._watch, rest, self._silent)

    async def run(self) -> None:
        """Until stopped."""
        await gather(
            [
                *(channel.run() for channel in self._channels.values()),
                *(self._fetch() for _ in range(SNAPSHOTS_AT_ONCE)),
                self._publisher.run(),
                self._parking.run(),
                self._tick(),
                self._vigil.run(),
                Skew(self._context, self._rest).run(),
            ]
        )
        await self._publisher.flush()

    # --- what sockets tell ----------------------------------------------------------------------------------

    def message(self, route: Route, message: bytes) -> bool:
        """A message came: stamp it and let the core handle it."""
        received_ns = time.monotonic_ns()
        try:
            envelope = open_envelope(message)
            stream = envelope.stream
            if stream is None or "@" not in stream:
                self._other(route, message)
                return False
            now_ns = self._begin()
            outputs = self._core.frame(now_ns, stream, bytes(envelope.data))
        except BadFrame as error:
            self._parking.put(f"{route.name} socket: {error}", message)
            return False
        self._watch.seen(stream, received_ns)
        if self._boot.waiting:
            self._boot.heard(stream)
        self._journal.frame(symbol_of(stream), now_ns, outputs, message)
        self._publisher.take(outputs, received_ns)
        return bool(outputs)

    def opened(self, route: Route) -> None:
        """A connection of `route` is open."""
        now_ns = time.monotonic_ns()
        self._context.telemetry.labeled["sockets_opened", "socket", route.name] += 1
        self._boot.opened(route, now_ns)
        self._watch.opened(route.streams, now_ns)
        self._vigil.is_down.pop(route.name, None)

    def lost(self, route: Route, reason: str) -> None:
        """The connection of `route` is gone."""
        self._context.telemetry.labeled["sockets_lost", "socket", route.name] += 1
        self._watch.closed(route.streams, time.monotonic_ns())
        self._vigil.is_down[route.name] = reason
        now_ns = self._clock.now_ns()
        outputs = self._core.lost(now_ns, route.what, reason, route.symbols)
        self._journal.lost(route, now_ns, reason, outputs)
        self._publisher.take(outputs)

    def renewed(self, route: Route, duplicates: int) -> None:
        """A new connection of `route` took over without a gap."""
        self._context.telemetry.labeled["sockets_renewed", "socket", route.name] += 1
        self._context.telemetry.counters["frames_twice"] += duplicates

    def _other(self, route: Route, message: bytes) -> None:
        """What is no frame of a stream: the answer to a request of ours, or the venue's farewell."""
        if SHUTDOWN in message:
            self._context.telemetry.counters["server_shutdowns"] += 1
            self._channels[route.name].renew("serverShutdown")
        elif b'"code"' in message or b'"error"' in message:
            self._context.telemetry.counters["subscriptions_refused"] += 1
            self._context.log.error(
                "%s socket: the venue refused: %s", route.name, message[:200].decode(errors="replace")
            )

    def _begin(self) -> int:
        """The time now; with the first frame of any symbol the time of all begins."""
        now_ns = self._clock.now_ns()
        if not self._is_begun:
            self._is_begun = True
            outputs = self._core.begin(now_ns)
            self._journal.begin(now_ns)
            self._publisher.take(outputs)
        return now_ns

    def _silent(self, stream: str, reason: str) -> None:
        """`stream` is silent although it should not be: say so, and replace its connection."""
        kind, symbol = kind_of(stream), symbol_of(stream)
        self._context.telemetry.labeled["silences", "stream", stream] += 1
        if kind in PUBLISHED_KINDS:
            now_ns = self._clock.now_ns()
            outputs = self._core.stale(now_ns, symbol, kind, reason)
            self._journal.stale(symbol, now_ns, kind, reason, outputs)
            self._publisher.take(outputs)
        for route in self._routes:
            if stream in route.streams:
                self._channels[route.name].renew(reason, [stream])

    # --- snapshots, time ------------------------------------------------------------------------------------

    def _want(self, symbol: str) -> None:
        self._snapshots.put_nowait(symbol)

    def _want_more(self) -> None:
        now = time.monotonic()
        for symbol in self._core.short():
            if now - self._filled_at.get(symbol, -FILL_SECONDS) >= FILL_SECONDS:
                self._filled_at[symbol] = now
                self._want(symbol)

    async def _fetch(self) -> None:
        while (symbol := await self._snapshots.get()) is not None and not self._context.stop.is_set():
            outputs: list[Output]
            try:
                snapshot = await self._rest.snapshot(symbol, None)
                now_ns = self._clock.now_ns()
                outputs = self._core.snapshot(now_ns, symbol, snapshot.body)
            except VenueError as error:
                if self._context.stop.is_set():
                    return
                self._context.log.warning("%s", error)
                outputs = self._core.snapshot_failed(self._clock.now_ns(), symbol)
            except BadFrame as error:
                self._parking.put(f"snapshot of {symbol}: {error}", snapshot.body)
                continue
            else:
                self._journal.frame(symbol, now_ns, outputs, snapshot.body)
            self._publisher.take(outputs)

    async def _tick(self) -> None:
        counters = self._context.telemetry.counters
        while not self._context.stop.is_set():
            await sleep_unless(self._context.stop, HEARTBEAT_NS / 4e9)
            outputs = self._core.tick(self._clock.now_ns())
            if outputs:
                self._journal.ticked(outputs)
                self._publisher.take(outputs)
            self._want_more()
            counters["clock_steps_back"] = self._clock.steps_back
        # The queues' readers end with None, so that no read is canceled half way.
        for _ in range(SNAPSHOTS_AT_ONCE):
            self._snapshots.put_nowait(None)
        self._parking.close()
        self._publisher.wake()
