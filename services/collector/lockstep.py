"""The collector in replay: frames in their recorded order and at their recorded time (shell, replay only).

See `docs/replay.md`. The core is the same; only the order of its inputs and their time come from the venue.
"""

from __future__ import annotations

import asyncio

from services.collector.core import CollectorCore
from services.collector.envelope import open_envelope
from services.collector.merge import Item, Merge
from services.collector.publisher import Publisher
from services.collector.routes import Route, routes
from services.collector.sockets import Channel
from services.collector.venue import VenueRest
from shared.bus import Link
from shared.errors import BadFrame, BadInput, VenueError
from shared.runner import Context, gather

# The replay sets out with the first subscription: all streams must be in it.
STREAMS, URL_LENGTH = 1024, 1 << 16


class Lockstep:
    """Merges the sockets and feeds the core as far as the order is certain."""

    def __init__(self, context: Context, core: CollectorCore, rest: VenueRest, link: Link) -> None:
        self._context = context
        self._core = core
        self._rest = rest
        self._publisher = Publisher(context, link, self._want)
        settings = context.settings
        self._routes = routes(
            settings.data_public_url, settings.data_market_url, settings.symbols, STREAMS, URL_LENGTH
        )
        self._merge = Merge([route.name for route in self._routes])
        self._wanted: list[str] = []  # symbols whose snapshot must be fetched before anything else is handled
        self._bad: list[tuple[str, bytes]] = []  # messages to be parked
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Until stopped."""
        stop, log = self._context.stop, self._context.log
        await gather(
            [
                *(Channel(route, self, stop, log).run() for route in self._routes),
                self._handle(),
                self._wake(),
            ]
        )

    def message(self, route: Route, message: bytes) -> bool:
        """A message came: it waits for its place."""
        try:
            envelope = open_envelope(message)
        except BadFrame as error:  # its place in the order is lost with it, but it changes nothing
            self._bad.append((f"{route.name} socket: {error}", message))
            return False
        if isinstance(envelope.replay, dict):
            for seq, market_ns in envelope.replay.values():
                self._merge.watermark(route.name, seq, market_ns)
            self._moved.set()
        elif envelope.replay is not None and envelope.stream is not None:
            seq, recv_ns = envelope.replay
            self._merge.add(Item(seq, recv_ns, envelope.stream, "", bytes(envelope.data)))
        elif envelope.stream is not None:
            raise BadInput(
                "the venue does not run in lockstep, but LOBFLOW_LOCKSTEP is set for the collector"
            )
        return False

    def opened(self, route: Route) -> None:
        """Nothing to do: watermarks tell how far the venue is."""

    def renewed(self, route: Route, duplicates: int) -> None:
        """Not in a replay: sockets live as long as it does."""

    def lost(self, route: Route, reason: str) -> None:
        """A venue that is starting is waited for; once the replay has begun nothing can be made good."""
        if self._merge.market_ns:
            raise VenueError(f"{reason}: a replay cannot be resumed")

    def _want(self, symbol: str) -> None:
        self._wanted.append(symbol)

    async def _wake(self) -> None:
        await self._context.stop.wait()
        self._moved.set()

    async def _handle(self) -> None:
        while not self._context.stop.is_set():
            await self._moved.wait()
            self._moved.clear()
            while (item := self._merge.next()) is not None:
                await self._item(item)
            self._publisher.take(self._core.tick(self._merge.market_ns))
            await self._publisher.flush()
            while self._bad:
                await self._context.park(*self._bad.pop(0))

    async def _item(self, item: Item) -> None:
        try:
            if item.stream:
                self._publisher.take(self._core.frame(item.recv_ns, item.stream, item.data))
            else:
                self._publisher.take(self._core.snapshot(item.recv_ns, item.symbol, item.data))
        except BadFrame as error:
            await self._context.park(f"frame {item.seq}: {error}", item.data)
        while self._wanted:
            symbol = self._wanted.pop()
            try:
                snapshot = await self._rest.snapshot(symbol, item.seq)
            except VenueError as error:
                self._context.log.warning("%s", error)
                self._publisher.take(self._core.snapshot_failed(item.recv_ns, symbol))
                continue
            self._merge.add(Item(snapshot.seq, snapshot.recv_ns, "", symbol, snapshot.body))
