"""Waiting for something that another process does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from shared.errors import LobflowError

LOOK_SECONDS = 0.05
GIVE_UP_SECONDS = 60.0


async def until(is_true: Callable[[], Awaitable[bool]], what: str, seconds: float = GIVE_UP_SECONDS) -> None:
    """Look again and again. Raises LobflowError where it does not become true in time."""
    deadline = time.monotonic() + seconds
    while not await is_true():
        if time.monotonic() > deadline:
            raise LobflowError(f"waited {seconds:g} s for {what}")
        await asyncio.sleep(LOOK_SECONDS)
