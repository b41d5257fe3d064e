"""From the core's outputs to Redis: what is ready goes out in one round trip per symbol (shell)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from services.collector.feed import Out, Output
from shared import bus
from shared.bus import Entry, Link
from shared.codec import encode
from shared.messages import FeedStatus, Lob
from shared.runner import Context
from shared.streams import Stream

HELD_BYTES = 128 * 1024 * 1024  # kept for a Redis that does not answer: minutes of twenty symbols


class Publisher:
    """Collects entries and writes them in order. `want` is called with each symbol that needs a snapshot.

    While Redis does not answer at most `held_bytes` wait. Then the oldest half of them is dropped: whoever
    reads on sees `seq` jump, which is a gap."""

    def __init__(
        self, context: Context, link: Link, want: Callable[[str], None], held_bytes: int = HELD_BYTES
    ) -> None:
        self._context = context
        self._link = link
        self._want = want
        self._keys = {symbol: context.key(Stream.MARKET, symbol) for symbol in context.settings.symbols}
        self._waiting: dict[str, list[Entry]] = {symbol: [] for symbol in context.settings.symbols}
        self._held = 0  # bytes that wait
        self._held_bytes = held_bytes
        self._ready = asyncio.Event()
        self._stamps = context.telemetry.stamps
        context.owned.extend(self._keys.values())

    def take(self, outputs: Sequence[Output], received_ns: int = 0) -> None:
        """Take over outputs of the core. `received_ns`: monotonic time at which their frame arrived."""
        for output in outputs:
            if isinstance(output, Out):
                data = encode(output.message)
                self._held += len(data)
                self._waiting[output.symbol].append((output.entry_id.encode(), data))
                if isinstance(output.message, FeedStatus) and output.message.state != "live":
                    self._count(output.message)
                if self._stamps and isinstance(output.message, Lob):
                    self._stamps.mark("received", output.entry_id, received_ns)
            else:
                self._want(output.symbol)
        if outputs:
            self._ready.set()
        if self._held > self._held_bytes:
            self._drop()

    def _drop(self) -> None:
        """The oldest half of what waits is lost."""
        dropped = 0
        for entries in self._waiting.values():
            count = (len(entries) + 1) // 2
            self._held -= _size(entries[:count])
            del entries[:count]
            dropped += count
        self._context.telemetry.counters["entries_dropped"] += dropped
        self._context.log.error("Redis does not answer: %d market entries are lost", dropped)

    def _count(self, status: FeedStatus) -> None:
        """Gaps and the like by cause: a reason begins with its cause, then a colon."""
        cause = status.reason.partition(":")[0]
        cause = cause.partition("@")[2] or cause  # a stream's name without its symbol
        self._context.telemetry.labeled[f"feed_{status.state}", "cause", cause] += 1

    async def flush(self) -> None:
        """Write all that waits."""
        self._ready.clear()
        for symbol, entries in self._waiting.items():
            if not entries:
                continue
            self._waiting[symbol] = []
            self._held -= _size(entries)
            await bus.publish(self._link, self._keys[symbol], entries)
            self._context.positions[f"market:{symbol}"] = entries[-1][0].decode()
            self._context.telemetry.counters["published"] += len(entries)
            if self._stamps:
                for entry_id, _ in entries:
                    self._stamps.mark("collector", entry_id)

    async def run(self) -> None:
        """Flush whenever something waits, until stopped."""
        while not self._context.stop.is_set():
            await self._ready.wait()
            await self.flush()

    def wake(self) -> None:
        """Let `run` see that the service stops."""
        self._ready.set()


def _size(entries: Sequence[Entry]) -> int:
    return sum(len(data) for _, data in entries)
