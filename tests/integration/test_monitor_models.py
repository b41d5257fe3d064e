"""The monitor's word on models, as a process: standings, drift and the gate, over a restart."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from test_monitor_process import BTC, LOT, START_NS, TICK, Monitor

from lobflow.private_redis import PrivateRedis
from shared import codec
from shared.codec import pack_tiers
from shared.messages import Drift, Gate, Lob, Prediction, Shadow, Shadows, TradedDay
from shared.streams import Stream, key
from shared.units import MS, SECOND

pytestmark = pytest.mark.redis

DAY = START_NS // (86_400 * SECOND)
CLEAR = tuple(TradedDay(DAY - 5 + n, 50, 1000.0, 21_000.0 + n) for n in range(5))  # 20 bps a trade, 5 days


@pytest.fixture
def monitor(redis_server: PrivateRedis, run_id: str) -> Iterator[Monitor]:
    made = Monitor(redis_server.url, run_id)
    made.settings |= {"period": 5, "taker_fee": 0.0}
    yield made
    made.close()


def feed(monitor: Monitor, start: int, stop: int) -> None:
    """Half seconds of a market that rises by a tick each, foretold by `m1` and, turned around, by `m2`."""
    for n in range(start, stop):
        at, bid = START_NS + n * SECOND // 2, 600_000 + n
        entry_id = f"{at // MS}-0"
        sides = pack_tiers([bid, 9]), pack_tiers([bid + 1, 3])
        monitor.add(Stream.MARKET, BTC, entry_id, Lob(n, 1, at, at, n, TICK, LOT, *sides))
        values = ("m1", "s", at + SECOND, bid, bid + 1, TICK, (5,), (0.7,), (0.5,), "")
        monitor.add(Stream.PREDICTIONS, BTC, entry_id, Prediction(at, *values))
        if n % 2 == 0:
            shadow = Shadow("m2", (5,), (-0.7,), (0.5,), "")
            drift = (Drift("m1", "imbalance_1", 0.3, 400),) if n % 120 == 0 else ()
            monitor.add(Stream.SHADOWS, BTC, entry_id, Shadows(at, "s", bid, bid + 1, TICK, (shadow,), drift))


def gates(monitor: Monitor) -> list[Gate]:
    rows = monitor.redis.xrange(key(monitor.run_id, Stream.CONTROL))
    found = [codec.decode(fields[b"d"]) for _, fields in rows]
    assert all(isinstance(one, Gate) for one in found)
    return found  # type: ignore[return-value]


def models(monitor: Monitor) -> Any:
    return monitor.get("/api/v1/models")[0]


def test_standings_gate_and_drift_are_told_and_evidence_outlives_the_process(monitor: Monitor) -> None:
    was = Gate(START_NS - SECOND, "monitor", "", BTC, "m1", "undetermined", 1, CLEAR)
    monitor.add(Stream.CONTROL, "", "5-0", was)
    process = monitor.start()
    feed(monitor, 0, 140)
    answer = monitor.wait(
        "/api/v1/models", lambda a: len(a[0]["gates"]) == 2 and a[0]["gates"][0]["trades"] == 262
    )[0]
    assert answer["champion"] == "m1"
    rows = {(row["name"], row["coverage_asked"]): row for row in answer["standings"]}
    assert rows["m1", 1.0]["hit_rate"] == 1.0
    assert rows["m1", 1.0]["role"] == "champion"
    assert rows["m2", 1.0]["hit_rate"] == 0.0
    assert (rows["m2", 1.0]["role"], rows["m2", 1.0]["difference"]) == ("shadow", -1.0)
    assert rows["imbalance 1", 0.5]["hit_rate"] == 1.0
    assert {name for name, _ in rows} == {"m1", "m2", "imbalance 1", "last return", "majority"}
    assert answer["drift"] == {"m1": [{"name": "imbalance_1", "psi": 0.3, "rows": 400}]}

    # Trades every five seconds and 100 ms, at 1 USDT gain and 0.1 spread of 60,000, beside five clear days.
    mine = answer["gates"][0]
    assert (mine["version"], mine["verdict"], mine["days"], mine["tried"]) == ("m1", "shown", 6, 2)
    assert "262 trades on 6 days" in mine["why"]
    status = monitor.get("/api/v1/status")
    assert status["gates"][BTC]["verdict"] == "shown"
    assert status["gates"]["ETHUSDT"] is None
    assert status["drift"][BTC]["psi"] == 0.3
    monitor.wait("/api/v1/status", lambda a: a["gates"][BTC]["told"] is not None)
    _, text = monitor.ask("GET", "/metrics")
    place = f'horizon_seconds="5",role="champion",symbol="{BTC}",version="m1"'
    assert f'lobflow_model_hit_ratio{{coverage="1",{place}}} 1.0' in text
    assert f'lobflow_gate_shown{{symbol="{BTC}",version="m1"}} 1.0' in text
    assert f'lobflow_model_drift_psi{{quantity="imbalance_1",symbol="{BTC}",version="m1"}} 0.3' in text

    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    told = {gate.version: gate for gate in gates(monitor)}
    assert told["m1"].verdict == "shown"
    assert told["m1"].who == "monitor"
    assert sum(day.trades for day in told["m1"].days) == 262
    assert told["m2"].verdict == "undetermined"
    assert sum(day.trades for day in told["m2"].days) == 11

    monitor.start()  # reads the same market again, and counts none of it twice
    monitor.wait("/api/v1/models", lambda a: a[0]["champion"] == "m1" and a[0]["standings"])
    feed(monitor, 140, 280)
    again = monitor.wait("/api/v1/models", lambda a: a[0]["gates"][0]["trades"] >= 274)[0]["gates"][0]
    assert again["trades"] <= 275  # one every 5.5 s of the 70 s
    assert again["tried"] == 2


@pytest.mark.parametrize("settings", [{"gate": "off"}, {"lockstep": True}])
def test_nothing_is_written_where_the_gate_is_off_or_in_lockstep(
    monitor: Monitor, settings: dict[str, object]
) -> None:
    process = monitor.start(**settings)
    feed(monitor, 0, 60)
    monitor.wait("/api/v1/models", lambda a: a[0]["gates"] and a[0]["gates"][0]["trades"] > 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert gates(monitor) == []
