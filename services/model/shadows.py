"""Composition root of the shadows: `python -m services.model.shadows`, a process of its own, so that nothing
it does delays the predictions that are traded on.

It follows the newest versions in the registry, linear ones and trees, and looks for new ones from time to
time. One copy runs per run id: what is in the folder when an entry is made is not the streams' to say.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

from services.model.artifact import Registry
from services.model.control import Control
from services.model.core import NO_VERSION
from services.model.predictor import Predictor
from services.model.shadow_core import ShadowCore, chosen
from shared.errors import BadInput
from shared.runner import Context, gather, run, sleep_unless, transform
from shared.streams import Stream

LOOK_SECONDS = 5.0


async def body(context: Context) -> None:
    """Follow until stopped."""
    registry = Registry(context.settings.model_dir)
    defaults = {symbol: registry.default(symbol) for symbol in context.settings.symbols}
    cores = {
        symbol: ShadowCore(symbol, NO_VERSION if default is None else default.version)
        for symbol, default in defaults.items()
    }
    control = Control(context, await context.link(), registry, cores)
    await control.fold()
    look = Look(context, registry)
    for core in cores.values():
        await look.once(core)
    loops = [
        transform(
            context,
            core,
            context.key(Stream.FEATURES, symbol),
            context.key(Stream.SHADOWS, symbol),
            f"features:{symbol}",
        )
        for symbol, core in cores.items()
    ]
    await gather([control.follow(), look.follow(cores), *loops])


class Look:
    """Finds the versions to follow."""

    def __init__(self, context: Context, registry: Registry) -> None:
        self._context = context
        self._registry = registry
        self._told: set[str] = set()
        self._seen: dict[str, object] = {}  # what was looked at last, by symbol

    async def follow(self, cores: Mapping[str, ShadowCore]) -> None:
        """Look again and again, until stopped."""
        while not self._context.stop.is_set():
            for core in cores.values():
                await self.once(core)
            await sleep_unless(self._context.stop, LOOK_SECONDS)

    async def once(self, core: ShadowCore) -> None:
        """Let a core follow what is there now."""
        seen = (core.champion, await asyncio.to_thread(self._registry.signature))
        if self._seen.get(core.symbol) == seen:
            return
        self._seen[core.symbol] = seen
        found, defects = await asyncio.to_thread(self._found, core.symbol, core.champion)
        for text in defects:
            self._say(text, text)
        self._say(f"{core.symbol} {sorted(found)}", "", {"symbol": core.symbol, "follows": sorted(found)})
        core.follow(list(found.values()))

    def _found(self, symbol: str, version: str) -> tuple[Mapping[str, Predictor], list[str]]:
        count = self._context.settings.shadow_models
        shadows, defects = self._registry.shadows(symbol, count + 1)
        champion = None
        if version != NO_VERSION:
            try:
                champion = self._registry.find(version)
            except BadInput as error:
                defects.append(str(error))
        return chosen(shadows, champion, count), defects

    def _say(self, key: str, warning: str, facts: Mapping[str, object] | None = None) -> None:
        """Each thing once."""
        if key in self._told:
            return
        self._told.add(key)
        if warning:
            self._context.log.warning("not followed: %s", warning)
        else:
            self._context.log.info("following", extra={"with": dict(facts or {})})


if __name__ == "__main__":
    sys.exit(run("model", body))
