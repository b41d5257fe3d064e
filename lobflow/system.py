"""The whole system on one machine: a private Redis, all services as processes, watched until stopped."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from lobflow.live_status import Snapshot
from lobflow.private_redis import PrivateRedis
from lobflow.processes import Child, Processes
from lobflow.service_logs import ServiceLogs
from lobflow.state_folder import StateFolder
from lobflow.venues import Venue
from shared.errors import LobflowError
from shared.settings import Settings

POLL_SECONDS = 1.0
ASK_SECONDS = 5.0
PATHS = ("status", "pnl", "stats", "positions")
# What needs no model starts while one is fitted.
BEFORE_MODEL = ("venue", "recorder", "monitor", "features", "collector")
AFTER_MODEL = ("model", "trader")


@dataclass
class Options:
    """What to run. `own` are the settings that the user's environment and `.env` name; `model` a folder of
    models to use instead of one fitted here. Without `improves` the first model stays."""

    venue: Venue
    state: StateFolder
    own: Settings
    port: int
    model: Path | None = None
    improves: bool = True
    extra: dict[str, object] = field(default_factory=dict)  # further settings, for drills


@dataclass
class System:
    """A system that runs, as displays and drills see it."""

    options: Options
    processes: Processes
    redis_url: str
    run_id: str
    started: float  # monotonic seconds

    @property
    def rest(self) -> str:
        """Where the monitor answers."""
        return f"http://127.0.0.1:{self.options.port}"

    def snapshot(self, answers: Mapping[str, Any]) -> Snapshot:
        """How it is now."""
        restarts = {name: child.restarts for name, child in self.processes.children.items()}
        return Snapshot(time.monotonic() - self.started, restarts, answers)


Watch = Callable[[System, Snapshot], Awaitable[None]]
Say = Callable[[str, str, str], None]  # (who, what, level)


async def run(options: Options, say: Say, watch: Watch) -> None:
    """Start everything and keep it running until canceled; `watch` is called about once a second. Raises
    LobflowError where it cannot go on. Whatever ends it, the trader is stopped first and Redis last."""
    options.state.take({"port": options.port, "venue": options.venue.name})
    logs = ServiceLogs(options.state.logs, say)
    try:
        if "redis_url" in options.own.model_fields_set:
            await _run(options, options.own.redis_url, logs, say, watch)
        else:
            with PrivateRedis(options.state.redis) as redis:
                await _run(options, redis.url, logs, say, watch)
    finally:
        logs.close()
        options.state.release()


async def _run(options: Options, redis_url: str, logs: ServiceLogs, say: Say, watch: Watch) -> None:
    run_id = "live" if not options.venue.begins_anew else f"{options.venue.name}-{time.time_ns() // 10**6}"
    values = _settings(options, redis_url, run_id)

    def restarted(child: Child) -> None:
        say("lobflow", f"{child.name} ended and is started again ({child.restarts})", "WARNING")

    processes = Processes(values, options.state.logs, restarted, logs.line, keeps_alive=True)
    system = System(options, processes, redis_url, run_id, time.monotonic())
    tools: list[asyncio.Task[int]] = []
    try:
        for service in BEFORE_MODEL:
            if service != "venue" or options.venue.is_local:
                await processes.start(service)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session:
            watching = asyncio.create_task(_watch(system, session, watch))
            tools.append(asyncio.create_task(_first_model(system, say)))
            try:
                await _unless(watching, tools[0])
                for service in AFTER_MODEL:
                    await processes.start(service)
                if options.improves and options.model is None:
                    tools.append(asyncio.create_task(_further_model(system, say)))
                await watching
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
    finally:
        for tool in tools:
            tool.cancel()
        await asyncio.gather(*tools, return_exceptions=True)
        await processes.stop()


async def _unless(watching: asyncio.Task[None], work: asyncio.Task[int]) -> None:
    """Wait for `work`, but not beyond an end of the watching, which only an error brings."""
    await asyncio.wait({watching, work}, return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        watching.result()
    if await work:
        raise LobflowError("no first model could be fitted; its last lines say why")


def _settings(options: Options, redis_url: str, run_id: str) -> dict[str, object]:
    own = {name: getattr(options.own, name) for name in options.own.model_fields_set}
    for name in ("api_key", "api_secret"):
        if name in own:
            own[name] = own[name].get_secret_value()
    return {
        **own,
        "redis_url": redis_url,
        "run_id": run_id,
        "symbols": options.venue.symbols,
        "model_dir": options.model or options.state.models,
        "record_dir": options.state.data,
        "monitor_port": options.port,
        **options.venue.settings,
        **options.extra,
    }


async def _watch(system: System, session: aiohttp.ClientSession, watch: Watch) -> None:
    while True:
        if system.processes.failed.done():
            system.processes.failed.result()
        await watch(system, system.snapshot(await _answers(system, session)))
        await asyncio.sleep(POLL_SECONDS)


async def _answers(system: System, session: aiohttp.ClientSession) -> dict[str, Any]:
    """What the monitor says; nothing while it does not answer."""
    found = {}
    for path in PATHS:
        try:
            async with session.get(f"{system.rest}/api/v1/{path}") as answer:
                if answer.status != 200:
                    return {}
                found[path] = await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            return {}
    return found


async def _first_model(system: System, say: Say) -> int:
    """Fit a model for each symbol that has none. Returns the exit code."""
    options = system.options
    if options.model is not None:
        return 0
    words = ["prepare", "--models", str(options.state.models), "--symbols", ",".join(options.venue.symbols)]
    return await _tool(words, "first model", say)


async def _further_model(system: System, say: Say) -> int:
    """Fit a better model while the first one serves; once for a folder of models."""
    options = system.options
    done = options.state.models / "improved"
    if done.exists():
        return 0
    words = ["improve", "--models", str(options.state.models), "--symbols", ",".join(options.venue.symbols)]
    code = await _tool([*words, "--monitor", system.rest], "further model", say)
    if code == 0:
        done.write_text("a further model was fitted on six synthetic hours and held against the first\n")
    else:
        say("lobflow", "the further model could not be fitted; the first one goes on serving", "WARNING")
    return code


async def _tool(words: list[str], name: str, say: Say) -> int:
    """Run lobflow.first_model as a process of its own, saying what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-m", "lobflow.first_model", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        while line := await process.stdout.readline():
            say(name, line.decode(errors="replace").rstrip(), "")
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
