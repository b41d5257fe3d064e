"""The monitor: folds the streams of a run and serves what came of it on `host`:`monitor_port`."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import uvicorn

from services.monitor.control import ControlDesk
from services.monitor.core import MonitorCore
from services.monitor.evidence import Plan
from services.monitor.feed import Feed
from services.monitor.gatekeeper import Gatekeeper
from services.monitor.metrics import CoreMetrics
from services.monitor.model_metrics import ModelMetrics
from services.monitor.models import Terms
from services.monitor.server import build
from shared.errors import BadSetting
from shared.runner import Context, run
from shared.settings import Settings
from shared.streams import Stream

LEDGER = (Stream.DECISIONS, Stream.EXECUTIONS)
CLOSE_SECONDS = 2  # how long a stop waits for requests under way


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the runner has them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


async def monitor(context: Context) -> None:
    """Follow the streams and serve until stopped."""
    settings = context.settings
    listener = listen(settings.host, settings.monitor_port)
    plan = Plan(settings.period, settings.threshold, 1e4 * settings.taker_fee)
    core = MonitorCore(settings.symbols, Terms(plan, settings.gate_confidence))
    feed = Feed(context, core)
    feed.expect_ledgers()
    desk = await ControlDesk(await context.link(), context.key(Stream.CONTROL)).open()
    core.opened_at = desk.last
    context.telemetry.registry.register(CoreMetrics(core, feed.health))
    context.telemetry.registry.register(ModelMetrics(core.symbols))
    registry = context.telemetry.registry
    app = build(core, feed.health, desk, registry, settings.run_id, data_kind(settings), settings.gate)
    server = Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
    )
    context.log.info(
        "serving", extra={"with": {"url": f"http://{settings.host}:{listener.getsockname()[1]}/docs"}}
    )
    async with asyncio.TaskGroup() as tasks:
        for symbol in core.symbols:
            tasks.create_task(feed.follow_ledger(symbol, LEDGER))
            tasks.create_task(feed.follow_market(symbol))
        tasks.create_task(feed.follow_ledger("", (Stream.ACCOUNT,)))
        tasks.create_task(feed.follow_ledger("", (Stream.CONTROL,)))
        tasks.create_task(feed.follow_health())
        # In lockstep control has no canonical place among the entries, and days of evidence never fit.
        if settings.gate != "off" and not settings.lockstep:
            tasks.create_task(Gatekeeper(context, core, desk).follow())
        tasks.create_task(server.serve(sockets=[listener]))
        await context.stop.wait()
        server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises BadSetting where the port is busy."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise BadSetting(f"LOBFLOW_MONITOR_PORT: cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def data_kind(settings: Settings) -> str:
    """Where the market data comes from: `recording`, `live` or `local`."""
    if settings.lockstep:
        return "recording"
    host = urlsplit(settings.data_public_url).hostname or ""
    return "live" if host.endswith(".binance.com") else "local"


if __name__ == "__main__":
    sys.exit(run("monitor", monitor))
