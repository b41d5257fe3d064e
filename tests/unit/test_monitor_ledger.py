from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.monitor.ledger import Ledger, RoundTrip
from services.monitor.money import average, text
from shared.messages import Fill

BUY, SELL = 1, -1


def fill(trade_id: int, side: int, price: int, size: int, fee: str = "0", **changes: Any) -> Fill:
    """A fill with a tick of 0.1 and a lot of 0.001, so that price 1000 is 100 and size 1000 is 1."""
    fields: dict[str, Any] = {
        "as_of": "1-0",
        "exchange_ns": trade_id * 10,
        "client_id": f"c{trade_id}",
        "decision_id": f"{trade_id}-0",
        "order_id": trade_id,
        "trade_id": trade_id,
        "side": side,
        "price_ticks": price,
        "size_lots": size,
        "tick_e9": 10**8,
        "lot_e9": 10**6,
        "fee": Decimal(fee),
        "fee_asset": "USDT",
        "is_maker": False,
        "realized": Decimal(0),
    }
    return Fill(**(fields | changes))


def fold(*fills: Fill) -> tuple[Ledger, list[RoundTrip]]:
    ledger = Ledger("BTCUSDT")
    return ledger, [trip for each in fills if (trip := ledger.apply_fill(each)) is not None]


def test_a_round_trip_from_flat_to_flat() -> None:
    ledger, (trip,) = fold(fill(1, BUY, 1000, 2000, "0.08"), fill(2, SELL, 1005, 2000, "0.0804"))
    assert (trip.side, trip.opened_ns, trip.closed_ns) == (BUY, 10, 20)
    assert (trip.opened_by, trip.closed_by) == ("1-0", "2-0")
    assert (trip.gross, trip.fees, trip.net) == (Decimal(1), Decimal("0.1604"), Decimal("0.8396"))
    assert (trip.is_win, trip.is_gross_win) == (True, True)
    assert ledger.realized == 1
    assert ledger.position_e9 == 0
    assert ledger.unrealized(None) == 0


def test_fees_can_turn_a_gross_win_into_a_loss() -> None:
    _, (trip,) = fold(fill(1, SELL, 1000, 1000, "0.04"), fill(2, BUY, 999, 1000, "0.07"))
    assert (trip.side, trip.gross, trip.net) == (SELL, Decimal("0.1"), Decimal("-0.01"))
    assert (trip.is_win, trip.is_gross_win) == (False, True)


def test_nothing_earned_is_no_win() -> None:
    _, (trip,) = fold(fill(1, BUY, 1000, 1000), fill(2, SELL, 1000, 1000))
    assert (trip.net, trip.is_win, trip.is_gross_win) == (0, False, False)


def test_a_fill_that_turns_the_position_closes_one_trip_and_opens_the_next() -> None:
    ledger, (first, second) = fold(
        fill(1, BUY, 1000, 1000, "0.01"), fill(2, SELL, 1010, 3000, "0.03"), fill(3, BUY, 1000, 2000, "0.02")
    )
    assert (first.gross, first.fees) == (Decimal(1), Decimal("0.02"))
    assert (second.side, second.gross, second.fees) == (SELL, Decimal(2), Decimal("0.04"))
    assert (first.closed_by, second.opened_by) == ("2-0", "2-0")
    assert (first.number, second.number) == (1, 2)
    assert ledger.fees == Decimal("0.06")


def test_a_fee_that_does_not_divide_is_split_without_loss() -> None:
    ledger, (first, second) = fold(
        fill(1, BUY, 1000, 1000), fill(2, SELL, 1000, 3000, "0.00000001"), fill(3, BUY, 1000, 2000)
    )
    assert first.fees + second.fees == Decimal("0.00000001") == ledger.fees


def test_a_partly_closed_position_keeps_its_average_price() -> None:
    ledger, trips = fold(fill(1, BUY, 1000, 1000), fill(2, BUY, 1010, 2000), fill(3, SELL, 1020, 1000))
    assert not trips
    assert average(ledger.cost_e18, ledger.position_e9) == Decimal("100.66666667")
    worth_at_102 = ledger.unrealized(2 * 102 * 10**9)
    assert worth_at_102 is not None
    assert ledger.realized + worth_at_102 == Decimal(4)


def test_a_mark_of_half_a_tick_is_exact() -> None:
    ledger, _ = fold(fill(1, SELL, 1000, 1))
    assert ledger.unrealized(200_100_000_000) == Decimal("-0.00005")


def test_an_open_position_without_a_mark_is_worth_nothing_known() -> None:
    ledger, _ = fold(fill(1, SELL, 1000, 1))
    assert ledger.unrealized(None) is None


def test_a_trade_id_counts_once() -> None:
    ledger, _ = fold(fill(1, BUY, 1000, 1000, "0.01"), fill(1, BUY, 1000, 1000, "0.01"))
    assert (ledger.position_e9, ledger.fees, ledger.fills, ledger.repeats) == (10**9, Decimal("0.01"), 1, 1)


def test_fees_in_another_asset_are_kept_apart() -> None:
    ledger, (trip,) = fold(
        fill(1, BUY, 1000, 1000, "0.001", fee_asset="BNB"), fill(2, SELL, 1000, 1000, "0.5")
    )
    assert (trip.fees, ledger.fees, ledger.other_fees) == (
        Decimal("0.5"),
        Decimal("0.5"),
        {"BNB": Decimal("0.001")},
    )


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("1.2300", "1.23"), ("100", "100"), ("-0", "0"), ("1E-9", "0.000000001"), ("-2E+2", "-200")],
)
def test_money_is_shown_plainly(amount: str, shown: str) -> None:
    assert text(Decimal(amount)) == shown
