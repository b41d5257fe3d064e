"""The trader: one process, a desk per symbol. `python -m services.trader`."""

from __future__ import annotations

import asyncio
import sys

from services.trader import instrument
from services.trader.core import Config, TraderCore
from services.trader.costs import costs_of
from services.trader.desk import Desk
from services.trader.facts import PositionFact
from services.trader.gateway import Gateway
from services.trader.identity import Identity
from services.trader.ledger import read_all, read_control, warm
from services.trader.lockstep import InOrder
from services.trader.merge import Arrival, Merge
from services.trader.opening import open_account
from services.trader.reconcile import reconcile
from services.trader.rederive import rebuild
from services.trader.risk import Limits
from services.trader.strategy import Plan, Quoting
from services.trader.userstream import UserStream
from shared.errors import BadSetting, VenueError
from shared.runner import Context, run, sleep_unless
from shared.settings import Settings
from shared.streams import ZERO_ID, Stream

CLOCK_SECONDS = 300.0
RECONCILE_SECONDS = 60.0
SETTLE_SECONDS = 3.0


async def body(context: Context) -> None:
    """Put the service together and run it until it is told to stop."""
    settings = context.settings
    gateway = Gateway(
        settings.trade_rest_url,
        settings.api_key.get_secret_value(),
        settings.api_secret.get_secret_value(),
        settings.recv_window_ms,
        seconds=120.0 if settings.lockstep else 5.0,  # in a replay an answer comes when market time does
        stamps=context.telemetry.stamps,
    )
    try:
        await _trade(context, gateway)
    finally:
        await gateway.close()


async def _trade(context: Context, gateway: Gateway) -> None:
    settings = context.settings
    context.telemetry.count_from_zero("orders_sent", "cancels_sent", "user_stream_losses", "upkeep_failures")
    context.telemetry.not_ready["user_stream"] = "not opened yet"  # said before anything is waited for
    await _reach(context, gateway)
    if context.stop.is_set():
        return
    info = await gateway.exchange_info()
    users = UserStream(context, gateway, settings.trade_private_url, may_reconnect=not settings.lockstep)
    starts: dict[str, tuple[bytes, bytes]] = {}
    control_id = ZERO_ID
    for symbol in settings.symbols:
        core = TraderCore(_config(settings, symbol, instrument.parse(symbol, info)))
        merge: Merge = InOrder(symbol, settings.venue_latency_ms) if settings.lockstep else Arrival()
        desk = Desk(context, core, merge, gateway, await context.link(), users.send)
        users.desks[symbol] = desk
        control_id = await _restore(context, desk)
        starts[symbol] = (ZERO_ID.encode(), ZERO_ID.encode())
        if not settings.lockstep:
            starts[symbol] = await warm(await context.link(), context, core)
        if core.is_reconciled:  # what the ledger says of the process before us
            await desk.tell_facts((PositionFact(0, 0, 0, doubt="the trader was started again"),))
    await open_account(context, next(iter(users.desks.values())))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(users.run())
        for desk in users.desks.values():
            tasks.create_task(_watch(context, desk))
        if not await _either(users.is_reconciled, context.stop):
            users.close()
            return
        tasks.create_task(_control(context, users, control_id))
        if not settings.lockstep:
            tasks.create_task(_upkeep(context, gateway, users))
        readers = [
            tasks.create_task(desk.read(await context.link(), *starts[symbol]))
            for symbol, desk in users.desks.items()
        ]
        await asyncio.wait(readers)
        await asyncio.gather(*(desk.settle(SETTLE_SECONDS) for desk in users.desks.values()))
        users.close()


def _config(settings: Settings, symbol: str, found: instrument.Instrument) -> Config:
    return Config(
        identity=Identity(settings.run_id, symbol),
        instrument=found,
        limits=Limits(
            max_position_lots=found.lots(str(settings.max_position), "LOBFLOW_MAX_POSITION"),
            max_orders_10s=settings.max_orders_10s,
            stale_ms=settings.stale_ms,
            needs_edge=settings.gate == "enforce",
        ),
        plan=Plan(
            instrument=found,
            size_lots=found.lots(str(settings.size), "LOBFLOW_SIZE"),
            period_s=settings.period,
            threshold=settings.threshold,
            quoting=Quoting(
                costs=costs_of(settings),
                max_position_lots=found.lots(str(settings.max_position), "LOBFLOW_MAX_POSITION"),
                is_demonstration=settings.maker_demonstration,
            ),
        ),
        strategy=settings.strategy,
    )


async def _reach(context: Context, gateway: Gateway) -> None:
    """Wait for the venue: services start in any order."""
    while not context.stop.is_set():
        try:
            await gateway.sync_clock()
            await gateway.warm()
        except VenueError as error:
            if "venue" not in context.telemetry.not_ready:
                context.log.warning("waiting for the trading venue: %s", error)
            context.telemetry.not_ready["venue"] = str(error)
            await sleep_unless(context.stop, 1.0)
        else:
            context.telemetry.not_ready.pop("venue", None)
            return


async def _restore(context: Context, desk: Desk) -> str:
    """Rebuild the desk's core from the ledger. Returns the last control id."""
    link = await context.link()
    decisions = await read_all(link, context.key(Stream.DECISIONS, desk.symbol))
    executions = await read_all(link, context.key(Stream.EXECUTIONS, desk.symbol))
    control = await read_all(link, context.key(Stream.CONTROL))
    if context.settings.lockstep and (decisions or executions):
        raise BadSetting(
            f"LOBFLOW_RUN_ID: {context.settings.run_id!r} has a ledger already; a lockstep run is not resumed"
        )
    rebuild(desk.core, decisions, executions, control)  # type: ignore[arg-type]
    return desk.core.control_id


async def _control(context: Context, users: UserStream, cursor: str) -> None:
    """Read what people order, for all symbols, in a task of its own."""
    link, key = await context.link(), context.key(Stream.CONTROL)
    last = cursor.encode()
    while not context.stop.is_set():
        last, rows = await read_control(link, context, key, last)
        for entry_id, message in rows:
            for desk in users.desks.values():
                desk.merge.push_control(entry_id, message)
                await desk.pump()


async def _upkeep(context: Context, gateway: Gateway, users: UserStream) -> None:
    """Measure the clock and reconcile from time to time, when nothing is under way."""
    loop = asyncio.get_running_loop()
    next_clock = loop.time() + CLOCK_SECONDS
    while True:
        await sleep_unless(context.stop, RECONCILE_SECONDS)
        if context.stop.is_set():
            return
        try:
            if loop.time() >= next_clock:
                next_clock += CLOCK_SECONDS
                await gateway.sync_clock()
            for desk in users.desks.values():
                if users.is_open and not desk.core.orders.live:
                    await reconcile(desk, context)
        except VenueError as error:
            context.telemetry.counters["upkeep_failures"] += 1
            context.log.warning("upkeep: %s", error)


async def _watch(context: Context, desk: Desk) -> None:
    """End the service with the error of a request's task."""
    stopped = asyncio.ensure_future(context.stop.wait())
    await asyncio.wait([desk.failed, stopped], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
    stopped.cancel()
    if desk.failed.done():
        desk.failed.result()


async def _either(event: asyncio.Event, stop: asyncio.Event) -> bool:
    """Wait for either; True where it was `event`."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(stop.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return event.is_set() and not stop.is_set()


if __name__ == "__main__":
    sys.exit(run("trader", body))
