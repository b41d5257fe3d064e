"""The services as processes of this machine: started, watched, started again, stopped in order.

Children run in sessions of their own, so that Ctrl-C reaches us alone and we stop them: the trader first,
then what it depends on. A child whose parent is gone stops by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from lobflow.backoff import Backoff
from shared.errors import LobflowError
from shared.settings import to_environment

T = TypeVar("T")

STOP_ORDER = ("trader", "model", "features", "collector", "venue", "monitor", "recorder")
STOP_SECONDS = 15.0
BAD_SETTING = 2  # the exit code that no restart changes
LAST_LINES = 3
LINE_BYTES = 1 << 20


class ServiceFailed(LobflowError):
    """A service ended by itself; the text holds its last words."""


@dataclass
class Child:
    """One service process."""

    service: str
    instance: str
    log: Path
    environment: dict[str, str]
    module: str = ""  # what is run; empty is `services.<service>`
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    end_code: int = 0  # of the process before this one; negative is a signal
    backoff: Backoff = field(default_factory=Backoff)
    started: float = 0.0  # monotonic seconds
    started_ns: int = 0  # time of day
    peak_rss_bytes: int = 0
    watcher: asyncio.Task[None] | None = field(default=None, repr=False)
    reader: asyncio.Task[None] | None = field(default=None, repr=False)
    last_lines: deque[bytes] = field(default_factory=lambda: deque(maxlen=LAST_LINES), repr=False)

    @property
    def name(self) -> str:
        """`features`, or `features-1` for a second copy."""
        return self.service if self.instance == "0" else f"{self.service}-{self.instance}"


class Processes:
    """All children. `settings` are those of every child; `on_restart` is told of each restart.

    Their output goes to files in `logs`, or line by line to `on_line(name, line)` where that is given. A
    child that was killed is started again; one that ended by itself ends the run, unless `keeps_alive`: then
    only a bad setting does. Each child inherits the file descriptors `held`.
    """

    def __init__(
        self,
        settings: Mapping[str, object],
        logs: Path,
        on_restart: Callable[[Child], None] | None = None,
        on_line: Callable[[str, bytes], None] | None = None,
        keeps_alive: bool = False,
        held: Sequence[int] = (),
    ) -> None:
        self.children: dict[str, Child] = {}
        self._on_line = on_line
        self._keeps_alive = keeps_alive
        self._held = tuple(held)
        self._settings = dict(settings)
        self._logs = logs
        self._on_restart = on_restart or (lambda child: None)
        self._is_stopping = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        logs.mkdir(parents=True, exist_ok=True)

    async def start(
        self, service: str, *, instance: str = "0", module: str = "", **settings: object
    ) -> Child:
        """Start one service, or another `module` of it, with further settings of its own."""
        values = {**self._settings, **settings, "instance": instance, "parent_pid": os.getpid()}
        environment = {**inherited(), **to_environment(values), "PYTHONUNBUFFERED": "1"}
        child = Child(service, instance, Path(), environment, module)
        child.log = self._logs / f"{child.name}.log"
        self.children[child.name] = child
        await self._spawn(child)
        child.watcher = asyncio.create_task(self._watch(child))
        return child

    async def _spawn(self, child: Child) -> None:
        child.started, child.started_ns = time.monotonic(), time.time_ns()
        if self._on_line is None:
            with child.log.open("ab") as log:
                child.process = await self._exec(child, log)
            return
        child.process = await self._exec(child, asyncio.subprocess.PIPE)
        child.reader = asyncio.create_task(self._read(child, self._on_line))

    async def _exec(self, child: Child, out: IO[bytes] | int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            child.module or f"services.{child.service}",
            env=child.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=LINE_BYTES,
            pass_fds=self._held,
        )

    async def _read(self, child: Child, on_line: Callable[[str, bytes], None]) -> None:
        """Hand on every line, to the end of the output."""
        assert child.process is not None
        assert child.process.stdout is not None
        while True:
            try:
                line = await child.process.stdout.readline()
            except ValueError:  # longer than LINE_BYTES: the reader drops what it held
                line = b"(a line that was too long)\n"
            if not line:
                return
            child.last_lines.append(line)
            on_line(child.name, line)

    async def _watch(self, child: Child) -> None:
        """Start a child again, or end the run with its last words."""
        while child.process is not None:
            code = await child.process.wait()
            if child.reader is not None:
                await child.reader
            if self._is_stopping:
                return
            if code >= 0 and not (self._keeps_alive and code != BAD_SETTING):
                self._fail(f"{child.name} ended ({code}): {self._last_words(child)}")
                return
            child.end_code = code
            await asyncio.sleep(child.backoff.after(time.monotonic() - child.started))
            child.restarts += 1
            self._on_restart(child)
            if not await self._spawn_again(child):
                return

    async def _spawn_again(self, child: Child) -> bool:
        """Unless all are to stop. False where it is not there."""
        if self._is_stopping:
            return False
        try:
            await self._spawn(child)
        except OSError as error:
            self._fail(f"{child.name} could not be started again: {error}")
            return False
        return True

    def _fail(self, text: str) -> None:
        if not self.failed.done():
            self.failed.set_exception(ServiceFailed(text))

    def _last_words(self, child: Child) -> str:
        if self._on_line is None:
            return last_words(child.log)
        lines = [line.decode(errors="replace").strip() for line in child.last_lines]
        return " | ".join(_text(line) for line in lines) or "it said nothing"

    def sample(self) -> int:
        """Take note of each child's peak resident memory. Returns the largest so far, in bytes."""
        for child in self.children.values():
            if child.process is not None and child.process.returncode is None:
                child.peak_rss_bytes = max(child.peak_rss_bytes, peak_rss_bytes(child.process.pid))
        return max((child.peak_rss_bytes for child in self.children.values()), default=0)

    def kill(self, name: str) -> None:
        """Kill -9 one child, for tests and drills; it is started again."""
        process = self.children[name].process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Stop all children in order, each given time to finish what it holds."""
        self._is_stopping = True
        if self.failed.done() and not self.failed.cancelled():
            self.failed.exception()  # seen, whoever else waits for it
        watchers = [child.watcher for child in self.children.values() if child.watcher is not None]
        for watcher in watchers:  # none may start a child again from here on
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        for service in STOP_ORDER:
            await asyncio.gather(
                *(_stop(child) for child in self.children.values() if child.service == service)
            )
        readers = [child.reader for child in self.children.values() if child.reader is not None]
        await asyncio.gather(*readers, return_exceptions=True)  # one whose watcher was canceled is, too

    def kill_all(self) -> None:
        """Kill -9 whatever still runs: somebody does not want to wait."""
        self._is_stopping = True
        for name in self.children:
            self.kill(name)


async def stoppable(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` so that Ctrl-C and SIGTERM end it: by cancellation, with everything cleaned up."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    # SIGINT too: a shell that is not interactive has what it runs in the background ignore it, and Python
    # would leave it so.
    numbers = signal.SIGINT, signal.SIGTERM
    for number in numbers:
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _stop(child: Child) -> None:
    process = child.process
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def last_words(log: Path) -> str:
    """The last lines of a log, on one line."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    texts = []
    for line in lines[-LAST_LINES:]:
        texts.append(_text(line))
    return " | ".join(texts) or f"it said nothing in {log}"


def _text(line: str) -> str:
    try:
        record = json.loads(line)
        return str(record["text"]) if isinstance(record, dict) and "text" in record else line
    except ValueError:
        return line


def peak_rss_bytes(pid: int) -> int:
    """The peak resident memory of a process, 0 where /proc does not tell."""
    return _from_status(pid, "VmHWM:")


def rss_bytes(pid: int) -> int:
    """The resident memory of a process now, 0 where /proc does not tell."""
    return _from_status(pid, "VmRSS:")


def _from_status(pid: int, name: str) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def inherited() -> dict[str, str]:
    """Our environment without settings meant for other processes: a child gets its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LOBFLOW_")}
