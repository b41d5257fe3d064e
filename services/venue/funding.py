"""Mark prices of one symbol as they are announced, and the funding that falls due between them.

Each markPriceUpdate names the funding rate (`r`) and when it is next paid (`T`). At that moment longs pay
shorts the position's worth at the mark times the rate; a negative rate is paid the other way (the venue's
"Introduction to Binance Futures Funding Rates"). Pure.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec

from shared.units import MS


class _Mark(msgspec.Struct):
    """`markPriceUpdate`; the venue's keys."""

    p: str
    r: str = ""
    T: int = 0


_mark = msgspec.json.Decoder(_Mark)


class Marks(msgspec.Struct):
    """What was announced last."""

    price: Decimal | None = None  # the mark; None before the first
    rate: Decimal = Decimal(0)
    due_ns: int = 0  # when the rate is next paid; 0 where that was never announced

    def take(self, data: bytes, now_ns: int) -> Decimal | None:
        """Take one frame. Returns the rate that was announced for a moment which is past now, once."""
        try:
            mark = _mark.decode(data)
            price, rate = Decimal(mark.p), Decimal(mark.r or "0")
        except (msgspec.MsgspecError, InvalidOperation):
            return None  # the frame is passed on all the same; the collector counts and parks it
        due = self.rate if self.due_ns and now_ns >= self.due_ns else None
        self.price, self.rate, self.due_ns = price, rate, mark.T * MS
        return due

    def become(self, other: Marks) -> None:
        """Take over what another was told."""
        self.price, self.rate, self.due_ns = other.price, other.rate, other.due_ns
