"""What our fills would have paid at other prices: three PnLs of the same trades. Pure.

Each fill names its decision, and each decision the book it was made on. At the mid of that book nothing is
paid for trading (ideal); at its best price a taker pays two half spreads and two fees; what is left between
that and what the venue paid is latency, queue and impact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec
import numpy as np

from research.report.earnings import Trips
from services.monitor.ledger import Ledger, RoundTrip
from services.monitor.money import from_e9, from_e18
from shared.messages import Decision, Fill

TAKER_FEE = Decimal("0.0005")


@dataclass(frozen=True)
class Touch:
    """The best prices of the book that a decision was made on, ticks."""

    bid_ticks: int
    ask_ticks: int


def three(
    symbol: str, fills: Sequence[Fill], decisions: Mapping[str, Decision], touches: Mapping[str, Touch]
) -> list[Trips]:
    """PnL at the mid, at the touch and as paid, of the fills whose decision and book are known. `decisions`
    by their ids, `touches` by market id."""
    known = []
    for fill in fills:
        decision = decisions.get(fill.decision_id)
        touch = None if decision is None else touches.get(decision.market_id)
        if touch is not None:
            known.append((fill, touch))
    quote = symbol[-4:]
    at_mid = [
        _repriced(fill, touch.bid_ticks + touch.ask_ticks, fill.tick_e9 // 2, Decimal(0), quote)
        for fill, touch in known
    ]
    at_touch = [
        _repriced(fill, touch.ask_ticks if fill.side > 0 else touch.bid_ticks, fill.tick_e9, TAKER_FEE, quote)
        for fill, touch in known
    ]
    left_out = len(fills) - len(known)
    rest = f"; {left_out} fills without a known book left out" if left_out else ""
    return [
        trips("our trades", f"at the mid of the decision's book, no fees (ideal){rest}", symbol, at_mid),
        trips("our trades", f"at the best price of the decision's book, taker fees{rest}", symbol, at_touch),
        trips("our trades", "as the venue paid them", symbol, fills),
    ]


def _repriced(fill: Fill, ticks: int, tick_e9: int, fee_share: Decimal, quote: str) -> Fill:
    """The fill at another price, its fee a share of the notional in the quote asset."""
    notional = from_e9(ticks * tick_e9) * from_e9(fill.size_lots * fill.lot_e9)
    return msgspec.structs.replace(
        fill, price_ticks=ticks, tick_e9=tick_e9, fee=(notional * fee_share).normalize(), fee_asset=quote
    )


def trips(what: str, words: str, symbol: str, fills: Sequence[Fill]) -> Trips:
    """Round trips of `fills`, in order of time, by the ledger that the monitor keeps."""
    ledger = Ledger(symbol)
    closed = [trip for fill in fills if (trip := ledger.apply_fill(fill)) is not None]
    return Trips(
        what=what,
        fills=words,
        closed_ns=np.array([trip.closed_ns for trip in closed], dtype=np.int64),
        sides=np.array([trip.side for trip in closed], dtype=np.int64),
        entry=np.array([_average(trip.entry_e18, trip) for trip in closed], dtype=np.float64),
        exit=np.array([_average(trip.exit_e18, trip) for trip in closed], dtype=np.float64),
        gross=np.array([float(trip.gross) for trip in closed], dtype=np.float64),
        fees=np.array([float(trip.fees) for trip in closed], dtype=np.float64),
    )


def _average(notional_e18: int, trip: RoundTrip) -> float:
    return float(from_e18(notional_e18) / from_e9(trip.size_e9))
