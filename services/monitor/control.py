"""The one writer of `control`: what a person orders, or the gate says, becomes an entry under a rising id."""

from __future__ import annotations

import asyncio
import time

from services.monitor.answers import Command
from shared import bus, codec
from shared.bus import Link
from shared.errors import BusError
from shared.messages import Control, Flatten, Halt, Promote, ReduceOnly, Resume
from shared.streams import format_id, parse_id
from shared.units import MS

WRITE_SECONDS = 5.0
ORDERS: dict[str, type[Halt | ReduceOnly | Flatten | Resume]] = {
    "halt": Halt,
    "reduce_only": ReduceOnly,
    "flatten": Flatten,
    "resume": Resume,
}
PROMOTE_AHEAD_MS = 2000  # time for every copy of the model to load the version


class NotWritten(BusError):
    """Redis did not answer in time; the entry is written as soon as it does."""


def message_of(command: Command, at_ns: int, newest_market_ms: int | None) -> Control:
    """The message of a command. Raises ValueError with one sentence where something is missing or too much.

    `newest_market_ms` is that of the symbol named, for a promotion without `from_id`.
    """
    who, why = command.who, command.why
    if command.action != "promote":
        if command.symbol is not None or command.version is not None or command.from_id is not None:
            raise ValueError(f"symbol, version and from_id belong to promote, not to {command.action}")
        return ORDERS[command.action](at_ns, who, why)
    if command.symbol is None or command.version is None:
        raise ValueError("promote needs symbol and version")
    from_id = command.from_id
    if from_id is None:
        if newest_market_ms is None:
            raise ValueError(f"no market entry of {command.symbol} yet: name from_id")
        from_id = format_id(newest_market_ms + PROMOTE_AHEAD_MS, 0)
    return Promote(at_ns, who, why, command.symbol, command.version, from_id)


class ControlDesk:
    """Writes entries one after the other. `open` first."""

    def __init__(self, link: Link, key: str) -> None:
        self._link = link
        self._key = key
        self._last = (0, 0)  # set by open
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[int] | None = None

    async def open(self) -> ControlDesk:
        """Learn the last id that was ever written."""
        self._last = parse_id(await bus.last_id(self._link, self._key))
        return self

    @property
    def last(self) -> tuple[int, int]:
        """The last id that was written, by us or before us."""
        return self._last

    async def write(self, message: Control) -> str:
        """Append one entry and return its id. Raises NotWritten where Redis does not answer."""
        async with self._turn:
            if self._writing is not None:
                await self._answer(self._writing)
            now_ms = time.time_ns() // MS
            ms, n = self._last
            self._last = (now_ms, 0) if now_ms > ms else (ms, n + 1)
            entry_id = format_id(*self._last)
            entry = (entry_id.encode(), codec.encode(message))
            self._writing = asyncio.create_task(bus.publish(self._link, self._key, [entry]))
            await self._answer(self._writing)
            return entry_id

    async def _answer(self, writing: asyncio.Task[int]) -> None:
        # Waited for, never canceled: the reply would meet the next command.
        await asyncio.wait({writing}, timeout=WRITE_SECONDS)
        if not writing.done():
            raise NotWritten("Redis does not answer; the order is carried out as soon as it does")
        self._writing = None
        writing.result()
