"""From Redis to the core: the ledger from its start, market and predictions from about now on, and health.

The market of a symbol and what follows from it are read together and paced, because nobody waits for them
here and a read per entry would take time from those who are waited for. Predictions are folded up to the
market id that has been folded, so that a gap is known before the labels that cross it are settled.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.monitor.core import MonitorCore
from shared import bus, codec
from shared.bus import Entry, Link
from shared.errors import BadInput
from shared.messages import AnyMessage, Health
from shared.runner import BLOCK_MS, Context, sleep_unless
from shared.streams import Stream, parse_id

READ_COUNT = 1000
PACE_SECONDS = 0.05
HEALTH_SECONDS = 1.0
HEALTH_KIND = (Health,)
FOLLOWERS = (
    Stream.FEATURES,
    Stream.PREDICTIONS,
    Stream.SHADOWS,
)  # under the ids of the market entries they follow from


class Feed:
    """The reading tasks of one monitor, and the newest health of each instance."""

    def __init__(self, context: Context, core: MonitorCore) -> None:
        self.context = context
        self.core = core
        self.health: dict[str, Health] = {}  # by key; the newest of each instance
        self._behind = 0  # ledgers that are not read to their end yet

    def expect_ledgers(self) -> None:
        """The service is not ready until every ledger has been read to its end."""
        self._behind = len(self.core.symbols) + 2  # account and control
        self.context.telemetry.not_ready["ledger"] = "reading the ledger from its start"

    async def follow_ledger(self, symbol: str, streams: Sequence[Stream]) -> None:
        """Fold ledger streams from their first entry on, until stopped."""
        link = await self.context.link()
        names = {self.context.key(stream, symbol): stream for stream in streams}
        cursors = dict.fromkeys(names, b"0-0")
        ends = {name: parse_id(await bus.last_id(link, name)) for name in names}
        is_behind = True
        while not self.context.stop.is_set():
            if is_behind and all(parse_id(cursors[name]) >= end for name, end in ends.items()):
                is_behind = False
                self._caught_up()
            rows = await bus.read(link, cursors, READ_COUNT, BLOCK_MS)
            if not rows and is_behind:
                ends = {}  # the rest was archived and trimmed away: there is no more to wait for
            for name, entries in rows:
                await self._fold(names[name], symbol, entries)
                cursors[name] = entries[-1][0]

    def _caught_up(self) -> None:
        self._behind -= 1
        if not self._behind:
            self.context.telemetry.not_ready.pop("ledger", None)

    async def follow_market(self, symbol: str) -> None:
        """Fold market entries and what follows from them, from the newest thousand on, until stopped."""
        link = await self.context.link()
        while self._behind and not self.context.stop.is_set():
            # What the gate told before us comes first, or trades would be counted and then overwritten.
            await sleep_unless(self.context.stop, PACE_SECONDS)
        market = self.context.key(Stream.MARKET, symbol)
        followers = {self.context.key(stream, symbol): stream for stream in FOLLOWERS}
        newest = await _newest(link, market)
        await self._fold(Stream.MARKET, symbol, newest)
        cursors = {market: newest[-1][0] if newest else b"0-0"}
        cursors |= dict.fromkeys(followers, newest[0][0] if len(newest) == READ_COUNT else b"0-0")
        while not self.context.stop.is_set():
            rows = dict(await bus.read(link, cursors, READ_COUNT, BLOCK_MS))
            if entries := rows.get(market):
                await self._fold(Stream.MARKET, symbol, entries)
                cursors[market] = entries[-1][0]
            folded = parse_id(cursors[market])
            for name, stream in followers.items():
                if known := [entry for entry in rows.get(name, ()) if parse_id(entry[0]) <= folded]:
                    await self._fold(stream, symbol, known)
                    cursors[name] = known[-1][0]
            if max(map(len, rows.values()), default=0) < READ_COUNT:
                await sleep_unless(self.context.stop, PACE_SECONDS)

    async def follow_health(self) -> None:
        """The newest health entry of every instance, each second, until stopped."""
        link = await self.context.link()
        while not self.context.stop.is_set():
            keys = await bus.find(link, f"{self.context.settings.run_id}:health:*")
            for name in keys:
                entry = await bus.last_entry(link, name)
                message = None if entry is None else await self._decode(name, HEALTH_KIND, entry)
                if isinstance(message, Health):
                    self.health[name] = message
            for gone in self.health.keys() - set(keys):
                del self.health[gone]
            await sleep_unless(self.context.stop, HEALTH_SECONDS)

    async def _fold(self, stream: Stream, symbol: str, entries: Sequence[Entry]) -> None:
        label = self.context.key(stream, symbol).removeprefix(f"{self.context.settings.run_id}:")
        for entry in entries:
            message = await self._decode(label, stream.value.kinds, entry)
            if message is not None:
                self.core.handle(symbol, entry[0].decode(), message)
        if entries:
            self.context.positions[label] = entries[-1][0].decode()
            self.context.telemetry.counters["handled"] += len(entries)

    async def _decode(self, label: str, kinds: Sequence[type], entry: Entry) -> AnyMessage | None:
        """The message, or None for bytes that were parked."""
        try:
            message = codec.decode(entry[1])
        except BadInput as error:
            await self.context.park(f"{label} {entry[0].decode()}: {error}", entry[1])
            return None
        if type(message) not in kinds:
            await self.context.park(
                f"{label} {entry[0].decode()}: a {type(message).__name__} does not belong here", entry[1]
            )
            return None
        return message


async def _newest(link: Link, name: str) -> list[Entry]:
    """The stream's newest entries: so many that a Lob is among them (heartbeats come between)."""
    rows = await link.call("XREVRANGE", name, "+", "-", "COUNT", READ_COUNT)
    return [(entry_id, fields[1]) for entry_id, fields in reversed(rows)]
