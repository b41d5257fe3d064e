"""Our quotes against what was expected of them, whatever order the streams are read in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.monitor.core import MonitorCore
from services.monitor.metrics import CoreMetrics
from services.monitor.quotes import QuoteLog
from shared.messages import Decision, DepthFlow, Flow, OrderUpdate, Prediction, Request, SideFlow, Trust
from shared.units import MS

TICK = 100_000_000
TRUSTS = (Trust(5, "v1", 590, 118, 0.25, 0.1, 0.25), Trust(15, "v1", 90, 6, 0.5, 0.1, math.nan))


def flow(rate: float = 0.6) -> Flow:
    depths = (
        DepthFlow(0, 500, 300, 0.7, rate, -3.0, 1.0, 3.0, 50, 0.1, 0.1, 0.1),
        DepthFlow(10, 500, 200, 0.6, 0.4, -2.0, 1.0, 3.0, 50, 0.1, 0.1, 0.1),
        DepthFlow(
            20, 0, 0, math.nan, math.nan, math.nan, math.nan, math.nan, 0, math.nan, math.nan, math.nan
        ),
    )
    sides = tuple(SideFlow(side, 900, *[1.0] * 10, "optimum", 1.0, 1.0, 1.0, 0.0, depths) for side in (1, -1))
    return Flow(60_000 * MS, 0, TICK, 1_000_000, 100, 5_000, 5_000, sides, "", TRUSTS)


def prediction(n: int) -> Prediction:
    return Prediction(n * MS, "m", "s", 0, 1_000, 1_002, TICK, (), (), (), "none")


def decision(n: int, *placed: tuple[str, int, int], purpose: str = "demonstration") -> Decision:
    requests = tuple(
        Request("place", name, side, "LIMIT", "GTX", price, 5, False, purpose, "")
        for name, side, price in placed
    )
    return Decision(n * MS, f"predictions/{n}-0", f"{n}-0", f"{n}-0", "0-0", "0-0", TICK, 1_000_000, requests)


def ended(name: str, status: str = "CANCELED", filled: int = 0) -> OrderUpdate:
    return OrderUpdate("1-0", 0, name, "1-0", 7, 1, "canceled", status, 5, filled, False, "")


def told(log: QuoteLog) -> dict[tuple[int, int], tuple[int, int, float]]:
    return {key: (tally.quotes, tally.filled, tally.expected) for key, tally in log.tallies.items()}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_streams_may_be_read_in_any_order(order: tuple[int, ...]) -> None:
    log = QuoteLog()
    log.fit(flow())

    def settle() -> None:
        log.update(ended("a", "FILLED", 5))
        log.update(ended("b"))

    steps: list[Callable[[], None]] = [
        lambda: log.foretell("70-0", prediction(70)),
        lambda: log.decide(decision(70, ("a", 1, 1_000), ("b", -1, 1_011))),
        settle,
    ]
    for place in order:
        steps[place]()
    assert told(log) == {(1, 0): (1, 1, 0.6), (-1, 9): (1, 0, 0.4)}


def test_what_is_expected_is_of_the_flow_in_force_then() -> None:
    log = QuoteLog()
    log.foretell("60-0", prediction(60))
    log.fit(flow(0.6))
    log.foretell("70-0", prediction(70))
    log.fit(flow(0.1))
    for name, n in (("early", 60), ("late", 70)):
        log.decide(decision(n, (name, 1, 1_000)))
        log.update(ended(name))
    (tally,) = log.tallies.values()
    assert (tally.quotes, tally.foretold, tally.expected) == (2, 1, 0.6)


def test_other_orders_and_refusals_are_passed_over() -> None:
    log = QuoteLog()
    log.foretell("70-0", prediction(70))
    log.decide(decision(70, ("taker", 1, 1_000), purpose="enter"))
    log.update(ended("taker", "FILLED", 5))
    assert not log.tallies
    log.decide(decision(70, ("mine", 1, 999)))
    log.update(ended("mine", "NEW"))
    assert not log.tallies
    log.update(ended("mine", "EXPIRED", 2))
    log.update(ended("mine", "EXPIRED", 2))  # a repeat
    assert told(log) == {(1, 1): (1, 1, 0.0)}


def test_metrics_show_probes_and_quotes_by_depth() -> None:
    core = MonitorCore(("BTCUSDT",))
    entries = [
        ("60-0", flow()),
        ("70-0", prediction(70)),
        ("70-0", decision(70, ("a", -1, 1_002), ("b", -1, 1_002))),
        ("71-0", ended("a", "FILLED", 5)),
        ("72-0", ended("b")),
    ]
    for entry_id, message in entries:
        core.handle("BTCUSDT", entry_id, message)
    registry = CollectorRegistry()
    registry.register(CoreMetrics(core, {}))
    text = generate_latest(registry).decode()
    where = 'side="ask",symbol="BTCUSDT",ticks="0"'
    for line in (
        f"lobflow_probe_predicted_fill_ratio{{{where}}} 0.7",
        f"lobflow_probe_fill_ratio{{{where}}} 0.6",
        f"lobflow_probe_edge{{{where}}} -0.3",
        f"lobflow_quote_expected_fill_ratio{{{where}}} 0.6",
        f"lobflow_quote_fill_ratio{{{where}}} 0.5",
    ):
        assert line in text
    assert 'lobflow_quotes_total{result="filled",side="ask",symbol="BTCUSDT",ticks="0"} 1.0' in text
    trust = 'lobflow_prediction_trust{horizon_seconds="%s",model="v1",symbol="BTCUSDT"} %s'
    assert trust % ("5", "0.25") in text
    assert trust % ("15", "NaN") in text
    assert 'ticks="20"' not in text  # nothing was probed there
