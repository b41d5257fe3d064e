"""The core: entering, leaving, refusing, flattening, adopting; and deriving decisions again."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import pytest

from services.trader.core import Config, Decided, TraderCore
from services.trader.facts import OrderFact, PositionFact, TradeFact
from services.trader.identity import Identity
from services.trader.instrument import Instrument
from services.trader.rederive import Recorded, by_cursors, in_order, rebuild
from services.trader.risk import Limits
from services.trader.strategy import Plan
from shared.codec import pack_tiers
from shared.messages import (
    Control,
    Decision,
    Execution,
    FeedStatus,
    Fill,
    Flatten,
    Gate,
    Halt,
    Heartbeat,
    Lob,
    Market,
    OrderUpdate,
    Prediction,
    Resume,
)
from shared.units import MS, SECOND, Scale

T0 = 1_723_161_255_000
SCALE = Scale(100_000_000, 1_000_000)
INSTRUMENT = Instrument("BTCUSDT", SCALE, 1, 120_000, 50 * SECOND)


def config(strategy: str = "threshold", **limits: Any) -> Config:
    values: dict[str, Any] = {"max_position_lots": 100, "max_orders_10s": 100, "stale_ms": 1000, **limits}
    return Config(
        identity=Identity("run", "BTCUSDT"),
        instrument=INSTRUMENT,
        limits=Limits(**values),
        plan=Plan(INSTRUMENT, size_lots=10, period_s=10, threshold=None),
        strategy=strategy,
    )


class Run:
    """A core fed by hand that keeps its streams, as Redis would."""

    def __init__(self, fixed: Config) -> None:
        self.config = fixed
        self.core = TraderCore(fixed)
        self.market: list[tuple[str, Market]] = []
        self.predictions: list[tuple[str, Prediction]] = []
        self.executions: list[tuple[str, Execution]] = []
        self.control: list[tuple[str, Control]] = []
        self.decisions: list[tuple[str, Decision]] = []
        self.orders = 0
        self.position = PositionFact(0, 0, 0)
        self.fact(self.position)

    def keep(self, decided: list[Decided]) -> list[Decided]:
        self.decisions += [(made.entry_id, made.decision) for made in decided]
        return decided

    def put(self, ms: int, message: Market) -> list[Decided]:
        self.market.append((f"{T0 + ms}-0", message))
        return self.keep(self.core.fold_market(*self.market[-1]))

    def lob(self, ms: int) -> list[Decided]:
        bids, asks = pack_tiers([600_000, 5]), pack_tiers([600_001, 5])
        at_ns = (T0 + ms) * MS
        return self.put(ms, Lob(0, 1, at_ns, at_ns, 1, SCALE.tick_e9, SCALE.lot_e9, bids, asks))

    def beat(self, ms: int) -> list[Decided]:
        return self.put(ms, Heartbeat(0, 1, 0, (T0 + ms) * MS))

    def predict(self, ms: int, move: float, threshold: float = 5.0) -> list[Decided]:
        """A book and the prediction made of it."""
        self.lob(ms)
        at_ns = (T0 + ms) * MS
        message = Prediction(
            recv_ns=at_ns,
            model="m",
            schema="s",
            expires_ns=at_ns + SECOND,
            bid_ticks=600_000,
            ask_ticks=600_001,
            tick_e9=SCALE.tick_e9,
            horizons_s=(5, 10),
            moves=(math.nan, move),
            thresholds=(math.nan, threshold),
            reason="",
        )
        self.predictions.append((f"{T0 + ms}-0", message))
        return self.keep(self.core.fold_prediction(*self.predictions[-1]))

    def fact(self, *facts: Any) -> list[Decided]:
        decided: list[Decided] = []
        for fact in facts:
            for entry in self.core.stamp(fact):
                self.executions.append(entry)
                decided += self.keep(self.core.fold_execution(*entry))
        return decided

    def person(self, message: Control) -> list[Decided]:
        self.control.append((f"{T0}-{len(self.control)}", message))
        return self.keep(self.core.fold_control(*self.control[-1]))

    def fill(self, made: Decided, price: int = 600_001) -> list[Decided]:
        """The venue fills a decision's order whole."""
        request = made.approved[0].request
        self.orders += 1
        zero = Decimal(0)
        return self.fact(
            OrderFact(
                request.client_id,
                "filled",
                0,
                self.orders,
                request.side,
                request.size_lots,
                request.size_lots,
            ),
            TradeFact(
                self.orders, self.orders, 0, request.side, price, request.size_lots, zero, "USDT", False, zero
            ),
        )

    def recorded(self) -> Recorded:
        return Recorded(self.market, self.predictions, self.executions, self.control, self.decisions)


def test_enters_at_a_large_move_and_leaves_after_the_period() -> None:
    run = Run(config())
    assert run.predict(0, 4.9) == []
    (entry,) = run.predict(100, -5.0)
    request = entry.decision.requests[0]
    assert (request.side, request.kind, request.size_lots, request.purpose) == (-1, "MARKET", 10, "enter")
    assert entry.decision.cause == f"predictions/{T0 + 100}-0"
    assert run.predict(200, -9.0) == []  # one is under way
    assert run.fill(entry) == []
    assert run.core.position.lots == -10
    assert run.beat(10_199) == []
    (leave,) = run.beat(10_200)  # ten seconds after the fill, at whatever comes first
    request = leave.decision.requests[0]
    assert (request.side, request.size_lots, request.reduce_only, request.purpose) == (1, 10, True, "exit")
    assert run.beat(10_300) == []
    run.fill(leave)
    assert run.core.position.lots == 0
    assert run.core.position.realized == 0
    assert by_cursors(run.config, run.recorded()) == []
    assert in_order(run.config, run.recorded()) == []


def test_the_setting_wins_over_the_models_threshold_and_nan_is_nothing() -> None:
    import msgspec

    run = Run(msgspec.structs.replace(config(), plan=Plan(INSTRUMENT, 10, 10, 20.0)))
    assert run.predict(0, 10.0) == []
    assert run.predict(100, math.nan) == []
    assert len(run.predict(200, 20.0)) == 1
    other = Run(msgspec.structs.replace(config(), plan=Plan(INSTRUMENT, 10, 15, 1.0)))
    assert other.predict(0, 100.0) == []  # the prediction has no horizon of 15 s


def test_a_refusal_is_written_once_until_something_is_sent_or_time_passes() -> None:
    run = Run(config())
    run.person(Halt(0, "me", "test"))
    (refused,) = run.predict(0, 9.0)
    assert refused.approved == ()
    assert refused.decision.requests[0].refusal == "halted"
    assert run.predict(100, 9.0) == []
    (other,) = run.predict(200, -9.0)  # another side is another wish
    assert other.decision.requests[0].refusal == "halted"
    assert len(run.predict(10_100, 9.0)) == 1
    run.person(Resume(0, "me", "test"))
    (sent,) = run.predict(10_200, 9.0)
    assert sent.approved
    assert by_cursors(run.config, run.recorded()) == []


def test_nothing_is_opened_on_a_feed_that_is_not_live_or_unreconciled() -> None:
    run = Run(config())
    run.predict(0, 0.0)
    run.put(50, FeedStatus(0, 2, 0, (T0 + 50) * MS, "gap", "lost"))
    made = run.core.fold_prediction(f"{T0}-0", run.predictions[-1][1])
    assert made == []
    run.fact(PositionFact(0, 0, 0, doubt="the user stream was lost"))
    (refused,) = run.predict(100, 9.0)
    assert refused.decision.requests[0].refusal == "unreconciled"
    run.fact(PositionFact(0, 3, 0))
    assert not run.core.is_reconciled
    last = run.executions[-1][1]
    assert "3 lots" in last.reason  # type: ignore[union-attr]


def test_flatten_cancels_then_closes_then_stays_halted() -> None:
    run = Run(config())
    (entry,) = run.predict(0, 9.0)
    run.fill(entry)
    (close,) = run.person(Flatten(0, "me", "enough"))
    assert close.decision.requests[0].purpose == "flatten"
    assert close.decision.cause == f"control/{T0}-0"
    assert run.beat(50) == []  # what closes is not canceled
    run.fill(close)
    assert run.core.position.lots == 0
    assert run.predict(100, 9.0) == []
    (late,) = [made for made in run.person(Resume(0, "me", "on")) + run.predict(200, 9.0)]
    assert late.approved
    assert [made.decision.requests[0].action for made in run.person(Flatten(0, "me", "again"))] == ["cancel"]
    assert run.beat(300) == []  # asked once a second, not at each turn
    assert by_cursors(run.config, run.recorded()) == []


def test_an_exit_that_came_to_nothing_is_tried_again_after_a_second() -> None:
    run = Run(config())
    (entry,) = run.predict(0, 9.0)
    run.fill(entry)
    (leave,) = run.beat(10_000)
    client_id = leave.approved[0].request.client_id
    assert run.fact(OrderFact(client_id, "rejected", 0, reason="-2022")) == []
    assert run.beat(10_900) == []
    assert len(run.beat(11_000)) == 1
    assert by_cursors(run.config, run.recorded()) == []


def test_bench_sends_the_smallest_valid_order_at_each_prediction_sides_in_turn() -> None:
    run = Run(config("bench"))
    made = [run.predict(100 * n, 0.0)[0] for n in range(4)]
    requests = [one.approved[0].request for one in made]
    assert [request.side for request in requests] == [1, -1, 1, -1]
    assert [request.price_ticks for request in requests] == [600_001, 600_000] * 2
    assert {(request.size_lots, request.time_in_force) for request in requests} == {(1, "IOC")}


def test_none_wants_nothing_but_is_flattened() -> None:
    run = Run(config("none"))
    assert run.predict(0, 100.0) == []
    zero = Decimal(0)
    run.fact(TradeFact(1, 1, 0, 1, 600_000, 5, zero, "USDT", False, zero))  # somebody's own trade
    (close,) = run.person(Flatten(0, "me", "enough"))
    assert close.decision.requests[0].size_lots == 5


def test_the_order_rate_is_counted_in_market_time() -> None:
    run = Run(config("bench", max_orders_10s=2))
    for ms in (0, 100):
        assert run.predict(ms, 0.0)[0].approved
    assert run.predict(200, 0.0)[0].decision.requests[0].refusal == "order_rate"
    assert run.predict(10_000, 0.0)[0].approved


def test_client_ids_fit_the_venue_and_decision_ids_only_rise() -> None:
    run = Run(config("bench"))
    made = [run.predict(100 * (n // 2), 0.0)[0] for n in range(6)]
    ids = [one.entry_id for one in made]
    assert ids == [f"{T0}-0", f"{T0}-1", f"{T0 + 100}-0", f"{T0 + 100}-1", f"{T0 + 200}-0", f"{T0 + 200}-1"]
    for one in made:
        client_id = one.approved[0].request.client_id
        assert re.fullmatch(r"[.A-Z:/a-z0-9_-]{1,36}", client_id)
        assert run.config.identity.decision_id(client_id) == one.entry_id
    assert Identity("other", "BTCUSDT").decision_id(client_id) == ""
    assert Identity("run", "ETHUSDT").prefix != run.config.identity.prefix


def test_repeats_from_the_venue_are_no_news() -> None:
    run = Run(config())
    (entry,) = run.predict(0, 9.0)
    request = entry.approved[0].request
    ack = OrderFact(request.client_id, "accepted", 0, 5, 1, 10)
    run.fact(ack, ack)
    run.fill(entry)
    before = list(run.executions)
    run.fact(ack)
    run.orders -= 1
    run.fill(entry)
    assert run.executions == before


def test_rebuilding_from_the_ledger_gives_the_same_state() -> None:
    run = Run(config())
    (entry,) = run.predict(0, 9.0)
    run.fill(entry)
    run.predict(100, 9.0)
    other = TraderCore(run.config)
    rebuild(other, run.decisions, run.executions, run.control)
    for name in ("lots", "cost", "realized", "opened_ms"):
        assert getattr(other.position, name) == getattr(run.core.position, name)
    assert other.decision_id == run.core.decision_id
    assert other.execution_id == run.core.execution_id
    assert other.orders.last_trade_id == run.core.orders.last_trade_id
    other.take_market(*run.market[-1])
    (ours,), (theirs,) = run.beat(10_000), other.fold_market(f"{T0 + 10_000}-0", run.market[-1][1])
    assert theirs.approved == ours.approved


def test_an_order_whose_intent_was_lost_is_adopted_with_its_decision() -> None:
    run = Run(config())
    run.lob(0)
    client_id = run.config.identity.client_id(f"{T0 - 50}-0", 0)
    run.fact(OrderFact(client_id, "accepted", 0, 9, 1, 10))
    update = run.executions[-1][1]
    assert isinstance(update, OrderUpdate)
    assert update.decision_id == f"{T0 - 50}-0"
    assert list(run.core.orders.live) == [client_id]
    assert [made.decision.requests[0].client_id for made in run.core.shutdown()] == [client_id]


def test_a_strangers_order_is_ignored_but_its_trade_moves_the_position() -> None:
    run = Run(config())
    zero = Decimal(0)
    run.fact(
        OrderFact("autoclose-1", "filled", 0, 3, -1, 4, 4),
        TradeFact(3, 8, 0, -1, 600_000, 4, zero, "USDT", False, zero, "autoclose-1"),
    )
    assert run.core.position.lots == -4
    assert isinstance(run.executions[-1][1], Fill)
    assert not run.core.orders.by_client


def test_rederivation_tells_a_decision_that_was_tampered_with() -> None:
    import msgspec

    run = Run(config())
    run.predict(0, 9.0)
    entry_id, decision = run.decisions[0]
    wrong = msgspec.structs.replace(decision.requests[0], size_lots=11)
    run.decisions[0] = (entry_id, msgspec.structs.replace(decision, requests=(wrong,)))
    assert len(by_cursors(run.config, run.recorded())) == 1
    assert len(in_order(run.config, run.recorded())) == 1
    run.decisions.clear()
    assert in_order(run.config, run.recorded()) == ["0 decisions were made, 1 derived"]


def test_in_order_refuses_a_run_that_people_intervened_in() -> None:
    run = Run(config())
    run.person(Halt(0, "me", "why"))
    with pytest.raises(ValueError, match="by_cursors"):
        in_order(run.config, run.recorded())


def gate(verdict: str, version: str = "m", symbol: str = "BTCUSDT") -> Gate:
    return Gate(0, "monitor", "to see", symbol, version, verdict, 1, ())


def test_an_enforced_gate_opens_with_evidence_of_the_version_that_predicts() -> None:
    run = Run(config(needs_edge=True))

    def entered(ms: int) -> str:
        """What became of a wish to enter: its refusal, `sent`, or nothing new."""
        made = run.predict(ms, 9.0)
        return "" if not made else made[0].decision.requests[0].refusal or "sent"

    assert entered(0) == "no_edge_shown"
    for other in (gate("shown", version="other"), gate("shown", symbol="ETHUSDT"), gate("undetermined")):
        run.person(other)
    assert entered(10_000) == "no_edge_shown"
    run.person(gate("shown"))
    run.person(gate("undetermined", version="other"))
    assert entered(20_000) == "sent"
    again = Run(run.config)
    rebuild(again.core, run.decisions, run.executions, run.control)
    assert again.core.edges == {"m"}
    assert (
        by_cursors(
            run.config, Recorded(run.market, run.predictions, run.executions, run.control, run.decisions)
        )
        == []
    )
    without = [row for row in run.control if row[1] != gate("shown")]
    assert by_cursors(
        run.config, Recorded(run.market, run.predictions, run.executions, without, run.decisions)
    )


def test_evidence_that_is_withdrawn_closes_the_gate() -> None:
    run = Run(config(needs_edge=True))
    run.person(gate("shown"))
    run.person(gate("undetermined"))
    (made,) = run.predict(0, 9.0)
    assert made.decision.requests[0].refusal == "no_edge_shown"
