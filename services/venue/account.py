"""One-way cross-margin account in USDT, kept by cash flow and exact.

The truth is the cash: every fill pays or receives quantity times price, and a commission. Wallet and
unrealized profit split the same total by average cost: `cost` is what the open position has cost, and what a
reduction releases of it is rounded to 8 places, the residue staying in `cost`. So at any mark

    wallet + sum(position * mark - cost)
        == opening - sum(quantity * price) - fees + funding + sum(position * mark)

holds to the last digit, whatever the average entry is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext

MAKER_RATE = Decimal("0.0002")
TAKER_RATE = Decimal("0.0005")
LEVERAGE = 20
PLACES = Decimal("0.00000001")  # the venue books realized profit and commission to 8 places
ZERO = Decimal(0)
_EXACT = Context(prec=60)


@dataclass(slots=True)
class Position:
    """One symbol's position: signed quantity, its signed cost, realized profit before commission."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    updated_ns: int = 0

    @property
    def entry(self) -> Decimal:
        """Average entry price; 0 when flat."""
        return self.cost / self.quantity if self.quantity else ZERO

    def unrealized(self, mark: Decimal) -> Decimal:
        """Profit of the open position at `mark`, exact."""
        with localcontext(_EXACT):
            return self.quantity * mark - self.cost


@dataclass(slots=True)
class Account:
    """Wallet, positions, commissions and funding. `opened` makes one."""

    opening: Decimal
    wallet: Decimal
    fees: Decimal = ZERO
    funding: Decimal = ZERO  # received less paid
    positions: dict[str, Position] = field(default_factory=dict)

    @classmethod
    def opened(cls, opening: Decimal) -> Account:
        """An account with nothing but its opening balance."""
        return cls(opening, opening)

    def position(self, symbol: str) -> Position:
        """The symbol's position; a flat one where there was none."""
        found = self.positions.get(symbol)
        if found is None:
            found = self.positions[symbol] = Position()
        return found

    def apply_fill(
        self, symbol: str, quantity: Decimal, price: Decimal, is_maker: bool, at_ns: int
    ) -> tuple[Decimal, Decimal]:
        """Book one fill of signed `quantity`. Returns (realized profit, commission), both of this fill."""
        position = self.position(symbol)
        with localcontext(_EXACT):
            rate = MAKER_RATE if is_maker else TAKER_RATE
            commission = (abs(quantity) * price * rate).quantize(PLACES)
            closing = ZERO  # the part of `quantity` that reduces the position, same sign as `quantity`
            if position.quantity and (position.quantity > 0) != (quantity > 0):
                closing = (
                    max(quantity, -position.quantity) if quantity < 0 else min(quantity, -position.quantity)
                )
            realized = ZERO
            if closing:
                released = _released(position, closing)
                realized = -closing * price - released
                position.quantity += closing
                position.cost -= released
            opening = quantity - closing
            position.quantity += opening
            position.cost += opening * price
            position.realized += realized
            position.updated_ns = at_ns
            self.wallet += realized - commission
            self.fees += commission
        return realized, commission

    def apply_funding(self, symbol: str, mark: Decimal, rate: Decimal) -> Decimal:
        """Book the funding of one symbol. Returns what was received; negative where it was paid."""
        with localcontext(_EXACT):
            received = (-self.position(symbol).quantity * mark * rate).quantize(PLACES)
            self.wallet += received
            self.funding += received
        return received


def _released(position: Position, closing: Decimal) -> Decimal:
    """The cost of the part that is closed; all of it when the position ends."""
    if closing == -position.quantity:
        return position.cost
    return (position.cost * -closing / position.quantity).quantize(PLACES)
