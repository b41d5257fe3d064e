"""What a trader that starts knows of predictions and flow: what the one before it knew."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from lobflow.private_redis import PrivateRedis
from services.trader.core import Config, TraderCore
from services.trader.identity import Identity
from services.trader.instrument import Instrument
from services.trader.ledger import warm
from services.trader.risk import Limits
from services.trader.strategy import Plan
from shared import bus, codec
from shared.messages import Flow, Heartbeat, Message, Prediction
from shared.runner import Context
from shared.settings import load
from shared.streams import Stream
from shared.telemetry import Telemetry
from shared.units import MS, Scale

pytestmark = pytest.mark.redis
SYMBOL = "BTCUSDT"
START_MS = 1_700_000_000_000
INSTRUMENT = Instrument(SYMBOL, Scale(100_000_000, 1_000_000), 1, 100, int(Decimal(0)))


def flow(ms: int) -> tuple[int, Message]:
    return ms, Flow((START_MS + ms) * MS, 0, 1, 1, 100, 5_000, 5_000, (), f"fitted at {ms}")


def prediction(ms: int) -> tuple[int, Message]:
    return ms, Prediction((START_MS + ms) * MS, "m", "s", 0, 1, 2, 1, (), (), (), "none")


async def started(redis_server: PrivateRedis, run_id: str, foretold: list[tuple[int, Message]]) -> TraderCore:
    """A core warmed up after these entries of `predictions`; the market is a second ahead of them."""
    settings = load(redis_url=redis_server.url, run_id=run_id, symbols=(SYMBOL,))
    context = Context("trader", settings, logging.getLogger(), Telemetry("trader", None))
    try:
        link = await context.link()
        entries = [(f"{START_MS + ms}-0".encode(), codec.encode(message)) for ms, message in foretold]
        await bus.publish(link, context.key(Stream.PREDICTIONS, SYMBOL), entries)
        last = foretold[-1][0] + 1_000
        beat = codec.encode(Heartbeat(0, 1, 0, (START_MS + last) * MS))
        await bus.publish(link, context.key(Stream.MARKET, SYMBOL), [(f"{START_MS + last}-0".encode(), beat)])
        plan = Plan(INSTRUMENT, 10, 10, None)
        core = TraderCore(Config(Identity(run_id, SYMBOL), INSTRUMENT, Limits(100, 100, 1000), plan, "none"))
        await warm(link, context, core)
        return core
    finally:
        await context.close()


async def test_the_flow_in_force_is_found_behind_a_thousand_predictions(
    redis_server: PrivateRedis, run_id: str
) -> None:
    many = [prediction(30_000 + 50 * n) for n in range(1, 1_200)]
    core = await started(redis_server, run_id, [flow(10_000), prediction(20_000), flow(30_000), *many])
    assert core.prediction_id == f"{START_MS + many[-1][0]}-0"
    assert core.flow is not None
    assert core.flow.reason == "fitted at 30000"


async def test_a_flow_after_the_last_prediction_waits_for_the_next(
    redis_server: PrivateRedis, run_id: str
) -> None:
    core = await started(redis_server, run_id, [flow(0), prediction(10), flow(20)])
    assert core.flow is not None
    assert core.flow.reason == "fitted at 0"
    core.take_prediction(f"{START_MS + 30}-0", prediction(30)[1])
    assert core.flow.reason == "fitted at 20"


@pytest.mark.parametrize(
    "foretold", [[flow(0), *(prediction(151_000 + n) for n in range(600))], [prediction(0)]]
)
async def test_an_old_flow_is_not_looked_for(
    redis_server: PrivateRedis, run_id: str, foretold: list[tuple[int, Message]]
) -> None:
    core = await started(redis_server, run_id, foretold)
    assert core.flow is None
    assert core.prediction is not None
