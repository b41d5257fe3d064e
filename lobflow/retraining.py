"""Fitting anew by the clock: `lobflow.retrain` as a process of its own, started every so many hours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from lobflow.job import Job
from shared.settings import Settings

MODULE = "lobflow.retrain"
HOUR_SECONDS = 3600.0


class Retraining:
    """Of one system. `settings` are those of its services."""

    def __init__(
        self,
        settings: Mapping[str, object],
        own: Settings,
        monitor_url: str,
        on_line: Callable[[str, bytes], None],
        held: Sequence[int],
    ) -> None:
        self.every_hours = own.retrain_hours
        self._on_line = on_line
        self._held = held
        self._job: Job | None = None
        symbols = settings["symbols"]
        assert isinstance(symbols, tuple)
        self._arguments = [
            *("--models", str(settings["model_dir"])),
            *("--recordings", str(settings["record_dir"])),
            *("--run-id", str(settings["run_id"])),
            *("--symbols", ",".join(symbols)),
            *("--monitor", monitor_url),
            *("--window-hours", f"{own.retrain_window_hours:g}"),
        ]

    async def run(self) -> None:
        """Wait, fit, and again, until canceled. A round that fails is told, and the next one comes."""
        while True:
            await asyncio.sleep(self.every_hours * HOUR_SECONDS)
            self._job = Job(MODULE, self._arguments, lambda line: self._on_line("retrain", line), self._held)
            code = await self._job.run()
            if code:
                self._on_line("retrain", f"ended with {code}: the model that serves goes on".encode())

    def kill(self) -> None:
        """Kill -9 what runs."""
        if self._job is not None:
            self._job.kill()
