from __future__ import annotations

from decimal import Decimal

import pytest

from services.monitor import figures, views
from services.monitor.answers import Command
from services.monitor.control import message_of
from services.monitor.core import MonitorCore
from services.monitor.scores import Scores
from shared.codec import pack_tiers
from shared.messages import (
    Account,
    Decision,
    FeedStatus,
    Fill,
    Flatten,
    Halt,
    Health,
    Lob,
    MarkPrice,
    OrderUpdate,
    Prediction,
    Promote,
    ReduceOnly,
    Request,
    Resume,
)
from shared.units import SECOND

S = "BTCUSDT"
TICK, LOT = 10**8, 10**6


def lob(n: int, bid: int, ask: int) -> Lob:
    return Lob(n, 1, n, n, n, TICK, LOT, pack_tiers([bid, 5, bid - 1, 7]), pack_tiers([ask, 5, ask + 1, 7]))


def prediction(at_s: float, mid: int, move: float, reason: str = "") -> Prediction:
    """A mid of `mid` half ticks is two equal sides; horizons 5 and 10, the second without a value."""
    at_ns = int(at_s * SECOND)
    made = ((5, 10), (move, float("nan")), (2.0, 2.0)) if not reason else ((5, 10), (), ())
    return Prediction(at_ns, "m1", "s", at_ns + SECOND, mid, mid, TICK, *made, reason)


def request(client_id: str, refusal: str = "", action: str = "place") -> Request:
    return Request(action, client_id, 1, "LIMIT", "GTX", 6000, 10, False, "enter", refusal)


def decision(*requests: Request) -> Decision:
    return Decision(50, f"predictions:{{{S}}}/7-0", "7-0", "7-0", "0-0", "0-0", TICK, LOT, requests)


def update(event: str, status: str, reason: str = "") -> OrderUpdate:
    return OrderUpdate("7-0", 60, "c1", "8-0", 11, 1, event, status, 10, 0, False, reason)


FILL = Fill("7-0", 70, "c1", "8-0", 11, 1, 1, 6000, 4, TICK, LOT, Decimal("0.001"), "USDT", True, Decimal(0))


@pytest.mark.parametrize("is_decision_first", [True, False])
def test_an_order_names_its_decision_and_cause_in_whatever_order_it_is_read(is_decision_first: bool) -> None:
    core = MonitorCore((S,))
    entries = [("8-0", decision(request("c1"))), ("9-0", update("accepted", "new")), ("9-1", FILL)]
    for entry_id, message in entries if is_decision_first else entries[1:] + entries[:1]:
        core.handle(S, entry_id, message)
    page = views.orders(list(core.symbols.values()), 10, 0)
    assert page.total == 1
    row = page.orders[0]
    assert (row.decision_id, row.cause, row.order_id) == ("8-0", f"predictions:{{{S}}}/7-0", 11)
    assert (row.price, row.size, row.filled, row.average_price) == ("600", "0.01", "0.004", "600")
    assert (row.status, row.side, row.kind, row.fees) == ("new", "buy", "LIMIT", {"USDT": "0.001"})


def test_refusals_and_rejects_are_counted_by_reason() -> None:
    core = MonitorCore((S,))
    core.handle(S, "8-0", decision(request("c1"), request("c2", "stale"), request("c3", action="cancel")))
    core.handle(S, "9-0", update("rejected", "rejected", "-2010"))
    stats = figures.stats(core, core.symbols).symbols[S]
    assert (stats.decisions, stats.requests) == (1, 2)
    assert (stats.refusals, stats.venue_rejects) == ({"stale": 1}, {"-2010": 1})
    assert stats.entries == {"Decision": 1, "OrderUpdate": 1}


def test_positions_are_marked_at_the_middle_of_the_newest_book() -> None:
    core = MonitorCore((S,))
    core.handle(S, "1-0", FILL)
    assert core.pnl().net is None
    core.handle(S, "2-0", lob(1, 6000, 6001))
    core.handle(S, "3-0", lob(2, 6010, 6011))
    position = views.position(core, core.symbols[S])
    assert (position.size, position.entry_price, position.mark_price) == ("0.004", "600", "601.05")
    assert position.unrealized == "0.0042"
    assert figures.pnl(core).total.net == "0.0032"


def test_a_one_sided_book_leaves_the_mark_where_it_was() -> None:
    core = MonitorCore((S,))
    core.handle(S, "2-0", lob(1, 6000, 6001))
    core.handle(S, "3-0", Lob(2, 1, 2, 2, 2, TICK, LOT, pack_tiers([]), pack_tiers([7000, 1])))
    status = views.symbol_status(core.symbols[S])
    assert (status.mid, status.feed) == ("600.05", "live")


def test_net_of_our_fold_and_of_the_venue_stand_side_by_side() -> None:
    core = MonitorCore((S,))
    core.handle("", "1-0", Account(1, Decimal(10_000), Decimal(0), Decimal(0), ()))
    core.handle("", "2-0", Account(2, Decimal("9999.5"), Decimal("0.25"), Decimal("-0.5"), ()))
    answer = figures.pnl(core)
    assert (answer.total.net, answer.total.funding) == ("-0.5", "-0.5")
    assert answer.venue is not None
    assert (answer.venue.opening_wallet, answer.venue.net) == ("10000", "-0.25")


def test_positions_are_marked_at_the_mark_price_where_the_venue_sends_one() -> None:
    core = MonitorCore((S,))
    core.handle(S, "1-0", FILL)
    core.handle(S, "2-0", lob(2, 6001, 6003))
    core.handle(S, "3-0", MarkPrice(3, 1, 3, 3, 601_123_456_780, 0, 0, 0))
    core.handle(S, "4-0", lob(4, 6011, 6013))
    # 4 lots of 0.001 bought at 600.0, marked at 601.12345678
    assert core.symbols[S].pnl().unrealized == Decimal("0.00449382712")
    assert views.position(core, core.symbols[S]).mark_price == "601.12345678"


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ((Halt, ReduceOnly), "halted"),
        ((ReduceOnly, Halt), "halted"),
        ((Flatten, Halt), "flatten"),
        ((Halt, Flatten), "flatten"),
        ((Flatten, ReduceOnly), "flatten"),
        ((Flatten, Resume), "active"),
        ((Flatten, Resume, ReduceOnly), "reduce_only"),
    ],
)
def test_an_order_never_loosens_an_earlier_one(orders: tuple[type[Halt], ...], expected: str) -> None:
    core = MonitorCore((S,))
    for n, order in enumerate(orders):
        core.handle("", f"{n}-0", order(n, "ada", "drill"))
    assert core.trading == expected


def test_control_entries_set_what_trading_is() -> None:
    core = MonitorCore((S,))
    seen = [core.trading]
    for n, entry in enumerate([Halt(1, "a", "b"), Flatten(2, "a", "b"), Resume(3, "a", "b")]):
        core.handle("", f"{n}-1", entry)
        seen.append(core.trading)
    core.handle("", "9-0", Promote(4, "a", "b", S, "m2", "12-0"))
    assert [*seen, core.trading] == ["active", "halted", "flatten", "active", "active"]
    assert views.control(*core.controls[-1]).version == "m2"


def test_hits_are_judged_by_the_last_mid_within_the_horizon() -> None:
    scores = Scores()
    for each in [
        prediction(0, 100, +1.0),  # at 5 s the mid is 101: hit, below the threshold
        prediction(1, 100, -3.0),  # at 6 s the mid is 102: miss, a signal
        prediction(5, 101, +3.0),  # at 10 s the mid is 102: hit
        prediction(5.5, 102, 0.0),  # says nothing
        prediction(6, 102, +9.0),  # at 11 s the mid is 102 still: unchanged
        prediction(20, 50, +1.0),
    ]:
        scores.handle(each)
    tally = scores.tallies[5]
    assert list(scores.tallies) == [5]
    assert (tally.hits, tally.misses, tally.unchanged, tally.no_direction) == (2, 1, 1, 1)
    assert (tally.signal_hits, tally.signal_misses, tally.signal_unchanged) == (1, 1, 1)
    assert len(tally.waiting) == 1


def test_a_gap_voids_the_labels_it_lies_in_and_no_others() -> None:
    core = MonitorCore((S,))
    for at_s in (0, 3, 9, 30):
        if at_s == 9:
            core.handle(S, "1-0", FeedStatus(1, 2, 0, 4 * SECOND, "gap", "lost"))
        core.handle(S, f"{at_s + 1}-0", prediction(at_s, 100 + at_s, 1.0))
    tally = core.symbols[S].scores.tallies[5]
    assert (tally.void, tally.hits, tally.unchanged) == (2, 0, 1)


def test_predictions_that_could_not_be_made_are_counted_and_still_tell_the_mid() -> None:
    scores = Scores()
    scores.handle(prediction(0, 100, 1.0))
    scores.handle(prediction(4, 90, 0, "not whole"))
    scores.handle(prediction(6, 120, 0, "not whole"))
    assert scores.unmade == {"not whole": 2}
    assert scores.tallies[5].misses == 1


def test_a_service_without_health_for_five_seconds_is_silent() -> None:
    health = Health(0, "model", "0", "ready", "", {}, 2_500_000, 10**6, {}, "b", "c")
    assert views.service(health, 5 * SECOND).state == "ready"
    assert views.service(health, 5 * SECOND + 1).state == "silent"
    assert views.service(health, 0).lag_ms == 2.5


def test_times_are_utc_to_the_nanosecond() -> None:
    assert views.time_of(1723161255030000001).iso == "2024-08-08T23:54:15.030000001Z"


def test_promotion_applies_two_seconds_ahead_unless_told() -> None:
    command = Command(action="promote", who="a", why="b", symbol=S, version="m2")
    assert message_of(command, 1, 5000) == Promote(1, "a", "b", S, "m2", "7000-0")
    with pytest.raises(ValueError, match="no market entry"):
        message_of(command, 1, None)
    with pytest.raises(ValueError, match="needs symbol and version"):
        message_of(Command(action="promote", who="a", why="b"), 1, 5000)
    with pytest.raises(ValueError, match="belong to promote"):
        message_of(Command(action="halt", who="a", why="b", symbol=S), 1, 5000)
