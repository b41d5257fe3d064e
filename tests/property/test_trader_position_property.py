"""Position and orders under anything the venue may do, in any order."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.trader.orders import ENDED, NEXT, Orders, Status
from services.trader.position import Position
from shared.messages import Fill, OrderUpdate, Request

FILLS = st.lists(
    st.tuples(st.sampled_from((1, -1)), st.integers(1, 10**7), st.integers(1, 10**6), st.integers(0, 10**6))
)


@given(FILLS, st.integers(1, 10**7))
def test_realized_and_unrealized_are_the_cash_flow(fills: list[tuple[int, int, int, int]], mark: int) -> None:
    position, lots, cash, fees = Position(), 0, 0, Decimal(0)
    for at_ms, (side, price, size, fee_e6) in enumerate(fills):
        fee = Decimal(fee_e6).scaleb(-6)
        position.apply_fill(side, price, size, fee, at_ms)
        lots += side * size
        cash -= side * size * price
        fees += fee
        assert position.lots == lots
        assert position.realized + position.unrealized(mark) == cash + lots * mark
        assert (position.opened_ms is None) == (lots == 0)
        assert lots or position.cost == 0
    assert position.fees == fees


@given(FILLS)
def test_the_average_stays_within_the_prices_paid(fills: list[tuple[int, int, int, int]]) -> None:
    position = Position()
    for side, price, size, _ in fills:
        position.apply_fill(side, price, size, Decimal(0), 0)
        if position.lots:
            average = position.cost / position.lots
            prices = [price for _, price, _, _ in fills]
            # One lot's rounding per partial close is all that it may be off.
            assert min(prices) - len(fills) <= average <= max(prices) + len(fills)


@st.composite
def stories(draw: st.DrawFn) -> tuple[int, list[int], list[str]]:
    """An order's size, its trades, and its end."""
    trades = draw(st.lists(st.integers(1, 50), max_size=6))
    rest = draw(st.integers(0, 50)) if trades else draw(st.integers(1, 50))
    return (
        sum(trades) + rest,
        trades,
        ["filled"] if not rest else [draw(st.sampled_from(("canceled", "expired")))],
    )


@given(stories(), st.randoms(use_true_random=False))
def test_facts_in_any_order_end_in_the_same_state(
    story: tuple[int, list[int], list[str]], random: object
) -> None:
    """User events, the answer and repeats of all, shuffled: as reconnects and races make them."""
    size, trades, (end,) = story
    whats: list[OrderUpdate | Fill] = []
    zero, filled = Decimal(0), 0

    def update(event: str, lots: int) -> OrderUpdate:
        return OrderUpdate("5-0", 0, "c", "5-0", 7, 1, event, "", size, lots, False, "")

    whats.append(update("accepted", 0))
    for trade_id, lots in enumerate(trades, 1):
        filled += lots
        if filled < size:
            whats.append(update("partly_filled", filled))
        whats.append(Fill("5-0", 0, "c", "5-0", 7, trade_id, 1, 100, lots, 1, 1, zero, "USDT", False, zero))
    whats.append(update(end, filled))
    whats += [update("unknown", 0), *whats[:3]]
    random.shuffle(whats)  # type: ignore[attr-defined]
    orders = Orders()
    orders.place("5-0", Request("place", "c", 1, "LIMIT", "GTC", 100, size, False, "enter", ""))
    seen = [Status.PENDING]
    for what in whats:
        if isinstance(what, Fill):
            orders.book(what)
        else:
            seen.append(orders.update(what).status)
    order = orders.by_client["c"]
    assert order.filled_lots == filled
    assert order.status.value == {"filled": "FILLED", "canceled": "CANCELED", "expired": "EXPIRED"}[end]
    assert not order.is_live
    assert not orders.live
    for before, after in pairwise(seen):
        assert before is after or after in {NEXT[pair] for pair in NEXT if pair[0] is before}
        assert before not in ENDED or before is after
