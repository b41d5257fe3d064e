"""One symbol's position at average cost, in exact integers."""

from __future__ import annotations

from decimal import Decimal


class Position:
    """What we hold. `apply_fill` is the only thing that changes it.

    With every fill at price p and signed lots q (positive for a buy), and any mark m:
    `realized + (lots * m - cost)` equals the sum of `q * (m - p)`, to the last digit.
    """

    def __init__(self) -> None:
        self.lots = 0  # signed: negative is short
        self.cost = 0  # ticks * lots paid for what is held, signed as `lots`
        self.realized = 0  # ticks * lots, before fees
        self.fees = Decimal(0)
        self.opened_ms: int | None = None  # market time of the fill that left flat; None while flat

    def apply_fill(self, side: int, price_ticks: int, size_lots: int, fee: Decimal, at_ms: int) -> None:
        """One trade of `size_lots` > 0 at `price_ticks`; `side` +1 bought, -1 sold."""
        if side not in (1, -1) or size_lots <= 0:
            raise ValueError(f"no fill: side {side}, {size_lots} lots")
        self.fees += fee
        closing = min(size_lots, abs(self.lots)) if self.lots * side < 0 else 0
        if closing:
            # A part of an average need not be whole: the remainder stays in what is still held, so that
            # nothing is lost; the split is off by less than one tick times one lot.
            share = self.cost * closing // abs(self.lots) if closing < abs(self.lots) else self.cost
            self.realized += -side * closing * price_ticks - share
            self.cost -= share
            self.lots += side * closing
        opening = size_lots - closing
        if self.lots == 0:
            self.opened_ms = at_ms if opening else None
        self.lots += side * opening
        self.cost += side * opening * price_ticks

    def unrealized(self, mark_ticks: int) -> int:
        """Profit of what is held at `mark_ticks`, in ticks * lots."""
        return self.lots * mark_ticks - self.cost
