"""Fills of one symbol to position, cash and round trips. Pure, and exact to the last digit.

What is earned is cash flow plus the position's worth; nothing else is needed for the net, and no average
price enters it. The split into realized and unrealized needs the cost of the open position: it is reduced in
proportion when the position is, rounded to 1e-18, and since realized is `cash + cost` and unrealized is
`worth - cost`, the rounding moves between the two and never touches their sum.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal

import msgspec

from services.monitor.money import ZERO, from_e18, from_half_e18, less, total
from shared.messages import Fill

FEE_UNIT = Decimal("1e-18")
_SPLIT = Context(prec=80, rounding=ROUND_DOWN)
REMEMBERED_TRADES = 100_000  # trade ids; a repeat comes within seconds of the first


class RoundTrip(msgspec.Struct, frozen=True):
    """From flat to flat. A fill that turns the position closes one and opens the next."""

    number: int  # 1 for the symbol's first
    symbol: str
    side: int  # +1 bought first
    size_e9: int  # all that was opened
    opened_ns: int  # the venue's time of the first and of the last fill
    closed_ns: int
    entry_e18: int  # notional
    exit_e18: int
    gross: Decimal
    fees: Decimal  # in the quote asset
    fills: int
    opened_by: str  # decision ids
    closed_by: str

    @property
    def net(self) -> Decimal:
        """Gross less fees."""
        return less(self.gross, self.fees)

    @property
    def is_win(self) -> bool:
        """Whether it earned something after fees."""
        return self.net > 0

    @property
    def is_gross_win(self) -> bool:
        """Whether it earned something before fees."""
        return self.gross > 0


class OpenTrip:
    """The round trip under way."""

    def __init__(self, fill: Fill) -> None:
        self.side = fill.side
        self.opened_ns = fill.exchange_ns
        self.opened_by = fill.decision_id
        self.entry_size_e9 = 0
        self.entry_e18 = 0
        self.exit_e18 = 0
        self.fees = ZERO
        self.fills = 0


class Ledger:
    """Position, cash and fees of one symbol."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.position_e9 = 0  # signed
        self.cash_e18 = 0  # what sales brought less what purchases took, before fees
        self.cost_e18 = 0  # signed, of the open position; see above
        self.fees = ZERO  # in the quote asset
        self.other_fees: dict[str, Decimal] = {}  # by asset; they are not part of the net
        self.fills = 0
        self.repeats = 0
        self.closed = 0
        self.trip: OpenTrip | None = None  # while the position is not flat
        self._seen: dict[int, None] = {}  # trade ids, oldest first

    def apply_fill(self, fill: Fill) -> RoundTrip | None:
        """Fold one fill; returns the round trip that it ended. A trade id that was seen changes nothing."""
        if fill.trade_id in self._seen:
            self.repeats += 1
            return None
        self._seen[fill.trade_id] = None
        if len(self._seen) > REMEMBERED_TRADES:
            del self._seen[next(iter(self._seen))]
        self.fills += 1
        fee = self._own_fee(fill)
        self.fees = total(self.fees, fee)
        price_e9, size_e9 = fill.price_ticks * fill.tick_e9, fill.size_lots * fill.lot_e9
        closing_e9 = min(size_e9, abs(self.position_e9)) if self.position_e9 * fill.side < 0 else 0
        closing_fee = _part(fee, closing_e9, size_e9)
        ended = self._close(fill, price_e9, closing_e9, closing_fee) if closing_e9 else None
        if size_e9 > closing_e9:
            self._open(fill, price_e9, size_e9 - closing_e9, less(fee, closing_fee))
        return ended

    def _own_fee(self, fill: Fill) -> Decimal:
        if self.symbol.endswith(fill.fee_asset):
            return fill.fee
        self.other_fees[fill.fee_asset] = total(self.other_fees.get(fill.fee_asset, ZERO), fill.fee)
        return ZERO

    def _open(self, fill: Fill, price_e9: int, size_e9: int, fee: Decimal) -> None:
        notional_e18 = price_e9 * size_e9
        if self.trip is None:
            self.trip = OpenTrip(fill)
        self.trip.entry_size_e9 += size_e9
        self.trip.entry_e18 += notional_e18
        self.trip.fees = total(self.trip.fees, fee)
        self.trip.fills += 1
        self.position_e9 += fill.side * size_e9
        self.cash_e18 -= fill.side * notional_e18
        self.cost_e18 += fill.side * notional_e18

    def _close(self, fill: Fill, price_e9: int, size_e9: int, fee: Decimal) -> RoundTrip | None:
        trip = self.trip
        if trip is None:
            raise ValueError(f"{self.symbol}: a position of {self.position_e9}e-9 without a round trip")
        notional_e18 = price_e9 * size_e9
        left_e9 = abs(self.position_e9) - size_e9
        self.cost_e18 = self.cost_e18 * left_e9 // abs(self.position_e9)
        self.position_e9 += fill.side * size_e9
        self.cash_e18 -= fill.side * notional_e18
        trip.exit_e18 += notional_e18
        trip.fees = total(trip.fees, fee)
        trip.fills += 1
        if left_e9:
            return None
        self.trip = None
        self.closed += 1
        return RoundTrip(
            number=self.closed,
            symbol=self.symbol,
            side=trip.side,
            size_e9=trip.entry_size_e9,
            opened_ns=trip.opened_ns,
            closed_ns=fill.exchange_ns,
            entry_e18=trip.entry_e18,
            exit_e18=trip.exit_e18,
            gross=from_e18(trip.side * (trip.exit_e18 - trip.entry_e18)),
            fees=trip.fees,
            fills=trip.fills,
            opened_by=trip.opened_by,
            closed_by=fill.decision_id,
        )

    @property
    def realized(self) -> Decimal:
        """Realized profit before fees: of closed round trips, and of closed parts of the open one."""
        return from_e18(self.cash_e18 + self.cost_e18)

    def unrealized(self, twice_mark_e9: int | None) -> Decimal | None:
        """What the open position has gained at a mark; None where it is not flat and there is no mark.

        The mark is given doubled, because the middle of a book may be half a tick.
        """
        if not self.position_e9:
            return ZERO
        if twice_mark_e9 is None:
            return None
        return from_half_e18(self.position_e9 * twice_mark_e9 - 2 * self.cost_e18)


def _part(fee: Decimal, size_e9: int, of_e9: int) -> Decimal:
    """The share of a fee that falls on a part of a fill; the other part takes the rest, so none is lost."""
    if size_e9 == of_e9:
        return fee
    return _SPLIT.quantize(_SPLIT.divide(_SPLIT.multiply(fee, size_e9), of_e9), FEE_UNIT)
