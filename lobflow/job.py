"""A program of ours that runs once beside the services, its output taken line by line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence

from lobflow.guard import Guard
from lobflow.processes import LINE_BYTES, inherited

STOP_SECONDS = 5.0
WIDTH = "110"  # columns of its tables


class Job:
    """`python -m module arguments`, in a session of its own with all that it starts."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        on_line: Callable[[bytes], None],
        held: Sequence[int] = (),
    ) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._on_line = on_line
        self._held = tuple(held)
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> int:
        """Run it to its end. Returns the exit code."""
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env={**inherited(), "PYTHONUNBUFFERED": "1", "COLUMNS": WIDTH},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=LINE_BYTES,
            pass_fds=self._held,
        )
        guard = Guard(-process.pid, 0)
        try:
            assert process.stdout is not None
            while line := await process.stdout.readline():
                self._on_line(line)
            return await process.wait()
        finally:
            if process.returncode is None:
                await self._end(process)
            guard.dismiss()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        _signal(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            _signal(process.pid, signal.SIGKILL)
            await process.wait()

    def kill(self) -> None:
        """Kill -9 it, and what it started."""
        if self._process is not None and self._process.returncode is None:
            _signal(self._process.pid, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # it ended by itself just now
