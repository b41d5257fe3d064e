"""Composition root of the model service: a core per symbol between its two streams, and the control task."""

from __future__ import annotations

import sys

from services.model.artifact import Registry
from services.model.control import Control
from services.model.core import ModelCore
from shared.runner import Context, gather, run, transform
from shared.streams import Stream


async def body(context: Context) -> None:
    """Serve until stopped."""
    registry = Registry(context.settings.model_dir)
    defaults = {symbol: registry.default(symbol) for symbol in context.settings.symbols}
    cores = {symbol: ModelCore(symbol, default) for symbol, default in defaults.items()}
    control = Control(context, await context.link(), registry, cores)
    await control.fold()
    serving = {
        symbol: "no model" if default is None else default.version for symbol, default in defaults.items()
    }
    context.log.info("serving", extra={"with": {"models": serving}})
    loops = [
        transform(
            context,
            core,
            context.key(Stream.FEATURES, symbol),
            context.key(Stream.PREDICTIONS, symbol),
            f"features:{symbol}",
        )
        for symbol, core in cores.items()
    ]
    await gather([control.follow(), *loops])


if __name__ == "__main__":
    sys.exit(run("model", body))
