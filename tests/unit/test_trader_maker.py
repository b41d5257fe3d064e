"""The maker: where it rests, when it replaces, leaves and stays away; and that the streams give it all
again."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from services.trader.core import Config, Decided, TraderCore
from services.trader.facts import OrderFact, PositionFact, TradeFact
from services.trader.identity import Identity
from services.trader.instrument import Instrument
from services.trader.quoting import Costs
from services.trader.rederive import Recorded, by_cursors, in_order, rebuild
from services.trader.risk import Limits
from services.trader.strategy import Plan, Quoting
from shared.codec import pack_tiers
from shared.messages import (
    Decision,
    DepthFlow,
    Execution,
    Flow,
    Heartbeat,
    Lob,
    Market,
    Prediction,
    Request,
    SideFlow,
    Trust,
)
from shared.units import MS, SECOND, Scale

T0 = 1_723_161_255_000
SCALE = Scale(100_000_000, 1_000_000)
INSTRUMENT = Instrument("BTCUSDT", SCALE, 1, 120_000, 5 * SECOND)
FREE = Costs(maker_fee=0.0, taker_fee=0.0, trust=0.5)


def depth(ticks: int, edge: float, rate: float = 0.5) -> DepthFlow:
    """Probes at one depth, whose error is small."""
    return DepthFlow(ticks, 600, 300, rate, rate, edge, 0.1, 4.0, 60, 0.01, 0.0001, 0.0)


def side(of: int, *depths: DepthFlow) -> SideFlow:
    numbers = [math.nan] * 10
    return SideFlow(of, 900, *numbers, "optimum", 5_000.0, 700.0, 0.3, 0.4, depths)


def flow(ms: int, bid_edge: float = 3.0, ask_edge: float = 3.0, **changes: Any) -> Flow:
    """Bids worth most 5 ticks behind, asks 2."""
    bids = side(1, depth(0, -1.0), depth(5, bid_edge))
    asks = side(-1, depth(0, -1.0), depth(2, ask_edge))
    at_ns = (T0 + ms) * MS
    found = Flow(
        at_ns, at_ns - 600 * SECOND, SCALE.tick_e9, SCALE.lot_e9, 100, 5_000, 5_000, (bids, asks), ""
    )
    return msgspec.structs.replace(found, **changes)


class Run:
    """A maker fed by hand that keeps its streams, as Redis would."""

    def __init__(self, costs: Costs = FREE, is_demonstration: bool = False, max_lots: int = 100) -> None:
        quoting = Quoting(costs, max_lots, is_demonstration)
        self.config = Config(
            identity=Identity("run", "BTCUSDT"),
            instrument=INSTRUMENT,
            limits=Limits(max_position_lots=max_lots, max_orders_10s=100, stale_ms=1000),
            plan=Plan(INSTRUMENT, size_lots=10, period_s=10, threshold=None, quoting=quoting),
            strategy="maker",
        )
        self.core = TraderCore(self.config)
        self.market: list[tuple[str, Market]] = []
        self.predictions: list[tuple[str, Prediction | Flow]] = []
        self.executions: list[tuple[str, Execution]] = []
        self.decisions: list[tuple[str, Decision]] = []
        self.numbers = 0
        self.fact(PositionFact(0, 0, 0))

    def keep(self, decided: list[Decided]) -> list[Request]:
        self.decisions += [(made.entry_id, made.decision) for made in decided]
        return [request for made in decided for request in made.decision.requests]

    def fit(self, message: Flow) -> None:
        """A flow, under the id of a heartbeat."""
        entry_id = f"{message.recv_ns // MS}-0"
        self.market.append((entry_id, Heartbeat(0, 1, 0, message.recv_ns)))
        self.predictions.append((entry_id, message))
        assert self.keep(self.core.fold_market(*self.market[-1])) == []
        assert self.core.fold_prediction(entry_id, message) == []

    def predict(self, ms: int, move: float = 0.0, bid: int = 600_000) -> list[Request]:
        """A book and the prediction made of it."""
        at_ns, entry_id = (T0 + ms) * MS, f"{T0 + ms}-1"
        tiers = pack_tiers([bid, 5]), pack_tiers([bid + 1, 5])
        self.market.append((entry_id, Lob(0, 1, at_ns, at_ns, 1, SCALE.tick_e9, SCALE.lot_e9, *tiers)))
        self.core.fold_market(*self.market[-1])
        facts = (at_ns, "m", "s", at_ns + SECOND, bid, bid + 1, SCALE.tick_e9)
        self.predictions.append((entry_id, Prediction(*facts, (10,), (move,), (1.0,), "")))
        return self.keep(self.core.fold_prediction(entry_id, self.predictions[-1][1]))

    def beat(self, ms: int) -> list[Request]:
        self.market.append((f"{T0 + ms}-0", Heartbeat(0, 1, 0, (T0 + ms) * MS)))
        return self.keep(self.core.fold_market(*self.market[-1]))

    def fact(self, *facts: Any) -> list[Request]:
        requests: list[Request] = []
        for fact in facts:
            for entry in self.core.stamp(fact):
                self.executions.append(entry)
                requests += self.keep(self.core.fold_execution(*entry))
        return requests

    def say(self, event: str, request: Request, filled: int = 0) -> list[Request]:
        """The venue's word on an order."""
        self.numbers += 1
        facts: list[Any] = [
            OrderFact(request.client_id, event, 0, self.numbers, request.side, request.size_lots, filled)
        ]
        if filled:
            none = Decimal(0)
            own = (self.numbers, self.numbers, 0, request.side, request.price_ticks or 600_000, filled)
            facts.append(TradeFact(*own, none, "USDT", True, none, client_id=request.client_id))
        return self.fact(*facts)

    def check(self) -> None:
        """The streams alone give the decisions, and a restarted core stands as this one."""
        recorded = Recorded(self.market, self.predictions, self.executions, [], self.decisions)
        assert self.decisions
        assert by_cursors(self.config, recorded) == []
        assert in_order(self.config, recorded) == []
        core = TraderCore(self.config)
        rebuild(core, self.decisions, self.executions, [])
        for row in self.market:
            core.take_market(*row)
        for row in self.predictions:
            core.take_prediction(*row)
        names = ("flow", "prediction_id", "decision_id")
        assert [getattr(core, name) for name in names] == [getattr(self.core, name) for name in names]
        assert core.evaluate("predictions", self.predictions[-1][0]) == self.core.evaluate(
            "predictions", self.predictions[-1][0]
        )


def shown(requests: list[Request]) -> list[tuple[str, int, int]]:
    return [(request.purpose, request.side, request.price_ticks) for request in requests]


def test_both_sides_rest_where_they_are_worth_most() -> None:
    run = Run()
    run.fit(flow(0))
    bid, ask = run.predict(100)
    assert shown([bid, ask]) == [("quote", 1, 599_995), ("quote", -1, 600_003)]
    for request in (bid, ask):
        assert (request.kind, request.time_in_force, request.size_lots) == ("LIMIT", "GTX", 10)
        assert request.refusal == ""
        run.say("accepted", request)
    assert run.predict(200, bid=600_004) == []  # a quote stays at its price while it lives
    run.check()


def test_do_not_quote_at_retail_fees_nor_without_a_flow_nor_by_an_old_one() -> None:
    run = Run(Costs(maker_fee=0.0002, taker_fee=0.0005))
    run.fit(flow(0))
    assert run.predict(100) == []
    run = Run()
    assert run.predict(0) == []
    run.fit(flow(1_000))
    assert run.predict(152_000) == []
    run.fit(flow(153_000, reason="less than a minute since the last gap", sides=()))
    assert run.predict(153_100) == []
    run.fit(flow(154_000))
    assert len(run.predict(154_100)) == 2
    run.check()


def test_one_side_alone_where_only_one_is_worth_it() -> None:
    run = Run()
    run.fit(flow(0, bid_edge=-3.0))
    assert shown(run.predict(100)) == [("quote", -1, 600_003)]
    run.check()


@pytest.mark.parametrize(("move", "sides"), [(1.0, [1]), (-1.0, [-1]), (0.0, [1, -1])])
def test_a_prediction_skews_the_quotes(move: float, sides: list[int]) -> None:
    run = Run()
    run.fit(flow(0))
    requests = run.predict(100, move)  # 1 USDT is 10 ticks, half believed: more than the edge of 3
    assert [request.side for request in requests] == sides


@pytest.mark.parametrize(
    ("trusts", "sides"),
    [
        ((Trust(10, "m", 590, 60, 0.0, 0.1, 0.0),), [1, -1]),  # nothing came true: nothing is believed
        ((Trust(10, "m", 590, 60, 0.2, 0.1, 0.2),), [1, -1]),
        ((Trust(10, "m", 590, 60, 0.35, 0.1, 0.35),), [1]),
        ((Trust(10, "m", 60, 6, 0.0, 0.1, math.nan),), [1]),  # too little evidence: half
        ((Trust(10, "other", 590, 60, 0.0, 0.1, 0.0),), [1]),
        ((), [1]),
    ],
)
def test_a_prediction_is_believed_as_far_as_predictions_came_true(
    trusts: tuple[Trust, ...], sides: list[int]
) -> None:
    run = Run(Costs(maker_fee=0.0, taker_fee=0.0))
    run.fit(flow(0, trusts=trusts))
    requests = run.predict(100, 1.0)  # 10 ticks; asks have an edge of 3 less half a spread
    assert [request.side for request in requests] == sides
    run.check()


@pytest.mark.parametrize(
    ("spread", "slippages", "sides"),
    [
        (2.0, ((1, 0.0), (10, 0.5)), [1, -1]),
        (8.0, ((1, 0.0), (10, 0.5)), []),  # half of it is more than the edge of 3
        (2.0, ((1, 0.0), (10, 2.5)), [-1]),  # what a bid bought is sold into a thin book
        (2.0, ((1, 0.0), (5, 0.0)), [-1]),  # which does not hold our 10 lots: no value is known
    ],
)
def test_leaving_costs_what_spread_and_depth_of_the_last_minutes_say(
    spread: float, slippages: tuple[tuple[int, float], ...], sides: list[int]
) -> None:
    run = Run(Costs(maker_fee=0.0, taker_fee=0.0))
    fitted = flow(0, spread_ticks=spread)
    bids, asks = fitted.sides
    bids = msgspec.structs.replace(bids, slippages=slippages)
    run.fit(msgspec.structs.replace(fitted, sides=(bids, asks)))
    assert [request.side for request in run.predict(100)] == sides


def test_a_quote_is_replaced_after_a_probes_lifetime() -> None:
    run = Run()
    run.fit(flow(0, ask_edge=-3.0))
    (bid,) = run.predict(100)
    run.say("accepted", bid)
    assert run.predict(5_000) == []
    (cancel,) = run.predict(5_100, bid=600_010)
    assert (cancel.action, cancel.client_id) == ("cancel", bid.client_id)
    assert run.predict(5_200, bid=600_010) == []  # the cancel is under way
    assert [again.action for again in run.predict(6_100, bid=600_010)] == ["cancel"]  # and may be lost
    run.say("canceled", bid)
    assert run.predict(6_200, bid=600_010) == []  # an order that came to nothing: a second's pause
    assert shown(run.predict(7_200, bid=600_010)) == [("quote", 1, 600_005)]
    run.check()


def test_a_side_that_is_no_longer_worth_it_is_canceled() -> None:
    run = Run()
    run.fit(flow(0))
    bid, ask = run.predict(100)
    run.say("accepted", bid)
    run.say("accepted", ask)
    run.fit(flow(1_000, bid_edge=-3.0))
    (cancel,) = run.predict(1_100)
    assert (cancel.action, cancel.client_id) == ("cancel", bid.client_id)
    run.check()


def test_a_fill_is_left_a_horizon_later_when_nothing_rests_any_more() -> None:
    run = Run()
    run.fit(flow(0))
    bid, ask = run.predict(100)
    run.say("accepted", ask)
    run.say("filled", bid, filled=10)
    assert run.core.position.lots == 10
    assert run.beat(5_000) == []
    (cancel,) = run.beat(5_200)
    assert (cancel.action, cancel.client_id) == ("cancel", ask.client_id)
    (leave,) = run.say("canceled", ask)
    assert (leave.purpose, leave.kind, leave.side, leave.size_lots) == ("exit", "MARKET", -1, 10)
    assert leave.reduce_only
    run.say("filled", leave, filled=10)
    assert run.core.position.lots == 0
    run.check()


def test_an_order_that_closes_pays_no_exit_and_only_reduces() -> None:
    # A maker's fee of 1.2 ticks leaves something of an edge of 3 where nothing else is paid.
    run = Run(Costs(maker_fee=2e-6, taker_fee=5e-6, trust=0.0))
    run.fit(flow(0, bid_edge=9.0))
    (bid,) = run.predict(100)
    run.say("partly_filled", bid, filled=4)
    run.fact(OrderFact(bid.client_id, "canceled", 0, 1, 1, 10, 4))
    (ask,) = [request for request in run.predict(1_300) if request.side < 0]
    assert (ask.side, ask.size_lots, ask.reduce_only) == (-1, 4, True)
    run.check()


def test_the_largest_position_is_not_quoted_beyond() -> None:
    run = Run(max_lots=10)
    run.fit(flow(0))
    bid, ask = run.predict(100)
    run.say("filled", bid, filled=10)
    run.say("rejected", ask)
    requests = run.predict(1_200)
    assert [(request.side, request.refusal) for request in requests] == [(-1, "")]
    run.check()


def test_a_demonstration_quotes_at_a_loss_and_says_so() -> None:
    run = Run(Costs(maker_fee=0.0002, taker_fee=0.0005), is_demonstration=True)
    assert shown(run.predict(0)) == [("demonstration", 1, 600_000), ("demonstration", -1, 600_001)]
    run = Run(Costs(maker_fee=0.0002, taker_fee=0.0005), is_demonstration=True)
    run.fit(flow(0))
    assert shown(run.predict(100)) == [("demonstration", 1, 599_995), ("demonstration", -1, 600_003)]
    run.check()


def test_a_flow_counts_from_the_next_prediction_on() -> None:
    run = Run()
    run.predict(0)
    run.fit(flow(100))
    assert run.core.flow is None
    assert run.beat(200) == []
    run.predict(300)
    assert run.core.flow is not None
    run.check()
