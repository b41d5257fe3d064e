"""The collector against a venue that misbehaves, over real sockets and a real Redis."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from faulty_venue import FaultyVenue

from lobflow.private_redis import PrivateRedis
from services.collector.__main__ import body
from services.collector.budget import Budget
from services.collector.venue import VenueRest
from shared import bus
from shared.bus import Link
from shared.codec import decode, unpack_tiers
from shared.errors import VenueError
from shared.messages import AggTrade, FeedStatus, Lob, MarkPrice
from shared.runner import Context
from shared.settings import Settings
from shared.streams import Stream, parse_id
from shared.telemetry import Telemetry, start_logging

pytestmark = [pytest.mark.redis]

SYMBOL = "BTCUSDT"
DEADLINE_SECONDS = 30.0


class Bench:
    """A running collector, and what it has published."""

    def __init__(self, context: Context, link: Link, venue: FaultyVenue, task: asyncio.Task[None]) -> None:
        self.context = context
        self.link = link
        self.venue = venue
        self.task = task
        self.counters = context.telemetry.counters
        self.labeled = context.telemetry.labeled

    async def rows(self, symbol: str = SYMBOL) -> list[tuple[str, Any]]:
        found = await bus.span(self.link, self.context.key(Stream.MARKET, symbol), "-", count=100_000)
        return [(entry_id.decode(), decode(data)) for entry_id, data in found]

    async def entries(self, symbol: str = SYMBOL) -> list[Any]:
        return [message for _, message in await self.rows(symbol)]

    async def until(self, is_met: Callable[[list[Any]], bool], symbol: str = SYMBOL) -> list[Any]:
        """The entries, once they meet a condition."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                if self.task.done():
                    self.task.result()
                found = await self.entries(symbol)
                if is_met(found):
                    return found
                await asyncio.sleep(0.05)

    async def until_more(self, count: int = 20) -> list[Any]:
        """The entries, once there are more books than now."""
        before = books(await self.entries())
        return await self.until(lambda found: books(found) >= before + count and found_live(found))


@asynccontextmanager
async def collecting(
    venue: FaultyVenue, redis: PrivateRedis, run_id: str, **changes: object
) -> AsyncIterator[Bench]:
    values: dict[str, Any] = {
        "redis_url": redis.url,
        "run_id": run_id,
        "symbols": tuple(venue.markets),
        "data_venue": "demo",  # all four kinds are demanded; the URLs below win
        "first_frame_seconds": 5.0,
        "silent_seconds": 1.0,
        **venue.settings,
        **changes,
    }
    settings = Settings(_env_file=None, **values)
    context = Context("collector", settings, start_logging("collector", "warning"), Telemetry("collector"))
    link = await Link(redis.url).open(5)
    task = asyncio.create_task(body(context))
    try:
        yield Bench(context, link, venue, task)
    finally:
        context.stop.set()
        try:
            async with asyncio.timeout(15):
                await asyncio.wait([task])
        finally:
            await link.close()
            await context.close()
    if task.exception() is not None:
        raise AssertionError("the collector failed") from task.exception()


@pytest.fixture
async def venue() -> AsyncIterator[FaultyVenue]:
    async with FaultyVenue(SYMBOL).serving() as one:
        yield one


@pytest.fixture
async def bench(venue: FaultyVenue, redis_server: PrivateRedis, run_id: str) -> AsyncIterator[Bench]:
    async with collecting(venue, redis_server, run_id) as one:
        await one.until(lambda found: books(found) > 5 and trades(found))
        yield one


def books(messages: list[Any]) -> int:
    return sum(isinstance(message, Lob) for message in messages)


def trades(messages: list[Any]) -> list[int]:
    return [message.agg_id for message in messages if isinstance(message, AggTrade)]


def states(messages: list[Any]) -> list[str]:
    return [message.state for message in messages if isinstance(message, FeedStatus)]


def found_live(messages: list[Any]) -> bool:
    return bool(states(messages)) and states(messages)[-1] == "live"


def assert_sound(venue: FaultyVenue, messages: list[Any], symbol: str = SYMBOL) -> None:
    """Every book is the true one, none comes outside of `live`, and nothing is missing or goes back."""
    is_live = False
    for before, message in zip([None, *messages], messages, strict=False):
        if before is not None:
            assert message.seq == before.seq + 1
            assert message.epoch >= before.epoch
            assert message.recv_ns >= before.recv_ns
        if isinstance(message, FeedStatus):
            is_live = message.state == "live"
        elif isinstance(message, Lob):
            assert is_live
            bids, asks = venue.markets[symbol].true_tops[message.update_id]
            assert (unpack_tiers(message.bids), unpack_tiers(message.asks)) == (bids, asks)


async def test_every_published_book_is_the_venues(bench: Bench) -> None:
    found = await bench.until_more(40)
    assert states(found) == ["syncing", "live"]
    assert any(isinstance(message, MarkPrice) for message in found)
    assert_sound(bench.venue, found)
    assert bench.counters["bbo_checked"] == bench.counters["bbo_agree"]
    assert not bench.context.telemetry.not_ready.get("feed")


@pytest.mark.parametrize("fault", ["drop", "swap"])
async def test_missing_diff_is_a_gap_and_a_repeated_one_is_none(bench: Bench, fault: str) -> None:
    bench.venue.faults["btcusdt@depth"] = "twice"
    found = await bench.until_more()
    assert states(found) == ["syncing", "live"]
    assert bench.counters["depth_old"] == 1
    bench.venue.faults["btcusdt@depth"] = fault
    found = await bench.until(lambda found: states(found)[-2:] == ["gap", "live"])
    found = await bench.until_more()
    assert states(found) == ["syncing", "live", "gap", "live"]
    assert bench.labeled["feed_gap", "cause", "depth"] == 1
    assert_sound(bench.venue, found)


async def test_missing_trade_ids_are_a_gap_and_doubles_and_zeros_are_dropped(bench: Bench) -> None:
    bench.venue.faults["btcusdt@aggTrade"] = "twice"
    await bench.until_more()
    bench.venue.zero_trades = 2
    found = await bench.until_more()
    assert states(found) == ["syncing", "live"]
    assert bench.counters["agg_trade_old"] == 1
    assert bench.counters["agg_trade_zero"] == 2
    assert all(message.price_ticks for message in found if isinstance(message, AggTrade))
    bench.venue.skipped_trades[SYMBOL] = 5
    found = await bench.until(lambda found: states(found)[-2:] == ["gap", "live"])
    assert bench.labeled["feed_gap", "cause", "aggTrade"] == 1
    assert_sound(bench.venue, found)


async def test_overtaken_trade_and_mark_price_never_go_back(bench: Bench) -> None:
    bench.venue.faults["btcusdt@aggTrade"] = "swap"
    bench.venue.faults["btcusdt@markPrice"] = "swap"
    await bench.until(lambda found: bench.counters["mark_price_old"] == 1)
    found = await bench.until(lambda found: bench.counters["agg_trade_old"] == 1)
    assert trades(found) == sorted(set(trades(found)))
    marks = [message.exchange_ns for message in found if isinstance(message, MarkPrice)]
    assert marks == sorted(set(marks))
    assert_sound(bench.venue, found)


@pytest.mark.parametrize(("silent", "kind"), [({"depth"}, "depth"), ({"aggTrade"}, "aggTrade")])
async def test_stream_that_freezes_is_stale_and_comes_back(bench: Bench, silent: set[str], kind: str) -> None:
    await bench.until(lambda found: len(trades(found)) > 60)
    bench.venue.silent = silent
    found = await bench.until(lambda found: "stale" in states(found))
    at = [type(message) for message in found].index(FeedStatus, books(found[:20]) and 20)
    assert found[at].state == "stale"
    assert not books(found[at:])
    await bench.until(lambda found: bench.labeled["sockets_opened", "socket", _socket(kind)] >= 2)
    bench.venue.silent = set()
    found = await bench.until(lambda found: states(found)[-1] == "live")
    found = await bench.until_more()
    back = ["live"] if kind == "depth" else ["gap", "live"]  # the trades in between are missing by their ids
    assert states(found) == ["syncing", "live", "stale", *back]
    told = [which for name, _, which in bench.labeled if name == "silences"]
    assert [which for which in told if f"@{kind}" in which]
    assert_sound(bench.venue, found)


def _socket(kind: str) -> str:
    return "book" if kind == "depth" else "tape"


async def test_silent_but_connected_venue_is_stale_on_every_stream(bench: Bench) -> None:
    await bench.until(lambda found: sum(isinstance(message, MarkPrice) for message in found) > 25)
    bench.venue.is_frozen = True
    found = await bench.until(lambda found: states(found).count("stale") >= 3)
    assert states(found)[2:5] == ["stale"] * 3
    frozen = books(found)
    bench.venue.is_frozen = False
    found = await bench.until(lambda found: books(found) > frozen + 20)
    assert states(found)[-1] == "live"
    assert_sound(bench.venue, found)


@pytest.mark.parametrize(
    "silent", [{"depth", "bookTicker", "aggTrade", "markPrice"}, {"markPrice"}, {"depth"}]
)
async def test_stream_that_never_begins_ends_the_start_and_is_named(
    venue: FaultyVenue, redis_server: PrivateRedis, run_id: str, silent: set[str]
) -> None:
    venue.silent = silent
    with pytest.raises(AssertionError) as failed:
        async with collecting(venue, redis_server, run_id, first_frame_seconds=1.0) as one:
            await asyncio.wait([one.task], timeout=DEADLINE_SECONDS)
    error: BaseException | None = failed.value.__cause__
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, VenueError)
    category = "market" if silent == {"markPrice"} else "public"
    assert f"ws://127.0.0.1:{venue.port}/{category}/stream" in str(error)
    assert any(f"btcusdt@{kind}" in str(error) for kind in silent)
    assert len(venue.opened) == 2  # it was connected, and acknowledged


async def test_tape_of_a_sleepy_symbol_may_be_silent_at_the_start(
    venue: FaultyVenue, redis_server: PrivateRedis, run_id: str
) -> None:
    venue.silent, venue.trades_a_day = {"aggTrade"}, 500
    async with collecting(venue, redis_server, run_id, first_frame_seconds=1.0) as one:
        await one.until(lambda found: books(found) > 100)
        assert not one.context.telemetry.not_ready.get("feed")


@pytest.mark.parametrize("delays", [[0, 0, 0, 0], [0, 0, 9, 9], [9, 9, 0, 0]])
async def test_renewed_sockets_leave_no_gap_and_no_double(
    venue: FaultyVenue, redis_server: PrivateRedis, run_id: str, delays: list[int]
) -> None:
    venue.delays = delays
    async with collecting(venue, redis_server, run_id, socket_seconds=2.0, overlap_seconds=3.0) as one:
        opened = one.labeled
        await one.until(lambda found: opened["sockets_renewed", "socket", "book"] >= 1)
        found = await one.until_more()
        assert states(found) == ["syncing", "live"], [m for m in found if isinstance(m, FeedStatus)]
        updates = [message.update_id for message in found if isinstance(message, Lob)]
        assert [b - a for a, b in pairwise(updates)] == [4] * (len(updates) - 1)
        assert one.counters["gaps"] == 0
        assert one.counters["frames_twice"] > 0
        assert one.counters["depth_old"] == 0
        assert_sound(venue, found)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while sum(socket.category == "public" for socket in venue.sockets) > 1:
                await asyncio.sleep(0.05)


async def test_server_shutdown_renews_before_the_venue_closes(bench: Bench) -> None:
    await bench.venue.tell({"stream": "serverShutdown", "data": {"e": "serverShutdown", "E": 1}})
    await bench.venue.tell({"e": "serverShutdown", "E": 1}, "market")
    old = list(bench.venue.sockets)
    opened = bench.labeled
    await bench.until(
        lambda found: all(opened["sockets_renewed", "socket", n] == 1 for n in ("book", "tape"))
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        while set(old) & set(bench.venue.sockets):
            await asyncio.sleep(0.05)
    found = await bench.until_more()
    assert states(found) == ["syncing", "live"]
    assert_sound(bench.venue, found)


async def test_closed_sockets_are_a_gap_each_and_no_book_follows_until_both_are_back(bench: Bench) -> None:
    await bench.venue.close_all()
    found = await bench.until(lambda found: states(found).count("gap") == 2 and states(found)[-1] == "live")
    found = await bench.until_more()
    assert states(found).count("gap") == 2
    assert_sound(bench.venue, found)


async def test_limits_on_snapshots_are_heeded_over_all_symbols(
    redis_server: PrivateRedis, run_id: str
) -> None:
    venue = FaultyVenue("BTCUSDT", "ETHUSDT", "SOLUSDT")
    venue.depth_answers = [(429, {"Retry-After": "2"}, '{"code":-1003,"msg":"Too many requests"}')] * 3
    async with venue.serving(), collecting(venue, redis_server, run_id) as one:
        for symbol in venue.markets:
            found = await one.until(lambda found: books(found) > 5, symbol)
            assert_sound(venue, found, symbol)
        first = venue.depth_requests[0]
        burst = [at for at in venue.depth_requests if at < first + 1.9]
        assert len(burst) <= 4  # those that were under way when the first refusal came
        assert len(venue.depth_requests) >= 4


async def test_market_that_walks_out_of_its_snapshot_is_published_whole(
    redis_server: PrivateRedis, run_id: str
) -> None:
    venue = FaultyVenue(SYMBOL)
    market = venue.markets[SYMBOL]
    market.drift, market.levels, venue.snapshot_levels = 0, 700, 300
    market.step(random.Random(1))  # unseen: the first diff tells every level, also those no snapshot does
    async with venue.serving(), collecting(venue, redis_server, run_id) as one:
        await one.until(lambda found: books(found) > 5)
        begin, market.drift = market.mid, -1
        await one.until(lambda found: one.counters["snapshots_filled"] > 0)
        await one.until(lambda found: market.mid < begin - 300)  # beyond all that the first had told
        market.drift = 0
        found = await one.until_more()
        assert_sound(venue, found)
        assert states(found) == ["syncing", "live"]
        assert len(venue.depth_requests) == 2


@pytest.mark.parametrize(
    ("answer", "requests", "seconds"),
    [((429, {"Retry-After": "1"}, ""), 2, 1.0), ((418, {"Retry-After": "120"}, ""), 1, 0.0)],
)
async def test_limits_are_heeded_before_the_first_answer(
    answer: tuple[int, dict[str, str], str], requests: int, seconds: float
) -> None:
    venue = FaultyVenue(SYMBOL)
    venue.info_answers = [answer]
    async with venue.serving(), aiohttp.ClientSession() as session:
        rest = VenueRest(str(venue.settings["data_rest_url"]), session, asyncio.Event(), Budget(1000))
        if requests == 1:  # longer than a start may take
            with pytest.raises(VenueError, match=r"HTTP 418 .*not to be asked for 120 s"):
                await rest.scales([SYMBOL])
        else:
            assert list(await rest.scales([SYMBOL])) == [SYMBOL]
        assert len(venue.info_requests) == requests
        assert venue.info_requests[-1] - venue.info_requests[0] >= seconds


async def test_clock_of_the_venue_is_told_and_changes_nothing(
    venue: FaultyVenue, redis_server: PrivateRedis, run_id: str
) -> None:
    venue.skew_ms = -90_000
    async with collecting(venue, redis_server, run_id) as one:
        found = await one.until(lambda found: books(found) > 20)
        gauges = one.context.telemetry.gauges
        await one.until(lambda found: "clock_offset_seconds" in gauges)
        assert gauges["clock_offset_seconds"] == pytest.approx(-90, abs=0.5)
        assert abs(found[-1].recv_ns - time.time_ns()) < 10_000_000_000
        assert_sound(venue, found)


async def test_venues_ping_is_answered_with_its_payload(bench: Bench) -> None:
    socket = bench.venue.sockets[0]
    await socket.ws.ping(b"payload")
    await bench.until(lambda found: b"payload" in socket.pongs)


async def test_many_symbols_are_spread_and_subscribed_within_the_limits(
    redis_server: PrivateRedis, run_id: str
) -> None:
    symbols = [f"SYMBOL{number:03}USDT" for number in range(150)]
    venue = FaultyVenue(*symbols, step_seconds=1.0)
    settings: dict[str, object] = {"socket_streams": 220, "first_frame_seconds": 20.0, "silent_seconds": 20.0}
    async with venue.serving(), collecting(venue, redis_server, run_id, **settings) as one:
        await one.until(lambda found: found_live(found), symbols[0])
        async with asyncio.timeout(DEADLINE_SECONDS):
            while "feed" in one.context.telemetry.not_ready:
                await asyncio.sleep(0.1)
        assert len(venue.opened) == 4
        for socket in venue.opened:
            assert len(socket.streams) <= 220
            assert socket.url_length <= 2000
            for at in socket.controls:
                assert sum(at <= other < at + 1 for other in socket.controls) < 10
        assert sum(len(socket.streams) for socket in venue.opened) == 4 * len(symbols)


async def test_ids_rise_over_all_of_it(bench: Bench) -> None:
    bench.venue.faults["btcusdt@depth"] = "drop"
    await bench.until(lambda found: "gap" in states(found))
    await bench.venue.close_all()
    await bench.until_more()
    ids = [parse_id(entry_id) for entry_id, _ in await bench.rows()]
    assert ids == sorted(set(ids))
