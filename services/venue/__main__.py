"""The local venue as a process: `python -m services.venue`."""

from __future__ import annotations

import sys

from services.venue.server import Venue
from shared.runner import Context, run


async def body(context: Context) -> None:
    """Serve the market until stopped."""
    venue = Venue(context.settings, context.log)
    await venue.run(context.stop)
    context.telemetry.counters["frames"] = venue.replay.frames


if __name__ == "__main__":
    sys.exit(run("venue", body, uses_redis=False))
