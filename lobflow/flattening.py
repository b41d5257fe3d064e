"""The end of a run of fixed length: close what is held."""

from __future__ import annotations

from decimal import Decimal

import aiohttp

from lobflow.waiting import until


async def flatten(session: aiohttp.ClientSession, monitor_url: str, who: str, why: str) -> None:
    """Order it at the monitor and wait until nothing is held. Raises LobflowError where it does not come."""
    order = {"action": "flatten", "who": who, "why": why}
    async with session.post(f"{monitor_url}/api/v1/control", json=order) as answer:
        answer.raise_for_status()

    async def is_flat() -> bool:
        """Whether nothing is held."""
        async with session.get(f"{monitor_url}/api/v1/positions") as answer:
            return all(Decimal(row["size"]) == 0 for row in await answer.json())

    await until(is_flat, "flat positions")
