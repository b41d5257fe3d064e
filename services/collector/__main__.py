"""Composition root of the collector: sockets, snapshots and clock in, `market:{S}` out."""

from __future__ import annotations

import sys

import aiohttp

from services.collector.core import CollectorCore
from services.collector.feed import Resume
from services.collector.lease import Lease
from services.collector.live import Live
from services.collector.lockstep import Lockstep
from services.collector.venue import VenueRest
from shared import bus, codec
from shared.bus import Link
from shared.messages import AggTrade, FeedStatus, Heartbeat, Lob, MarkPrice
from shared.runner import Context, gather, run
from shared.streams import Stream, parse_id


async def resume(context: Context, link: Link) -> dict[str, Resume]:
    """Where each symbol's stream ends."""
    out = {}
    for symbol in context.settings.symbols:
        key = context.key(Stream.MARKET, symbol)
        entry = await bus.last_entry(link, key)
        ms, n = parse_id(await bus.last_id(link, key))
        if entry is not None:
            message = codec.decode(entry[1])
            assert isinstance(message, Lob | AggTrade | MarkPrice | FeedStatus | Heartbeat)
            out[symbol] = Resume(message.seq, message.epoch, message.recv_ns, ms, n)
    return out


async def body(context: Context) -> None:
    """Wire the collector and run it until stopped."""
    settings = context.settings
    context.telemetry.count_from_zero("gaps", "crossed", "bbo_checked", "bbo_agree")
    link = await context.link()
    lease = Lease(context, await context.link())
    await lease.take()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        rest = VenueRest(settings.data_rest_url, session)
        scales = await rest.scales(settings.symbols)
        core = CollectorCore(scales, context.telemetry.counters, await resume(context, link))
        shell = (Lockstep if settings.lockstep else Live)(context, core, rest, link)
        await gather([shell.run(), lease.keep()])


if __name__ == "__main__":
    sys.exit(run("collector", body))
