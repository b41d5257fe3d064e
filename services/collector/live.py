"""The collector live: each frame is stamped on arrival and handled at once (shell)."""

from __future__ import annotations

import asyncio
import time

from services.collector.core import CollectorCore
from services.collector.envelope import open_envelope
from services.collector.feed import HEARTBEAT_NS
from services.collector.publisher import Publisher
from services.collector.sockets import STREAMS, listen, routes
from services.collector.venue import VenueRest
from shared.bus import Link
from shared.errors import BadFrame, VenueError
from shared.runner import Context, gather, sleep_unless

EXPECTED = ("depth", "bookTicker", "aggTrade")  # a recording need not hold the mark price


class Live:
    """Sockets, snapshots and the clock, each in a task; all meet in the core, which never waits."""

    def __init__(self, context: Context, core: CollectorCore, rest: VenueRest, link: Link) -> None:
        self._context = context
        self._core = core
        self._rest = rest
        self._publisher = Publisher(context, link, self._want)
        self._clock_ns = 0  # the last stamp given
        self._silent: set[str] = set()  # streams of which no frame has come since their socket was opened
        self._snapshots: asyncio.Queue[str | None] = asyncio.Queue()
        self._bad: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()

    async def run(self) -> None:
        """Until stopped."""
        settings = self._context.settings
        sockets = routes(settings.data_public_url, settings.data_market_url, settings.symbols)
        self._silent = {f"{symbol.lower()}@{kind}" for symbol in settings.symbols for kind in EXPECTED}
        self._say_silent()
        stop, log = self._context.stop, self._context.log
        await gather(
            [
                *(listen(route, stop, log, self._message, self._lost) for route in sockets),
                self._publisher.run(),
                self._fetch(),
                self._park(),
                self._tick(),
            ]
        )
        await self._publisher.flush()

    def _now_ns(self) -> int:
        self._clock_ns = max(self._clock_ns, time.time_ns())
        return self._clock_ns

    def _message(self, what: str, message: bytes) -> bool:
        received_ns = time.monotonic_ns()
        try:
            envelope = open_envelope(message)
            if envelope.stream is None:
                return False  # the answer to a request of ours
            outputs = self._core.frame(self._now_ns(), envelope.stream, bytes(envelope.data))
        except BadFrame as error:
            self._bad.put_nowait((f"{what} socket: {error}", message))
            return False
        if self._silent:
            symbol, _, kind = envelope.stream.partition("@")
            self._silent.discard(f"{symbol}@{kind.partition('@')[0]}")
            self._say_silent()
        self._publisher.take(outputs, received_ns)
        return bool(outputs)

    def _lost(self, what: str, reason: str) -> None:
        kinds = STREAMS[what]
        self._silent |= {
            f"{symbol.lower()}@{kind.partition('@')[0]}"
            for symbol in self._context.settings.symbols
            for kind in kinds
            if kind.partition("@")[0] in EXPECTED
        }
        self._say_silent()
        self._publisher.take(self._core.lost(self._now_ns(), what, reason))

    def _say_silent(self) -> None:
        """Ready means that every stream has sent a frame: an acknowledged subscription proves nothing."""
        if self._silent:
            self._context.telemetry.not_ready["feed"] = f"no frame yet of {', '.join(sorted(self._silent))}"
        else:
            self._context.telemetry.not_ready.pop("feed", None)

    def _want(self, symbol: str) -> None:
        self._snapshots.put_nowait(symbol)

    async def _fetch(self) -> None:
        while (symbol := await self._snapshots.get()) is not None:
            try:
                snapshot = await self._rest.snapshot(symbol, None)
                outputs = self._core.snapshot(self._now_ns(), symbol, snapshot.body)
            except VenueError as error:
                self._context.log.warning("%s", error)
                outputs = self._core.snapshot_failed(self._now_ns(), symbol)
            except BadFrame as error:
                self._bad.put_nowait((f"snapshot of {symbol}: {error}", snapshot.body))
                continue
            self._publisher.take(outputs)

    async def _park(self) -> None:
        while (bad := await self._bad.get()) is not None:
            await self._context.park(*bad)

    async def _tick(self) -> None:
        while not self._context.stop.is_set():
            await sleep_unless(self._context.stop, HEARTBEAT_NS / 4e9)
            self._publisher.take(self._core.tick(self._now_ns()))
        # The queues' readers end with None, so that no read is canceled half way.
        self._snapshots.put_nowait(None)
        self._bad.put_nowait(None)
        self._publisher.wake()
