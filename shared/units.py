"""Prices in ticks, quantities in lots, times in nanoseconds: the only place where they are converted.

Decimal text from the venue becomes an integer count of 1e-9 ("e9") and, divided by the tick or lot size,
an exact int64. Nothing here rounds: a price that is no multiple of the tick is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from shared.errors import BadFrame

E9 = 1_000_000_000
MS = 1_000_000
SECOND = 1_000_000_000
MEMO_LIMIT = 65_536
WHOLE_DIGITS = 18  # before the point; no price or quantity has more
INT_LIMIT = 2**62  # ticks and lots are below it, so that they fit 64 bits with room for sums


def e9(text: str) -> int:
    """Decimal text as an exact integer count of 1e-9. Raises BadFrame for anything else.

    >>> e9("61800.20"), e9("-0.00010000"), e9("7")
    (61800200000000, -100000, 7000000000)
    """
    unsigned = text.removeprefix("-")
    whole, _, fraction = unsigned.partition(".")
    digits = fraction.rstrip("0")
    if (
        len(digits) > 9
        or len(whole) > WHOLE_DIGITS
        or not text.isascii()
        or not whole.isdecimal()
        or not (digits.isdecimal() or digits == "")
    ):
        raise BadFrame(f"{text[:40]!r} is not a decimal number of at most nine places")
    value = int(whole) * E9 + int(digits.ljust(9, "0"))
    return value if unsigned == text else -value


def e9_text(value_e9: int) -> str:
    """The shortest decimal text of an integer count of 1e-9.

    >>> e9_text(61800200000000), e9_text(-100000), e9_text(0)
    ('61800.2', '-0.0001', '0')
    """
    sign, value = ("-", -value_e9) if value_e9 < 0 else ("", value_e9)
    whole, fraction = divmod(value, E9)
    digits = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


class Scale(msgspec.Struct, frozen=True):
    """The tick and lot size of one symbol, both as counts of 1e-9 (0.1 USDT is 100_000_000)."""

    tick_e9: int
    lot_e9: int

    def ticks(self, text: str) -> int:
        """Price text in ticks. Raises BadFrame where it is no multiple of the tick."""
        return _whole(text, self.tick_e9, "tick")

    def lots(self, text: str) -> int:
        """Quantity text in lots. Raises BadFrame where it is no multiple of the lot."""
        return _whole(text, self.lot_e9, "lot")

    def price_text(self, ticks: int) -> str:
        """Ticks as the decimal text the venue takes."""
        return e9_text(ticks * self.tick_e9)

    def size_text(self, lots: int) -> str:
        """Lots as the decimal text the venue takes."""
        return e9_text(lots * self.lot_e9)

    def price(self, ticks: int) -> float:
        """Ticks in quote currency, for features and reports; never for money."""
        return ticks * self.tick_e9 / E9

    def size(self, lots: int) -> float:
        """Lots in base currency, for features and reports; never for money."""
        return lots * self.lot_e9 / E9

    def money(self, ticks: int, lots: int) -> Decimal:
        """Exact notional of `lots` at `ticks`, in quote currency."""
        return Decimal(ticks * self.tick_e9) * Decimal(lots * self.lot_e9) / Decimal(E9 * E9)


def _whole(text: str, unit_e9: int, name: str) -> int:
    count, rest = divmod(e9(text), unit_e9)
    if rest:
        raise BadFrame(f"{text} is no multiple of the {name} {e9_text(unit_e9)}")
    return count


class Parser:
    """`Scale.ticks` and `Scale.lots` with a bounded memory of texts seen: most repeat within minutes.

    A frame of 70 levels costs 140 conversions; a dictionary look-up is a tenth of the conversion.
    """

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self._ticks: dict[str, int] = {}
        self._lots: dict[str, int] = {}

    def levels(self, rows: list[tuple[str, str]]) -> list[tuple[int, int]]:
        """[[price, quantity], ...] as the venue writes it, in (ticks, lots)."""
        ticks, lots = self._ticks, self._lots
        try:
            return [(ticks[price], lots[size]) for price, size in rows]
        except KeyError:
            return [(self.ticks(price), self.lots(size)) for price, size in rows]

    def ticks(self, text: str) -> int:
        """As `Scale.ticks`; the result must not be negative."""
        return _remember(self._ticks, text, self.scale.ticks)

    def lots(self, text: str) -> int:
        """As `Scale.lots`; the result must not be negative."""
        return _remember(self._lots, text, self.scale.lots)


def _remember(memo: dict[str, int], text: str, convert: Callable[[str], int]) -> int:
    value = memo.get(text)
    if value is None:
        value = convert(text)
        if value < 0:
            raise BadFrame(f"{text} is negative")
        if value >= INT_LIMIT:
            raise BadFrame(f"{text} is beyond what 64 bits hold")
        if len(memo) >= MEMO_LIMIT:
            memo.clear()
        memo[text] = value
    return value
