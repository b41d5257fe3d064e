"""The venue put together: exchange, replay, sockets and REST on one aiohttp server."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping

from aiohttp import web

from services.venue.answers import Answers
from services.venue.core import Exchange
from services.venue.events import Instrument
from services.venue.hub import Hub
from services.venue.listen_keys import ListenKeys
from services.venue.quota import Quota
from services.venue.recording import scan, timeline
from services.venue.replay import Replay
from services.venue.rest import Rest
from services.venue.signed import Signed
from services.venue.sockets import Sockets
from shared.errors import BadInput, BadSetting
from shared.settings import Settings
from shared.telemetry import serve
from shared.units import MS

KEY_CHECK_SECONDS = 10.0


class Venue:
    """One local venue. Reads the recording once when made; raises BadInput or BadSetting in one line."""

    def __init__(self, settings: Settings, log: logging.Logger) -> None:
        if not settings.lockstep and settings.venue_speed == 0:
            raise BadSetting(
                "LOBFLOW_VENUE_SPEED: without lockstep the market follows the clock: set 1 for real time"
            )
        instruments = scan(settings.venue_files)
        _check_symbols(settings, instruments)
        self._settings = settings
        self._log = log
        hub = Hub(settings.lockstep, settings.venue_latency_ms * MS, log)
        closes_ns = max(row.last_ns for row in instruments.values())
        exchange = Exchange(instruments, settings.venue_balance, closes_ns)
        self.left_out: dict[str, int] = {}  # trades that belong to no aggTrade; known at the end
        events = timeline(settings.venue_files, instruments, self.left_out)
        self.replay = Replay(exchange, events, hub, settings, time.monotonic)
        keys = ListenKeys(lambda: secrets.token_hex(32))
        replay = self.replay
        answers = Answers(
            Quota(settings.venue_limits),
            (lambda: replay.market_ns) if settings.lockstep else time.time_ns,
        )
        self._sockets = Sockets(replay, keys)
        signed, rest = Signed(replay, answers, keys, settings), Rest(replay, answers, settings)
        self.app = web.Application()
        self.app.add_routes([*self._sockets.routes(), *signed.routes(), *rest.routes()])

    async def run(self, stop: asyncio.Event, ready: asyncio.Future[int] | None = None) -> None:
        """Serve until stopped. `ready` is given the port once requests are taken."""
        settings = self._settings
        server, port = await serve(self.app, settings.host, settings.venue_port, "LOBFLOW_VENUE_PORT")
        self._log.info("the venue listens", extra={"with": {"port": port, **self._facts()}})
        if ready is not None:
            ready.set_result(port)
        try:
            async with asyncio.TaskGroup() as tasks:
                upkeep = tasks.create_task(self._upkeep())
                await self.replay.run(stop)
                upkeep.cancel()
        finally:
            await self.replay.hub.close()
            await server.cleanup()
            played = {"frames": self.replay.frames, "trades_left_out": self.left_out}
            self._log.info("the venue stops", extra={"with": played})

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(KEY_CHECK_SECONDS)
            await self._sockets.expire_keys()

    def _facts(self) -> Mapping[str, object]:
        rows = self.replay.exchange.instruments.values()
        return {"symbols": {row.symbol: row.frames for row in rows}}


def _check_symbols(settings: Settings, instruments: Mapping[str, Instrument]) -> None:
    for symbol in settings.symbols:
        if symbol not in instruments:
            found = ", ".join(instruments)
            raise BadInput(f"LOBFLOW_SYMBOLS names {symbol}, but the recording holds {found} only")
