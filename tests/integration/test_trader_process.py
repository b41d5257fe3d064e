"""The trader as a process against the local venue, both real; market and predictions are fed by hand."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import redis
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from lobflow.private_redis import PrivateRedis
from services.trader.core import Config
from services.trader.identity import Identity
from services.trader.instrument import Instrument
from services.trader.rederive import Recorded, by_cursors
from services.trader.risk import Limits
from services.trader.strategy import Plan
from shared import codec
from shared.messages import (
    Account,
    Control,
    Decision,
    Execution,
    Fill,
    Flatten,
    Gate,
    Halt,
    Lob,
    Message,
    OrderUpdate,
    Prediction,
    Reconciled,
    Resume,
)
from shared.settings import to_environment
from shared.streams import Stream, health_key, key
from shared.units import MS, SECOND, Scale

SYMBOL = "BTCUSDT"
TICK_E9, LOT_E9 = 100_000_000, 1_000_000
INSTRUMENT = Instrument(SYMBOL, Scale(TICK_E9, LOT_E9), 1, 120_000, 50 * SECOND)

pytestmark = [pytest.mark.recorded, pytest.mark.redis]


def until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """What `condition` gives as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return found


def _listen(url: str, process: subprocess.Popen[bytes]) -> None:
    """Take whatever `url` sends, from when the process serves it to its end."""
    while process.poll() is None:
        with contextlib.suppress(OSError, WebSocketException), connect(url, proxy=None) as listener:
            for _ in listener:
                pass


class World:
    """Redis, the venue's process, and the trader's, which may be killed and started again."""

    def __init__(self, url: str, run_id: str, recording: Path, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.redis: redis.Redis = redis.Redis.from_url(url)
        self.run_id, self.folder = run_id, folder
        self.settings: dict[str, object] = {
            "redis_url": url,
            "run_id": run_id,
            "symbols": (SYMBOL,),
            "trade_rest_url": f"http://127.0.0.1:{port}",
            "trade_private_url": f"ws://127.0.0.1:{port}/private",
            "venue_port": port,
            "venue_files": (recording,),
            "venue_speed": 1.0,
            "venue_limits": False,
            "strategy": "threshold",
            "threshold": 1.0,
            "period": 1,
            "stale_ms": 5000,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.last_ms = 0

    def start(self, service: str) -> None:
        with (self.folder / f"{service}.log").open("ab") as log:
            self.processes[service] = subprocess.Popen(
                [sys.executable, "-m", f"services.{service}"],
                env={**os.environ, **to_environment(self.settings)},
                stderr=log,
            )
        if service == "venue":  # its market sets out when somebody listens
            for path in (
                "public/stream?streams=btcusdt@depth@100ms",
                "market/stream?streams=btcusdt@aggTrade",
            ):
                url = f"ws://127.0.0.1:{self.settings['venue_port']}/{path}"
                threading.Thread(target=_listen, args=(url, self.processes[service]), daemon=True).start()

    def end(self, service: str, number: int = signal.SIGTERM) -> int:
        process = self.processes.pop(service)
        process.send_signal(number)
        return process.wait(20)

    def close(self) -> None:
        for service in list(self.processes):
            self.end(service, signal.SIGKILL)
        self.redis.close()

    def rows(self, stream: Stream) -> list[tuple[str, Any]]:
        name = key(self.run_id, stream, SYMBOL if stream.value.is_per_symbol else "")
        return [(one.decode(), codec.decode(fields[b"d"])) for one, fields in self.redis.xrange(name)]

    def add(self, stream: Stream, message: Message, ms: int) -> None:
        name = key(self.run_id, stream, SYMBOL if stream.value.is_per_symbol else "")
        self.redis.xadd(name, {"d": codec.encode(message)}, id=f"{ms}-0")

    def feed(self, move: float) -> None:
        """One book and its prediction, now."""
        ms = self.last_ms = max(self.last_ms + 1, time.time_ns() // MS)
        at_ns, bids, asks = ms * MS, codec.pack_tiers([617_000, 9]), codec.pack_tiers([617_001, 9])
        self.add(Stream.MARKET, Lob(0, 1, at_ns, at_ns, 1, TICK_E9, LOT_E9, bids, asks), ms)
        values = ("m", "s", at_ns + SECOND, 617_000, 617_001, TICK_E9, (1,), (move,), (1.0,), "")
        self.add(Stream.PREDICTIONS, Prediction(at_ns, *values), ms)

    def order(self, kind: type[Halt | Flatten | Resume]) -> None:
        self.add(Stream.CONTROL, kind(0, "test", "to see"), time.time_ns() // MS)

    def fed_until(self, move: float, condition: Callable[[], Any], what: str) -> Any:
        """Feed predictions of `move` until something happens."""

        def step() -> Any:
            self.feed(move)
            return condition()

        return until(step, what)

    def is_ready(self, service: str) -> bool:
        """What the service last said of itself."""
        name = health_key(self.run_id, service, "0")
        said = self.redis.xrevrange(name, count=1)
        return bool(said) and codec.decode(said[0][1][b"d"]).state == "ready"  # type: ignore[union-attr]

    @property
    def orders(self) -> list[str]:
        """Our orders that were filled, in order. A market order may take several price levels."""
        return list(dict.fromkeys(fill.client_id for fill in self.fills))

    @property
    def decisions(self) -> list[tuple[str, Decision]]:
        return self.rows(Stream.DECISIONS)

    @property
    def executions(self) -> list[tuple[str, Execution]]:
        return self.rows(Stream.EXECUTIONS)

    @property
    def fills(self) -> list[Fill]:
        return [message for _, message in self.executions if isinstance(message, Fill)]

    @property
    def position(self) -> int:
        return sum(fill.side * fill.size_lots for fill in self.fills)

    def agreed(self) -> int:
        """How often venue and ledger agreed."""
        return sum(1 for _, one in self.executions if isinstance(one, Reconciled) and one.agrees)

    def derived_again(self) -> list[str]:
        config = Config(
            Identity(self.run_id, SYMBOL),
            INSTRUMENT,
            Limits(100, 100, 5000, needs_edge=self.settings.get("gate") == "enforce"),
            Plan(INSTRUMENT, size_lots=10, period_s=1, threshold=1.0),
            "threshold",
        )
        control: list[tuple[str, Control]] = self.rows(Stream.CONTROL)
        streams = (self.rows(Stream.MARKET), self.rows(Stream.PREDICTIONS), self.executions)
        return by_cursors(config, Recorded(*streams, control, self.decisions))


@pytest.fixture
def world(redis_server: PrivateRedis, run_id: str, btc: Path, tmp_path: Path) -> Iterator[World]:
    made = World(redis_server.url, run_id, btc, tmp_path)
    made.start("venue")
    made.start("trader")
    try:
        until(lambda: made.is_ready("trader"), "a trader that reads its streams")
        yield made
    finally:
        made.close()


def test_a_round_trip_a_halt_a_crash_and_a_flatten(world: World) -> None:
    account = world.rows(Stream.ACCOUNT)[0][1]
    assert isinstance(account, Account)
    assert account.wallet == Decimal(10_000)

    # In and, a second later, out again.
    world.fed_until(5.0, lambda: world.position == 10, "the entry")
    world.fed_until(0.0, lambda: world.position == 0, "the exit")
    assert len(world.orders) == 2
    assert [side for side, _ in groupby(one.side for one in world.fills)] == [1, -1]
    updates = [one for _, one in world.executions if isinstance(one, OrderUpdate)]
    assert {one.status for one in updates if one.event == "filled"} == {"FILLED"}
    assert {one.decision_id for one in world.fills} <= {one for one, _ in world.decisions}

    # Halted: refused, once.
    world.order(Halt)
    world.fed_until(-5.0, lambda: world.decisions[-1][1].requests[0].refusal == "halted", "the refusal")
    count = len(world.decisions)
    for _ in range(20):
        world.feed(-5.0)
    world.order(Resume)
    world.fed_until(-5.0, lambda: world.position == -10, "the short entry")
    assert len(world.decisions) == count + 1

    # Killed with a position; the next process knows it, reconciles and leaves in time.
    world.end("trader", signal.SIGKILL)
    agreed = world.agreed()
    world.start("trader")
    until(lambda: world.agreed() > agreed, "the second reconciliation")
    doubts = [one.reason for _, one in world.executions if isinstance(one, Reconciled) and not one.agrees]
    assert doubts == ["the trader was started again"]
    world.fed_until(0.0, lambda: world.position == 0, "the exit after the crash")
    assert len(world.orders) == 4

    # Flatten closes at once; nothing is opened after it.
    world.fed_until(5.0, lambda: world.position == 10, "another entry")
    world.order(Flatten)
    until(lambda: world.position == 0, "the flattening")
    assert [one.requests[0].purpose for _, one in world.decisions][-1] == "flatten"

    assert world.end("trader") == 0
    assert len({one.trade_id for one in world.fills}) == len(world.fills)
    assert world.derived_again() == []


def test_a_lost_venue_stops_opening_until_it_is_reconciled(world: World) -> None:
    world.end("venue", signal.SIGKILL)
    until(lambda: not [one for _, one in world.executions if isinstance(one, Reconciled)][-1].agrees, "doubt")
    world.fed_until(5.0, lambda: world.decisions, "the refusal")
    assert world.decisions[-1][1].requests[0].refusal == "unreconciled"
    agreed = world.agreed()
    world.start("venue")  # with nothing in its account, as in our ledger
    until(lambda: world.agreed() > agreed, "the reconciliation")
    world.fed_until(5.0, lambda: world.position == 10, "the entry")
    assert world.derived_again() == []


def test_an_enforced_gate_opens_with_the_entry_that_says_an_edge_was_shown(
    redis_server: PrivateRedis, run_id: str, btc: Path, tmp_path: Path
) -> None:
    world = World(redis_server.url, run_id, btc, tmp_path)
    world.settings["gate"] = "enforce"

    said: list[int] = [0]

    def says(verdict: str, version: str) -> None:
        said.append(max(said[-1] + 1, time.time_ns() // MS))  # two may come within one millisecond
        world.add(Stream.CONTROL, Gate(0, "monitor", "", SYMBOL, version, verdict, 1, ()), said[-1])

    def refused() -> bool:
        return bool(world.decisions) and world.decisions[-1][1].requests[0].refusal == "no_edge_shown"

    try:
        world.start("venue")
        world.start("trader")
        until(lambda: world.is_ready("trader"), "a trader that reads its streams")
        world.fed_until(5.0, refused, "the refusal")
        says("shown", "another")
        says("shown", "m")  # the version that predicts here
        world.fed_until(5.0, lambda: world.position == 10, "the entry")
        says("undetermined", "m")
        world.fed_until(0.0, lambda: world.position == 0, "the exit, which no gate holds back")
        world.fed_until(-5.0, refused, "another refusal")
        # A trader that starts knows what was said before it.
        world.end("trader")
        says("shown", "m")
        agreed = world.agreed()
        world.start("trader")
        until(lambda: world.agreed() > agreed, "the second reconciliation")
        world.fed_until(-5.0, lambda: world.position == -10, "the short entry")
        assert world.derived_again() == []
    finally:
        world.close()
