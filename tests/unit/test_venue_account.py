"""The account by cash flow."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.venue.account import Account

D = Decimal


@pytest.mark.parametrize(
    ("fills", "wallet", "quantity", "entry", "realized"),
    [
        ([("1", "100", False)], "999.95", "1", "100", "0"),
        ([("1", "100", True)], "999.98", "1", "100", "0"),
        ([("1", "100", False), ("1", "110", False)], "999.895", "2", "105", "0"),
        ([("1", "100", False), ("-1", "110", False)], "1009.895", "0", "0", "10"),
        ([("-2", "100", False), ("1", "90", False)], "1009.855", "-1", "100", "10"),
        ([("1", "100", False), ("-3", "110", False)], "1009.785", "-2", "110", "10"),
    ],
)
def test_fills_make_wallet_position_and_entry(
    fills: list[tuple[str, str, bool]], wallet: str, quantity: str, entry: str, realized: str
) -> None:
    account = Account.opened(D(1000))
    for size, price, is_maker in fills:
        account.apply_fill("S", D(size), D(price), is_maker, 0)
    position = account.position("S")
    assert (account.wallet, position.quantity) == (D(wallet), D(quantity))
    assert (position.entry, position.realized) == (D(entry), D(realized))


def test_reduction_of_an_unending_average_stays_exact() -> None:
    account = Account.opened(D(1000))
    for size, price in (("1", "100"), ("2", "101.1"), ("-1", "99.9")):
        account.apply_fill("S", D(size), D(price), False, 0)
    mark = D("100.5")
    spent = D("1") * 100 + D("2") * D("101.1") - D("99.9")
    assert account.wallet + account.position("S").unrealized(mark) == (
        1000 - spent - account.fees + account.position("S").quantity * mark
    )
    account.apply_fill("S", D(-2), D("99.9"), False, 0)
    assert account.position("S").cost == 0
    assert account.wallet == 1000 - spent + 2 * D("99.9") - account.fees


def test_commission_is_rounded_to_eight_places() -> None:
    account = Account.opened(D(1000))
    _, commission = account.apply_fill("S", D("0.001"), D("61800.123"), True, 0)
    assert commission == D("0.01236002")
