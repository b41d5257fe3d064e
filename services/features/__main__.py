"""The features service: `market:{S}` to `features:{S}`, all symbols side by side."""

from __future__ import annotations

import sys

from services.features.check import watch
from services.features.core import FeaturesCore
from shared.runner import Context, gather, run, transform
from shared.streams import Stream


async def body(context: Context) -> None:
    """One loop, with a core and connections of its own, per symbol; beside it a look at what it published."""
    await gather(
        [
            *(watch(context, symbol) for symbol in context.settings.symbols),
            *(
                transform(
                    context,
                    FeaturesCore(),
                    context.key(Stream.MARKET, symbol),
                    context.key(Stream.FEATURES, symbol),
                    f"market:{symbol}",
                )
                for symbol in context.settings.symbols
            ),
        ]
    )


if __name__ == "__main__":
    sys.exit(run("features", body))
