"""A whole system on this machine, for as long as it is wanted: Redis, all services, their models.

`run` is what `lobflow up`, `lobflow soak` and the tests call.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from lobflow.first_models import FirstModels
from lobflow.private_redis import PrivateRedis
from lobflow.processes import Child, Processes
from lobflow.replay import forget
from lobflow.retraining import Retraining
from lobflow.service_logs import ServiceLogs
from lobflow.state_folder import StateFolder
from lobflow.system_status import SystemStatus, look
from lobflow.venues import Venue
from shared.bus import Link
from shared.errors import BadSetting
from shared.runner import sleep_unless
from shared.settings import Settings

SERVICES = ("recorder", "monitor", "features", "trader", "collector")  # model comes when there is one
LOOK_SECONDS = 1.0
REDIS_SECONDS = 10.0
OURS = ("redis_url", "instance", "parent_pid", "monitor_port", "metrics_port", "lockstep", "run_id")

Say = Callable[[str, str, str], None]  # name, text, level


@dataclass(frozen=True)
class Options:
    """What to run. `own` are the user's settings; `port` is that of REST."""

    venue: Venue
    state: StateFolder
    port: int
    own: Settings
    improves: bool = True


@dataclass
class System:
    """A system that runs, as displays and drills see it."""

    options: Options
    redis: PrivateRedis | None
    redis_url: str
    processes: Processes
    models: FirstModels
    retraining: Retraining
    started: float = field(default_factory=time.monotonic)
    redis_restarts: int = 0

    @property
    def monitor_url(self) -> str:
        """Where REST is."""
        return f"http://127.0.0.1:{self.options.port}"

    @property
    def venue_url(self) -> str | None:
        """Where the local venue is, None where it is not local."""
        venue = self.options.venue
        return str(venue.settings["data_rest_url"]) if venue.is_local else None

    def kill_all(self) -> None:
        """Somebody does not want to wait: no service is given time any more."""
        self.processes.kill_all()
        self.models.kill()
        self.retraining.kill()


Watch = Callable[[System, SystemStatus], Awaitable[None]]


async def run(
    options: Options, stop: asyncio.Event, say: Say, watch: Watch, began: Callable[[System], None]
) -> None:
    """Run until `stop` is set, or until a service says that a setting is bad. `watch` is called each second,
    `began` once. The state folder is taken by the caller. Raises LobflowError."""
    check_port(options.port)
    logs = ServiceLogs(options.state.logs, say)
    own_url = options.own.redis_url if "redis_url" in options.own.model_fields_set else None
    redis = None if own_url else PrivateRedis(options.state.redis, options.state.held)
    if redis is not None:
        redis.start()
    try:
        url = own_url or (redis.url if redis else "")
        await _run(options, redis, url, logs, stop, watch, began)
    finally:
        if redis is not None:
            redis.close()
        logs.close()


async def _run(
    options: Options,
    redis: PrivateRedis | None,
    redis_url: str,
    logs: ServiceLogs,
    stop: asyncio.Event,
    watch: Watch,
    began: Callable[[System], None],
) -> None:
    def restarted(child: Child) -> None:
        how = f"killed by signal {-child.end_code}" if child.end_code < 0 else f"ended with {child.end_code}"
        logs.line("up", f"{child.name} was {how}: started again ({child.restarts})".encode())

    settings = settings_of(options, redis_url)
    processes = Processes(
        settings, options.state.logs, restarted, logs.line, keeps_alive=True, held=options.state.held
    )
    models = FirstModels(
        Path(str(settings["model_dir"])), options.venue.symbols, logs.line, options.state.held
    )
    monitor_url = f"http://127.0.0.1:{options.port}"
    retraining = Retraining(settings, options.own, monitor_url, logs.line, options.state.held)
    system = System(options, redis, redis_url, processes, models, retraining)
    began(system)
    background: list[asyncio.Task[None]] = []
    is_retraining = False
    if redis is not None:  # ours alone: no replay of before runs on it
        link = await Link(redis_url).open(REDIS_SECONDS)
        await forget(link, "replay-*")
        await link.close()
    try:
        for service in (*(("venue",) if options.venue.is_local else ()), *SERVICES):
            await processes.start(service)
        background.append(asyncio.create_task(_serve_model(system, stop)))
        async with aiohttp.ClientSession() as session:
            while not stop.is_set() and not processes.failed.done():
                await _keep_redis(system, logs)
                seen = await look(
                    session,
                    system.monitor_url,
                    system.venue_url,
                    in_order(processes.children.values()),
                    "model" not in processes.children,
                )
                await watch(system, seen)
                for task in background:
                    if task.done():
                        task.result()
                if seen.is_ready and options.improves and not models.is_improving:
                    models.is_improving = True
                    background.append(asyncio.create_task(models.improve(system.monitor_url)))
                if seen.is_ready and retraining.every_hours and not is_retraining:
                    is_retraining = True
                    background.append(asyncio.create_task(retraining.run()))
                await sleep_unless(stop, LOOK_SECONDS)
        if processes.failed.done():
            processes.failed.result()
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await processes.stop()


async def _serve_model(system: System, stop: asyncio.Event) -> None:
    await system.models.prepare()
    link = await Link(system.redis_url).open(REDIS_SECONDS)
    try:
        await system.models.replace_lost(link, system.options.venue.run_id, system.monitor_url)
    finally:
        await link.close()
    if not stop.is_set():
        await system.processes.start("model")
        if system.options.own.shadow_models:
            await system.processes.start("model", instance="shadows", module="services.model.shadows")


async def _keep_redis(system: System, logs: ServiceLogs) -> None:
    redis = system.redis
    if redis is None or redis.process is None or redis.process.poll() is None:
        return
    code = redis.process.returncode
    await asyncio.to_thread(redis.start)
    system.redis_restarts += 1
    logs.line("up", f"redis ended with {code}: started again ({system.redis_restarts})".encode())


def in_order(children: Any) -> list[Child]:
    """As data flow."""
    order = ("venue", "collector", "features", "model", "trader", "monitor", "recorder")
    return sorted(children, key=lambda child: (order.index(child.service), child.instance))


def settings_of(options: Options, redis_url: str) -> dict[str, object]:
    """The settings of every service: the user's, then the venue's, then what we decide."""
    own, state, venue = options.own, options.state, options.venue
    chosen: dict[str, object] = {}
    for name in own.model_fields_set - set(OURS):
        value = getattr(own, name)
        chosen[name] = value.get_secret_value() if isinstance(value, SecretStr) else value
    defaults = {"model_dir": state.models, "record_dir": state.data}
    return {
        **defaults,
        **chosen,
        **venue.settings,
        "symbols": venue.symbols,
        "redis_url": redis_url,
        "run_id": venue.run_id,
        "monitor_port": options.port,
    }


def check_port(port: int) -> None:
    """Raises BadSetting where REST could not listen on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadSetting(
                f"port {port} cannot be used for REST ({error.strerror}): choose another with PORT=8001, or "
                "--port with `lobflow up`"
            ) from error
