"""The venue put together: exchange, replay, sockets and REST on one aiohttp server."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping

from aiohttp import web

from services.venue.answers import Answers
from services.venue.hub import Hub
from services.venue.listen_keys import ListenKeys
from services.venue.opening import open_recording
from services.venue.quota import Quota
from services.venue.replay import Replay
from services.venue.rest import Rest
from services.venue.signed import Signed
from services.venue.sockets import Sockets
from shared.settings import Settings
from shared.telemetry import serve
from shared.units import MS

KEY_CHECK_SECONDS = 10.0


class Venue:
    """One local venue, of recorded markets or of synthetic ones. Reads what it begins with once when made;
    raises BadInput or BadSetting in one line."""

    def __init__(self, settings: Settings, log: logging.Logger) -> None:
        self._settings = settings
        self._log = log
        self.left_out: dict[
            str, int
        ] = {}  # trades of a recording that belong to no aggTrade; known at the end
        if settings.venue_files:
            opened = open_recording(settings, self.left_out)
        else:
            from services.venue.resuming import (
                open_synthetic,
            )  # with numba: 100 MB that a replay does without

            opened = open_synthetic(settings, log)
        hub = Hub(settings.lockstep, settings.venue_latency_ms * MS, log)
        self.replay = Replay(opened.exchange, opened.source, hub, settings, opened.pace, opened.keeper)
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
