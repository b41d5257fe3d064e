"""`Promote` entries of the control stream, read by a task of its own.

All that were entered before the start are folded first, so that a restart serves the same version at the
same id. A version that is not at hand when its promotion is read is looked for again until its id comes; the
core stops there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from services.model.artifact import Registry
from services.model.predictor import Predictor
from services.model.schedule import is_id
from shared import bus, codec
from shared.bus import Entry, Link
from shared.errors import BadInput
from shared.messages import Promote
from shared.runner import BLOCK_MS, Context
from shared.streams import ZERO_ID, Stream


class Promotable(Protocol):
    """A core whose version changes at an id."""

    def promote(self, version: str, from_id: str) -> None:
        """Serve `version` from `from_id` on."""

    def has(self, version: str) -> bool:
        """Whether `version` is loaded, or need not be."""

    def load(self, predictor: Predictor) -> None:
        """Make a version available."""


class Control:
    """Carries promotions from the control stream into the cores."""

    def __init__(
        self, context: Context, link: Link, registry: Registry, cores: Mapping[str, Promotable]
    ) -> None:
        self._context = context
        self._link = link
        self._registry = registry
        self._cores = cores
        self._key = context.key(Stream.CONTROL)
        self._cursor = ZERO_ID.encode()
        self._missing: dict[tuple[str, str], str] = {}  # (symbol, version) promoted, not loaded -> why

    async def fold(self) -> None:
        """Fold every entry there is."""
        while entries := await bus.span(self._link, self._key, f"({self._cursor.decode()}"):
            for entry in entries:
                await self._take(entry)

    async def follow(self) -> None:
        """Fold what is entered from now on, until stopped."""
        while not self._context.stop.is_set():
            for _, entries in await bus.read(self._link, {self._key: self._cursor}, 100, BLOCK_MS):
                for entry in entries:
                    await self._take(entry)
            for symbol, version in list(self._missing):
                await self._load(symbol, version)

    async def _take(self, entry: Entry) -> None:
        entry_id, data = entry
        self._cursor = entry_id
        try:
            message = codec.decode(data)
        except BadInput as error:
            await self._context.park(f"{self._key} {entry_id.decode()}: {error}", data)
            return
        if not isinstance(message, Promote) or message.symbol not in self._cores:
            return
        if not is_id(message.from_id):
            await self._context.park(f"Promote from {message.from_id!r}, which is no id", data)
            return
        # First the schedule: should loading fail, the core must know that its old version no longer serves.
        self._cores[message.symbol].promote(message.version, message.from_id)
        self._context.log.info(
            "promoted",
            extra={"with": {"symbol": message.symbol, "model": message.version, "from": message.from_id}},
        )
        await self._load(message.symbol, message.version)

    async def _load(self, symbol: str, version: str) -> None:
        core = self._cores[symbol]
        against = f"model {symbol} {version}"
        if not core.has(version):
            try:
                core.load(await asyncio.to_thread(self._found, version))
            except BadInput as error:
                if self._missing.get((symbol, version)) != str(error):
                    self._context.log.warning("promoted version not at hand: %s", error)
                self._missing[symbol, version] = str(error)
                self._context.telemetry.not_ready[against] = str(error)
                return
        self._missing.pop((symbol, version), None)
        self._context.telemetry.not_ready.pop(against, None)

    def _found(self, version: str) -> Predictor:
        found = self._registry.find(version)
        if not found.manifest.is_linear:
            raise BadInput(f"version {version} holds trees: it can only be a shadow")
        return found
