"""Frames that could not be used, on their way to Redis: however many come, they hold up nothing (shell)."""

from __future__ import annotations

import asyncio
from collections import deque

from shared.runner import Context

HELD_BYTES = 16 * 1024 * 1024  # kept for a Redis that does not answer


class Parking:
    """Parks bad frames in order, in a task of its own.

    While Redis does not answer at most `held_bytes` wait; what comes then is counted (`parked_lost`) and
    logged with its reason, once per outage."""

    def __init__(self, context: Context, held_bytes: int = HELD_BYTES) -> None:
        self._context = context
        self._held_bytes = held_bytes
        self._held = 0
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._moved = asyncio.Event()
        self._is_over = False
        self._is_full = False

    def put(self, reason: str, data: bytes) -> None:
        """Take over a frame; never waits."""
        if self._held + len(data) > self._held_bytes:
            self._context.telemetry.counters["parked_lost"] += 1
            if not self._is_full:
                self._is_full = True
                self._context.log.error("Redis does not answer: bad frames are not kept any more: %s", reason)
            return
        self._held += len(data)
        self._waiting.append((reason, data))
        self._moved.set()

    def close(self) -> None:
        """Let `run` end when all that waits is parked."""
        self._is_over = True
        self._moved.set()

    async def run(self) -> None:
        """Park what comes, until closed."""
        while True:
            while self._waiting:
                reason, data = self._waiting.popleft()
                await self._context.park(reason, data)
                self._held -= len(data)
                self._is_full = False
            if self._is_over:
                return
            await self._moved.wait()
            self._moved.clear()
