"""One collector per run: two would not be identical, so the second waits or gives up (shell)."""

from __future__ import annotations

import uuid

from shared.bus import Link
from shared.errors import BusError
from shared.runner import Context, sleep_unless

LEASE_MS = 5000
RENEW_SECONDS = 1.0
# Renew or take over only what is ours or nobody's; atomic, because GET and SET alone would race.
RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder == false or holder == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Lease:
    """The right to write the market streams of a run."""

    def __init__(self, context: Context, link: Link) -> None:
        self._context = context
        self._link = link
        self._key = f"{context.settings.run_id}:lease:collector"
        self._token = uuid.uuid4().hex

    async def take(self) -> None:
        """Wait until the lease is ours. Raises BusError where another holds on to it."""
        for _ in range(int(2 * LEASE_MS / 1000 / RENEW_SECONDS)):
            if await self._renew() or self._context.stop.is_set():
                return
            await sleep_unless(self._context.stop, RENEW_SECONDS)
        raise BusError(f"another collector writes run {self._context.settings.run_id}; it holds {self._key}")

    async def keep(self) -> None:
        """Renew until stopped, then give it back. Raises BusError where another took it."""
        while not self._context.stop.is_set():
            await sleep_unless(self._context.stop, RENEW_SECONDS)
            if not await self._renew():
                raise BusError(f"{self._key} was taken over by another collector")
        await self._link.call("EVAL", RELEASE, 1, self._key, self._token)

    async def _renew(self) -> bool:
        return bool(await self._link.call("EVAL", RENEW, 1, self._key, self._token, LEASE_MS))
