"""What the collector holds while Redis does not answer: bounded, and every loss is counted."""

from __future__ import annotations

import pytest

from lobflow.private_redis import PrivateRedis
from services.collector.feed import Out
from services.collector.parking import Parking
from services.collector.publisher import Publisher
from shared import bus
from shared.bus import Link
from shared.codec import encode
from shared.messages import Heartbeat
from shared.runner import Context
from shared.settings import Settings
from shared.streams import Stream, parked_key
from shared.telemetry import Telemetry, start_logging

pytestmark = [pytest.mark.redis]

SYMBOL = "BTCUSDT"


def context_of(redis_server: PrivateRedis, run_id: str) -> Context:
    settings = Settings(_env_file=None, redis_url=redis_server.url, run_id=run_id, symbols=(SYMBOL,))
    return Context("collector", settings, start_logging("collector", "critical"), Telemetry("collector"))


async def test_entries_that_wait_have_an_end_and_the_loss_is_seen(
    redis_server: PrivateRedis, run_id: str
) -> None:
    context = context_of(redis_server, run_id)
    link = await Link(redis_server.url).open(5)
    publisher = Publisher(context, link, lambda symbol: None, held_bytes=10_000)
    size = len(encode(Heartbeat(0, 0, 0, 0)))
    try:
        for seq in range(5_000):
            publisher.take([Out(SYMBOL, f"{seq + 1}-0", Heartbeat(seq, 0, 0, seq))])
        await publisher.flush()
        found = await bus.span(link, context.key(Stream.MARKET, SYMBOL), "-", count=10_000)
    finally:
        await link.close()
    kept = [entry_id for entry_id, _ in found]
    assert kept == [b"%d-0" % (seq + 1) for seq in range(5_000 - len(kept), 5_000)]
    assert 2_500 // size < len(kept) < 10_000 // size
    assert context.telemetry.counters["entries_dropped"] == 5_000 - len(kept)


async def test_bad_frames_that_wait_have_an_end_and_the_loss_is_counted(
    redis_server: PrivateRedis, run_id: str
) -> None:
    context = context_of(redis_server, run_id)
    parking = Parking(context, held_bytes=1_000)
    for number in range(30):
        parking.put(f"bad {number}", b"x" * 100)
    assert context.telemetry.counters["parked_lost"] == 20
    parking.close()
    try:
        await parking.run()
        parking.put("bad after the outage", b"x" * 1_000)
        await parking.run()
        link = await context.link()
        rows = await link.call("XRANGE", parked_key(run_id, "collector"), "-", "+")
    finally:
        await context.close()
    reasons = [fields[1].decode() for _, fields in rows]
    assert reasons == [*(f"bad {number}" for number in range(10)), "bad after the outage"]
    assert context.telemetry.counters["parked_lost"] == 20
    assert context.telemetry.counters["parked"] == 11
