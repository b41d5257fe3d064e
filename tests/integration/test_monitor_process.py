"""The monitor as a process: real Redis, real HTTP."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from redis import Redis

from lobflow.private_redis import PrivateRedis
from shared import codec
from shared.codec import pack_tiers
from shared.messages import (
    Account,
    Decision,
    FeatureVector,
    Fill,
    Halt,
    Lob,
    Message,
    OrderUpdate,
    Prediction,
    Promote,
    Request,
)
from shared.settings import to_environment
from shared.streams import Stream, key

pytestmark = pytest.mark.redis

BTC, ETH = "BTCUSDT", "ETHUSDT"
START_NS = 1_723_161_255_030_000_000
TICK, LOT = 10**8, 10**6
DEADLINE_SECONDS = 30.0


class Monitor:
    """One run with its streams, and the processes that watch it."""

    def __init__(self, url: str, run_id: str) -> None:
        self.redis = Redis.from_url(url, protocol=2)
        self.run_id = run_id
        self.settings: dict[str, object] = {
            "redis_url": url,
            "run_id": run_id,
            "symbols": (BTC, ETH),
            "monitor_port": 0,
        }
        self.processes: list[subprocess.Popen[str]] = []
        self.address = ""

    def spawn(self, **settings: object) -> subprocess.Popen[str]:
        environment = os.environ | to_environment(self.settings | settings)
        process = subprocess.Popen(
            [sys.executable, "-m", "services.monitor"], env=environment, stderr=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        return process

    def start(self, **settings: object) -> subprocess.Popen[str]:
        """Start one and wait until it serves."""
        process = self.spawn(**settings)
        assert process.stderr is not None
        for line in process.stderr:
            said = json.loads(line)
            if said["text"] == "serving":
                self.address = urllib.parse.urlsplit(said["url"]).netloc
                return process
        raise AssertionError("the monitor ended before it served")

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
        self.redis.close()

    def add(self, stream: Stream, symbol: str, entry_id: str, message: Message) -> None:
        self.redis.xadd(key(self.run_id, stream, symbol), {"d": codec.encode(message)}, id=entry_id)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.address, timeout=DEADLINE_SECONDS)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(text) if is_json else text
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, answer = self.ask("GET", path)
        assert status == 200, answer
        return answer

    def wait(self, path: str, condition: Callable[[Any], bool]) -> Any:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition(answer := self.get(path)):
            assert time.monotonic() < deadline, answer
            time.sleep(0.02)
        return answer


@pytest.fixture
def monitor(redis_server: PrivateRedis, run_id: str) -> Iterator[Monitor]:
    made = Monitor(redis_server.url, run_id)
    yield made
    made.close()


def lob(n: int, bid: int) -> Lob:
    at = START_NS + n * 100_000_000
    return Lob(n, 1, at, at, n, TICK, LOT, pack_tiers([bid, 5]), pack_tiers([bid + 1, 5]))


def prediction(n: int, bid: int, model: str = "m1") -> Prediction:
    at = START_NS + n * 100_000_000
    return Prediction(at, model, "s", at + 1, bid, bid + 1, TICK, (5,), (0.7,), (0.5,), "")


def order(n: int, side: int, price: int, *, fee: str = "0.01") -> list[tuple[Stream, str, Message]]:
    """A market order of 0.01, decided, filled at `price` and reported."""
    client_id, decision_id = f"c{n}", f"{n}-0"
    request = Request("place", client_id, side, "MARKET", "", 0, 10, False, "enter", "")
    at = START_NS + n
    return [
        (
            Stream.DECISIONS,
            decision_id,
            Decision(at, f"predictions:{{{BTC}}}/{n}-0", "1-0", "1-0", "0-0", "0-0", TICK, LOT, (request,)),
        ),
        (
            Stream.EXECUTIONS,
            f"{n}-1",
            Fill(
                "1-0", at, client_id, decision_id, n, n, side, price, 10, TICK, LOT,
                Decimal(fee), "USDT", False, Decimal(0),
            ),
        ),
        (
            Stream.EXECUTIONS,
            f"{n}-2",
            OrderUpdate("1-0", at, client_id, decision_id, n, side, "filled", "filled", 10, 10, False, ""),
        ),
    ]  # fmt: skip


def trade(monitor: Monitor) -> None:
    """One round trip that wins and one open position, in BTC."""
    for n, side, price in [(1, 1, 600_000), (2, -1, 600_100), (3, -1, 600_050)]:
        for stream, entry_id, message in order(n, side, price):
            monitor.add(stream, BTC, entry_id, message)


def test_it_tells_trades_pnl_and_positions_and_tells_them_again_after_a_kill(monitor: Monitor) -> None:
    monitor.add(Stream.MARKET, BTC, "1-0", lob(1, 600_000))
    monitor.add(Stream.ACCOUNT, "", "1-0", Account(1, Decimal(10_000), Decimal(0), Decimal(0), ()))
    process = monitor.start()
    trade(monitor)
    monitor.add(Stream.MARKET, BTC, "2-0", lob(2, 600_040))
    monitor.wait("/api/v1/stats", lambda a: a["symbols"][BTC]["fills"] == 3)
    status = monitor.wait("/api/v1/status", lambda a: a["symbols"][0]["mid"] == "60004.05")
    assert status["symbols"][0]["feed"] == "live"
    assert status["symbols"][1] | {"feed": "unknown", "mid": None} == status["symbols"][1]

    def figures() -> list[Any]:
        paths = ("pnl", "positions", "trades", "orders")
        return [monitor.get(f"/api/v1/{path}") for path in paths]

    pnl, positions, trades, orders = figures()
    # Bought 0.01 at 60000, sold at 60010: 0.1. Short 0.01 at 60005, mid 60004.05: 0.0095. Fees 3 x 0.01.
    assert pnl["total"] == {
        "gross": "0.1", "unrealized": "0.0095", "fees": "0.03", "funding": "0", "net": "0.0795",
    }  # fmt: skip
    assert pnl["symbols"][ETH]["net"] == "0"
    assert pnl["venue"]["opening_wallet"] == "10000"
    assert positions[0]["size"] == "-0.01"
    assert trades["total"] == 1
    assert trades["trades"][0]["pnl"] == "0.08"
    assert trades["trades"][0]["win"] is True
    assert trades["trades"][0]["cause"] == f"predictions:{{{BTC}}}/1-0"
    assert [row["client_id"] for row in orders["orders"]] == ["c3", "c2", "c1"]
    assert [row["status"] for row in orders["orders"]] == ["filled"] * 3
    stats = monitor.get("/api/v1/stats")["results"]
    assert (stats["round_trips"], stats["win_rate"], stats["average_win"]) == (1, 1.0, "0.08")

    process.kill()
    process.wait()
    monitor.start()
    monitor.wait("/api/v1/stats", lambda a: a["symbols"][BTC]["fills"] == 3)
    monitor.wait("/api/v1/status", lambda a: a["symbols"][0]["mid"] == "60004.05")
    monitor.wait("/api/v1/pnl", lambda a: a["venue"] is not None)
    assert figures() == [pnl, positions, trades, orders]


def test_status_shows_services_prices_and_predictions(monitor: Monitor) -> None:
    monitor.start(lockstep=True)
    for n in range(1, 1201):  # more than one read holds
        monitor.add(Stream.MARKET, ETH, f"{n}-0", lob(n, 30_000 + n))
        monitor.add(Stream.FEATURES, ETH, f"{n}-0", FeatureVector(n, "s", n, n, n + 1, TICK, b""))
        monitor.add(Stream.PREDICTIONS, ETH, f"{n}-0", prediction(n, 30_000 + n))
    stats = monitor.wait("/api/v1/stats", lambda a: a["symbols"][ETH]["predictions"] == 1200)["symbols"][ETH]
    assert stats["entries"] == {"FeatureVector": 1200, "Lob": 1200, "Prediction": 1200}
    assert stats["hits"][0] | {"horizon_s": 5, "hits": 1149, "misses": 0, "waiting": 51} == stats["hits"][0]
    status = monitor.wait("/api/v1/status", lambda a: bool(a["services"]))
    assert (status["data_kind"], status["gate"], status["trading"]) == ("recording", "warn", "active")
    eth = status["symbols"][1]
    assert (eth["mid"], eth["model"]) == ("3120.05", "m1")
    assert (eth["prediction"]["id"], eth["prediction"]["moves"]) == ("1200-0", {"5": 0.7})
    own = monitor.wait("/api/v1/status", lambda a: a["services"][0]["state"] == "ready")["services"][0]
    assert (own["service"], own["instance"]) == ("monitor", "0")
    assert own["rss_mb"] < 250


def test_control_is_written_with_who_and_why_under_rising_ids(monitor: Monitor) -> None:
    monitor.add(Stream.MARKET, BTC, "7000-0", lob(0, 600_000))
    future = (time.time_ns() // 10**6 + 3_600_000, 5)  # a clock that was an hour ahead
    monitor.add(Stream.CONTROL, "", f"{future[0]}-{future[1]}", Halt(1, "early", "test"))
    monitor.start()
    monitor.wait("/api/v1/status", lambda a: a["trading"] == "halted")
    status, first = monitor.ask("POST", "/api/v1/control", {"action": "resume", "who": "ann", "why": "fixed"})
    assert status == 201
    assert first["id"] == f"{future[0]}-{future[1] + 1}"
    monitor.wait("/api/v1/status", lambda a: a["trading"] == "active")
    body = {"action": "promote", "who": "ann", "why": "better", "symbol": BTC, "version": "m2"}
    monitor.wait("/api/v1/status", lambda a: a["symbols"][0]["market"] is not None)
    status, second = monitor.ask("POST", "/api/v1/control", body)
    assert status == 201
    written = codec.decode(monitor.redis.xrevrange(key(monitor.run_id, Stream.CONTROL))[0][1][b"d"])
    assert isinstance(written, Promote)
    assert (written.who, written.symbol, written.version) == ("ann", BTC, "m2")
    assert written.from_id == second["from_id"] == f"{START_NS // 10**6 + 2000}-0"
    listed = monitor.wait("/api/v1/control", lambda a: len(a["controls"]) == 3)["controls"]
    assert [row["action"] for row in listed] == ["promote", "resume", "halt"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/api/v1/orders?limit=0", None, 422, "limit: "),
        ("GET", "/api/v1/orders?limit=1001", None, 422, "limit: "),
        ("GET", "/api/v1/trades?offset=-1", None, 422, "offset: "),
        ("GET", "/api/v1/trades?limit=many", None, 422, "limit: "),
        ("GET", "/api/v1/trades?symbol=NONE", None, 404, "'NONE' is not traded here"),
        ("GET", "/api/v1/nothing", None, 404, "no /api/v1/nothing here"),
        ("DELETE", "/api/v1/pnl", None, 405, "Method Not Allowed"),
        ("POST", "/api/v1/control", {"action": "halt", "who": "ann"}, 422, "why: field required"),
        ("POST", "/api/v1/control", {"action": "halt", "who": " ", "why": "x"}, 422, "who: "),
        ("POST", "/api/v1/control", {"action": "explode", "who": "ann", "why": "x"}, 422, "action: "),
        ("POST", "/api/v1/control", {"action": "halt", "who": "a", "why": "x", "more": 1}, 422, "more: "),
        (
            "POST",
            "/api/v1/control",
            {"action": "halt", "who": "a", "why": "x", "symbol": BTC},
            422,
            "promote",
        ),
        (
            "POST",
            "/api/v1/control",
            {"action": "promote", "who": "a", "why": "x", "symbol": "NONE", "version": "1"},
            404,
            "NONE",
        ),
        (
            "POST",
            "/api/v1/control",
            {"action": "promote", "who": "a", "why": "x", "symbol": BTC, "version": "1", "from_id": "5"},
            422,
            "from_id: ",
        ),
        ("POST", "/api/v1/control", None, 422, "body"),
    ],
)
def test_bad_requests_get_one_sentence(
    shared_monitor: Monitor, method: str, path: str, body: object, status: int, says: str
) -> None:
    found, answer = shared_monitor.ask(method, path, body)
    assert found == status, answer
    assert list(answer) == ["error"]
    assert says in answer["error"]
    assert "\n" not in answer["error"]
    assert not shared_monitor.redis.exists(key(shared_monitor.run_id, Stream.CONTROL))


@pytest.fixture(scope="module")
def shared_monitor(redis_server: PrivateRedis) -> Iterator[Monitor]:
    """One for the tests that change nothing."""
    made = Monitor(redis_server.url, "bad-requests")
    process = made.start()
    yield made
    process.terminate()
    process.communicate()
    made.redis.close()
    assert process.returncode == 0


def test_documentation_and_metrics(monitor: Monitor) -> None:
    process = monitor.start()
    trade(monitor)
    monitor.wait("/api/v1/stats", lambda a: a["symbols"][BTC]["fills"] == 3)
    metrics = monitor.get("/metrics")
    for line in (
        f'lobflow_win_ratio{{symbol="{BTC}"}} 1.0',
        f'lobflow_position{{symbol="{BTC}"}} -0.01',
        f'lobflow_pnl{{part="gross",symbol="{BTC}"}} 0.1',
        f'lobflow_round_trips_total{{result="win",symbol="{BTC}"}} 1.0',
        'lobflow_handled_total{service="monitor"} 9.0',
    ):
        assert line in metrics
    assert f'lobflow_pnl{{part="net",symbol="{BTC}"}}' not in metrics  # no mark yet
    assert "swagger" in monitor.get("/docs")
    document = monitor.get("/api/v1/openapi.json")
    assert {"/api/v1/trades", "/api/v1/control", "/api/v1/pnl"} <= set(document["paths"])
    process.terminate()
    process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0


def test_entries_that_are_no_messages_are_parked_and_counted(monitor: Monitor) -> None:
    name = key(monitor.run_id, Stream.EXECUTIONS, BTC)
    monitor.redis.xadd(name, {"d": b"\xff"}, "0-1")
    monitor.redis.xadd(name, {"d": codec.encode(lob(1, 1))}, "0-2")
    monitor.start()
    trade(monitor)
    monitor.wait("/api/v1/stats", lambda a: a["symbols"][BTC]["fills"] == 3)
    reasons = [row[1][b"reason"] for row in monitor.redis.xrange(f"{monitor.run_id}:parked:monitor")]
    assert len(reasons) == 2
    assert b"0-1: not a message" in reasons[0]
    assert b"a Lob does not belong here" in reasons[1]


def test_a_busy_port_ends_it_with_one_line(monitor: Monitor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = monitor.spawn(monitor_port=taken.getsockname()[1])
        _, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert "LOBFLOW_MONITOR_PORT: cannot listen on 127.0.0.1:" in errors
    assert "Traceback" not in errors


def test_a_redis_that_restarts_costs_nothing_and_an_order_meanwhile_is_carried_out_later() -> None:
    body = {"action": "halt", "who": "ann", "why": "test"}
    with PrivateRedis() as server:
        monitor = Monitor(server.url, "restart")
        try:
            monitor.start()
            trade(monitor)
            monitor.wait("/api/v1/stats", lambda a: a["symbols"][BTC]["fills"] == 3)
            server.stop()
            status, answer = monitor.ask("POST", "/api/v1/control", body)
            assert (status, list(answer)) == (503, ["error"])
            assert monitor.get("/api/v1/pnl")["total"]["gross"] == "0.1"
            server.start()
            monitor.wait("/api/v1/status", lambda a: a["trading"] == "halted")
            for stream, entry_id, message in order(4, 1, 600_000):
                monitor.add(stream, BTC, entry_id, message)
            monitor.wait("/api/v1/stats", lambda a: a["symbols"][BTC]["fills"] == 4)
            assert monitor.redis.xlen(key("restart", Stream.CONTROL)) == 1
            assert monitor.get("/api/v1/trades")["total"] == 2
        finally:
            monitor.close()
