"""Writes what the gate says into `control`: the trader decides on it, and there evidence outlives us.

An entry is written when a verdict changes, and from time to time while a version trades; the last ones at a
stop. What was not written yet when the process is killed is lost, which can only keep the gate shut.
"""

from __future__ import annotations

import time

from services.monitor.control import ControlDesk, NotWritten
from services.monitor.core import MonitorCore
from services.monitor.gate import UNDETERMINED
from services.monitor.models import Models
from shared.messages import Gate
from shared.runner import Context, sleep_unless

WHO = "monitor"
LOOK_SECONDS = 1.0
TELL_SECONDS = 600.0  # while the verdict stays the same


class Gatekeeper:
    """Of all symbols."""

    def __init__(self, context: Context, core: MonitorCore, desk: ControlDesk) -> None:
        self._context = context
        self._core = core
        self._desk = desk
        self._told: dict[tuple[str, str], float] = {}  # (symbol, version) -> monotonic seconds

    async def follow(self) -> None:
        """Judge each second, until stopped."""
        stop = self._context.stop
        while not stop.is_set():
            await sleep_unless(stop, LOOK_SECONDS)
            # Evidence of earlier processes comes from the ledger first.
            if "ledger" not in self._context.telemetry.not_ready:
                await self._tell(TELL_SECONDS if not stop.is_set() else 0.0)

    async def _tell(self, every_seconds: float) -> None:
        now = time.monotonic()
        for symbol, state in self._core.symbols.items():
            for gate in due(symbol, state.models):
                was = state.models.gates.get(gate.version)
                told = self._told.get((symbol, gate.version), float("-inf"))
                if was is not None and was.verdict == gate.verdict and now - told < every_seconds:
                    continue
                try:
                    await self._desk.write(gate)
                except NotWritten as error:
                    self._context.log.warning("gate: %s", error)
                    return
                self._told[symbol, gate.version] = now
                state.models.gates[gate.version] = (
                    gate  # it is read back, too; nothing is told twice till then
                )
                facts = {"symbol": symbol, "model": gate.version, "verdict": gate.verdict, "why": gate.why}
                self._context.log.info("gate", extra={"with": facts})


def due(symbol: str, models: Models) -> list[Gate]:
    """What could be said now that was not said: of the version that serves, and of those that have traded."""
    out = []
    names = [*([models.champion] if models.champion else []), *models.evidence.versions()]
    for version in dict.fromkeys(names):
        was, days = models.gates.get(version), models.evidence.days(version)
        verdict = models.verdict(version)
        told = (UNDETERMINED, 0, ()) if was is None else (was.verdict, was.tried, was.days)
        if told == (verdict.verdict, verdict.tried if was is not None else 0, days):
            continue  # nothing is what everybody assumes who was told nothing
        out.append(
            Gate(
                at_ns=models.path.last_ns,
                who=WHO,
                why=verdict.why,
                symbol=symbol,
                version=version,
                verdict=verdict.verdict,
                tried=verdict.tried,
                days=days,
            )
        )
    return out
