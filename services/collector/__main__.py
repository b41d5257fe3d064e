"""Composition root of the collector: sockets, snapshots and clock in, `market:{S}` out."""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp

from services.collector.budget import Budget
from services.collector.core import CollectorCore
from services.collector.feed import Resume
from services.collector.journal import Journal
from services.collector.lease import Lease
from services.collector.live import Live
from services.collector.lockstep import Lockstep
from services.collector.raw import RawArchive
from services.collector.venue import VenueRest
from shared import bus, codec
from shared.bus import Link
from shared.errors import BadSetting
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


def opened_archive(context: Context) -> RawArchive | None:
    """The raw archive, if one is wanted. Raises BadSetting where its folder cannot be written."""
    settings = context.settings
    if settings.raw_dir is None:
        return None
    try:
        archive = RawArchive(
            settings.raw_dir,
            settings.raw_file_seconds,
            settings.raw_file_mb * 1e6,
            context.log,
            context.telemetry.counters,
        )
        archive.start()
    except OSError as error:
        raise BadSetting(f"LOBFLOW_RAW_DIR: {settings.raw_dir}: {error.strerror}") from error
    return archive


async def body(context: Context) -> None:
    """Wire the collector and run it until stopped."""
    settings = context.settings
    context.telemetry.count_from_zero("gaps", "crossed", "bbo_checked", "bbo_agree")
    link = await context.link()
    lease = Lease(context, await context.link())
    await lease.take()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        budget = None if settings.lockstep else Budget(settings.snapshot_weight)
        rest = VenueRest(settings.data_rest_url, session, context.stop, budget)
        scales = await rest.scales(settings.symbols)
        resumes = await resume(context, link)
        core = CollectorCore(scales, context.telemetry.counters, resumes)
        if settings.lockstep:
            await gather([Lockstep(context, core, rest, link).run(), lease.keep()])
            return
        archive = await asyncio.to_thread(opened_archive, context)
        try:
            journal = Journal(archive, core)
            journal.start(resumes, time.time_ns())
            await gather([Live(context, core, rest, link, journal).run(), lease.keep()])
        finally:
            if archive is not None:
                await asyncio.to_thread(archive.close)


if __name__ == "__main__":
    sys.exit(run("collector", body))
