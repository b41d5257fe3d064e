"""Each limit, and what passes in spite of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.trader import risk
from services.trader.instrument import Instrument
from services.trader.risk import Approved, Exposure, Limits, Refused, check
from shared.messages import Request
from shared.units import MS, SECOND, Scale

INSTRUMENT = Instrument("BTCUSDT", Scale(100_000_000, 1_000_000), 1, 1000, 50 * SECOND)
LIMITS = Limits(max_position_lots=100, max_orders_10s=3, stale_ms=1000)
ENTER = Request("place", "c", 1, "MARKET", "", 0, 10, False, "enter", "")
GOOD = Exposure(
    now_ns=10 * SECOND,
    book_ns=10 * SECOND,
    feed="live",
    prediction_ns=10 * SECOND,
    expires_ns=11 * SECOND,
    position_lots=0,
    open_buy_lots=0,
    open_sell_lots=0,
    orders_10s=0,
    reference_ticks=600_000,
    mode=risk.NORMAL,
    is_reconciled=True,
)


def test_a_request_within_all_limits_is_approved() -> None:
    assert check(ENTER, GOOD, LIMITS, INSTRUMENT) == Approved(ENTER)


CASES: list[tuple[dict[str, Any], str]] = [
    ({"is_reconciled": False}, "unreconciled"),
    ({"mode": risk.HALTED}, "halted"),
    ({"mode": risk.FLATTENING}, "halted"),
    ({"mode": risk.REDUCE_ONLY}, "reduce_only"),
    ({"feed": "gap"}, "feed_gap"),
    ({"feed": "unknown"}, "feed_unknown"),
    ({"book_ns": None}, "stale_book"),
    ({"book_ns": 9 * SECOND - MS}, "stale_book"),
    ({"prediction_ns": None}, "stale_prediction"),
    ({"prediction_ns": 9 * SECOND - MS}, "stale_prediction"),
    ({"expires_ns": 10 * SECOND}, "expired_prediction"),
    ({"position_lots": 91}, "max_position"),
    ({"position_lots": 50, "open_buy_lots": 41}, "max_position"),
    ({"orders_10s": 3}, "order_rate"),
    ({"reference_ticks": 0}, "min_notional"),
]


@pytest.mark.parametrize(("change", "reason"), CASES)
def test_each_limit_refuses_opening(change: dict[str, Any], reason: str) -> None:
    now = msgspec.structs.replace(GOOD, **change)
    assert check(ENTER, now, LIMITS, INSTRUMENT) == Refused(reason)


def test_an_enforced_gate_refuses_entries_without_an_edge_and_no_exit() -> None:
    shown = msgspec.structs.replace(GOOD, has_edge=True)
    gated = msgspec.structs.replace(LIMITS, needs_edge=True)
    assert check(ENTER, GOOD, gated, INSTRUMENT) == Refused("no_edge_shown")
    assert check(ENTER, shown, gated, INSTRUMENT) == Approved(ENTER)
    leave = msgspec.structs.replace(ENTER, purpose="exit", reduce_only=True)
    assert check(leave, GOOD, gated, INSTRUMENT) == Approved(leave)


@pytest.mark.parametrize("change", [change for change, _ in CASES])
def test_exits_and_cancels_pass_all_of_them(change: dict[str, Any]) -> None:
    now = msgspec.structs.replace(GOOD, **change)
    leave = msgspec.structs.replace(ENTER, purpose="exit", reduce_only=True)
    cancel = msgspec.structs.replace(ENTER, action="cancel")
    assert check(leave, now, LIMITS, INSTRUMENT) == Approved(leave)
    assert check(cancel, now, LIMITS, INSTRUMENT) == Approved(cancel)


def test_the_position_limit_holds_to_the_lot_on_both_sides() -> None:
    sell = msgspec.structs.replace(ENTER, side=-1)
    at_limit = msgspec.structs.replace(GOOD, position_lots=-90)
    assert check(sell, at_limit, LIMITS, INSTRUMENT) == Approved(sell)
    beyond = msgspec.structs.replace(GOOD, position_lots=-90, open_sell_lots=1)
    assert check(sell, beyond, LIMITS, INSTRUMENT) == Refused("max_position")


@pytest.mark.parametrize("lots", [0, 1001])
def test_sizes_the_venue_would_refuse_are_refused(lots: int) -> None:
    wrong = msgspec.structs.replace(ENTER, size_lots=lots)
    wide = msgspec.structs.replace(LIMITS, max_position_lots=10_000)
    assert check(wrong, GOOD, wide, INSTRUMENT) == Refused("order_size")


def test_too_small_a_notional_is_refused() -> None:
    cheap = msgspec.structs.replace(GOOD, reference_ticks=40_000)  # 10 lots of 0.001 at 4000: 40 USDT
    assert check(ENTER, cheap, LIMITS, INSTRUMENT) == Refused("min_notional")
