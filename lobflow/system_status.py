"""How a running system is: what its REST interface answers, beside what we know of its processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from lobflow.processes import Child, rss_bytes
from shared.units import MS

ANSWER_SECONDS = 2.0
PATHS = ("status", "pnl", "stats", "positions")
MB = 1_000_000


@dataclass(frozen=True)
class ServiceRow:
    """One process. `state` is ready, degraded, starting, ... or `down`; `detail` what stands against it."""

    name: str
    state: str
    detail: str = ""
    lag_ms: float | None = None
    restarts: int = 0
    rss_mb: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether it does its work."""
        return self.state == "ready"


@dataclass(frozen=True)
class SystemStatus:
    """`answers` are the monitor's by path, empty while it does not answer; `venue` is the local venue's."""

    services: tuple[ServiceRow, ...]
    answers: dict[str, Any] = field(default_factory=dict)
    venue: dict[str, Any] = field(default_factory=dict)
    is_preparing: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether every service does its work."""
        return not self.is_preparing and all(row.is_ready for row in self.services)

    @property
    def restarts(self) -> int:
        """Of all services."""
        return sum(row.restarts for row in self.services)


async def look(
    session: aiohttp.ClientSession,
    monitor: str,
    venue: str | None,
    children: Iterable[Child],
    is_preparing: bool = False,
) -> SystemStatus:
    """Ask the monitor and the local venue, each at its address."""
    addresses = [f"{monitor}/api/v1/{path}" for path in PATHS]
    if venue is not None:
        addresses.append(f"{venue}/replay/status")
    found = await asyncio.gather(*(_ask(session, address) for address in addresses))
    answers = dict(zip(PATHS, found, strict=False)) if all(one is not None for one in found[:4]) else {}
    told = found[4] if venue is not None else None
    services = tuple(row_of(child, answers.get("status", {}), told) for child in children)
    return SystemStatus(services, answers, told or {}, is_preparing)


async def _ask(session: aiohttp.ClientSession, address: str) -> Any:
    """The answer, None where there is none now: it is asked for again and again."""
    try:
        async with session.get(address, timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as answer:
            return await answer.json() if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None


def row_of(child: Child, status: dict[str, Any], venue: dict[str, Any] | None) -> ServiceRow:
    """One child as it is: health that an earlier process wrote does not count."""
    process = child.process
    if process is None or process.returncode is not None:
        return ServiceRow(child.name, "down", f"ended with {child.end_code}", restarts=child.restarts)
    rss_mb = rss_bytes(process.pid) / MB
    if child.service == "venue":  # it writes no health: it does not know Redis
        state = "starting" if venue is None else "ready"
        return ServiceRow(child.name, state, restarts=child.restarts, rss_mb=rss_mb)
    for said in status.get("services", []):
        is_its = (said["service"], said["instance"]) == (child.service, child.instance)
        if is_its and said["seen"]["ns"] // MS >= child.started_ns // MS:
            return ServiceRow(
                child.name,
                said["state"],
                said["detail"],
                said["lag_ms"],
                child.restarts,
                rss_mb or said["rss_mb"],
            )
    return ServiceRow(child.name, "starting", restarts=child.restarts, rss_mb=rss_mb)
