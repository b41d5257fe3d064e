"""Exact money: integers of 1e-18 where prices meet sizes, Decimals everywhere else. Pure.

A price is a count of 1e-9 and so is a size; their product is a count of 1e-18. Sums of such counts are exact
whatever their number. Sums of Decimals go through `EXACT`, which raises where a digit would be lost.
"""

from __future__ import annotations

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

EXACT = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
ZERO = Decimal(0)
AVERAGE_PLACES = 8


def from_e18(count_e18: int) -> Decimal:
    """A count of 1e-18 as the Decimal it is.

    >>> from_e18(61234500000000000000)
    Decimal('61.234500000000000000')
    """
    return Decimal(count_e18).scaleb(-18, EXACT)


def from_half_e18(count: int) -> Decimal:
    """A count of 0.5e-18: what a size at a mid price is worth.

    >>> from_half_e18(3)
    Decimal('1.5E-18')
    """
    return Decimal(count * 5).scaleb(-19, EXACT)


def from_e9(count_e9: int) -> Decimal:
    """A count of 1e-9 as the Decimal it is."""
    return Decimal(count_e9).scaleb(-9, EXACT)


def total(*amounts: Decimal) -> Decimal:
    """The exact sum."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def less(amount: Decimal, other: Decimal) -> Decimal:
    """The exact difference."""
    return EXACT.subtract(amount, other)


def average(notional_e18: int, size_e9: int) -> Decimal | None:
    """The average price of `size_e9` bought for `notional_e18`, rounded half up to eight places; None for no
    size. For reading only: nothing is computed from it.

    >>> average(3 * 10**18, 2 * 10**9)
    Decimal('1.50000000')
    """
    if not size_e9:
        return None
    doubled = abs(notional_e18) * 2 + 10 * abs(size_e9)  # rounds in units of 1e-8: half of 10e-9
    return Decimal(doubled // (20 * abs(size_e9))).scaleb(-AVERAGE_PLACES, EXACT)


def text(amount: Decimal) -> str:
    """The shortest plain decimal text.

    >>> text(Decimal("1.500")), text(Decimal("-0.00")), text(Decimal("1E+3"))
    ('1.5', '0', '1000')
    """
    if not amount:
        return "0"
    shown = format(amount, "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def text_or_none(amount: Decimal | None) -> str | None:
    """The same, None for what is not known."""
    return None if amount is None else text(amount)
