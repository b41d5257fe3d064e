"""Whatever the fills: net is cash flow plus worth, and round trips sum to what was realized."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.monitor.core import MonitorCore
from services.monitor.ledger import Ledger
from services.monitor.money import total
from shared.codec import pack_tiers
from shared.messages import Fill, Lob

TICK_E9, LOT_E9 = 10**7, 10**6

fills = st.lists(
    st.tuples(
        st.sampled_from([1, -1]),
        st.integers(1, 10**9),
        st.integers(1, 10**7),
        st.decimals("-1", "10", places=8),
        st.booleans(),
    ),
    max_size=40,
)


def as_fill(n: int, side: int, price: int, size: int, fee: Decimal) -> Fill:
    return Fill(
        "1-0", n, f"c{n}", f"{n}-0", n, n, side, price, size, TICK_E9, LOT_E9, fee, "USDT", False, Decimal(0)
    )


@given(fills, st.integers(1, 10**9), st.integers(1, 1000))
def test_net_is_cash_flow_plus_worth(
    rows: list[tuple[int, int, int, Decimal, bool]], bid: int, spread: int
) -> None:
    core = MonitorCore(("BTCUSDT",))
    cash, position, fees = Fraction(0), Fraction(0), Fraction(0)
    for n, (side, price, size, fee, is_repeated) in enumerate(rows):
        each = as_fill(n, side, price, size, fee)
        for _ in range(1 + is_repeated):
            core.handle("BTCUSDT", f"{n + 1}-0", each)
        price_f, size_f = Fraction(price * TICK_E9, 10**9), Fraction(size * LOT_E9, 10**9)
        cash -= side * price_f * size_f
        position += side * size_f
        fees += Fraction(fee)
    tiers = pack_tiers([bid, 1]), pack_tiers([bid + spread, 1])
    core.handle("BTCUSDT", "9-0", Lob(1, 1, 1, 1, 1, TICK_E9, LOT_E9, *tiers))
    mark = Fraction((2 * bid + spread) * TICK_E9, 2 * 10**9)
    for pnl in (core.symbols["BTCUSDT"].pnl(), core.pnl()):
        assert pnl.net is not None
        assert Fraction(pnl.net) == cash + position * mark - fees


@given(fills)
def test_round_trips_sum_to_what_was_realized(rows: list[tuple[int, int, int, Decimal, bool]]) -> None:
    ledger = Ledger("BTCUSDT")
    trips = []
    position = 0
    for n, (side, price, size, fee, _) in enumerate(rows):
        trip = ledger.apply_fill(as_fill(n, side, price, size, fee))
        before, position = position, position + side * size
        assert (trip is not None) == (before != 0 and before * position <= 0)
        assert ledger.position_e9 == position * LOT_E9
        if trip is not None:
            trips.append(trip)
    if position:  # close at any price: then everything is in round trips
        last = ledger.apply_fill(
            as_fill(len(rows), -1 if position > 0 else 1, 777, abs(position), Decimal("0.1"))
        )
        assert last is not None
        trips.append(last)
    assert total(*(trip.gross for trip in trips)) == ledger.realized
    assert total(*(trip.fees for trip in trips)) == ledger.fees
    assert ledger.cost_e18 == 0
    assert ledger.unrealized(None) == 0
