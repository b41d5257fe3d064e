"""Promise and outcome, and three PnLs of the same trades."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import nan

import numpy as np
import pytest

from lobflow.online_fills import Touch, three
from research.labels import Floats
from research.report import promise
from research.scores import Outcomes, Score, at_coverage, score
from shared.messages import Decision, Fill

TICK, LOT = 10**8, 10**6  # 0.1 USDT, 0.001


def fill(number: int, side: int, price: int, decision: str, fee: str = "0.3") -> Fill:
    return Fill(
        as_of="1-0",
        exchange_ns=number * 10**9,
        client_id=f"c{number}",
        decision_id=decision,
        order_id=number,
        trade_id=number,
        side=side,
        price_ticks=price,
        size_lots=10,
        tick_e9=TICK,
        lot_e9=LOT,
        fee=Decimal(fee),
        fee_asset="USDT",
        is_maker=False,
        realized=Decimal(0),
    )


def decision(market_id: str) -> Decision:
    return Decision(0, "", market_id, "", "", "", TICK, LOT, ())


def test_three_pnls_of_the_same_trades() -> None:
    fills = [fill(1, 1, 600_003, "d1"), fill(2, -1, 600_095, "d2")]
    decisions = {"d1": decision("10-0"), "d2": decision("20-0")}
    touches = {"10-0": Touch(600_000, 600_001), "20-0": Touch(600_100, 600_103)}
    ideal, touch, paid = three("BTCUSDT", fills, decisions, touches)
    # 0.01 coins; mids 60000.05 and 60010.15, best prices 60000.1 and 60010.0, paid 60000.3 and 60009.5
    assert ideal.gross.tolist() == pytest.approx([0.101])
    assert ideal.fees.tolist() == [0.0]
    assert touch.gross.tolist() == pytest.approx([0.099])
    assert touch.fees.tolist() == pytest.approx([0.0005 * 0.01 * (60_000.1 + 60_010.0)])
    assert paid.gross.tolist() == pytest.approx([0.092])
    assert paid.fees.tolist() == pytest.approx([0.6])
    assert paid.net.tolist() == pytest.approx([-0.508])
    assert [trips.sides.tolist() for trips in (ideal, touch, paid)] == [[1], [1], [1]]
    assert paid.win_rate == 0.0
    assert ideal.win_rate == 1.0


def test_fills_without_a_book_are_left_out_and_counted() -> None:
    fills = [fill(1, -1, 600_000, "d1"), fill(2, 1, 600_000, "d2"), fill(3, 1, 600_000, "d9")]
    decisions = {"d1": decision("10-0"), "d2": decision("10-0")}
    ideal, _, paid = three("BTCUSDT", fills, decisions, {"10-0": Touch(599_999, 600_001)})
    assert "1 fills without a known book left out" in ideal.fills
    assert "left out" not in paid.fills
    assert ideal.net.tolist() == [0.0]


def outcomes(count: int) -> tuple[Floats, Outcomes]:
    draws = np.random.default_rng(1)
    moves = np.where(draws.random(count) < 0.5, -1.0, 1.0)
    signal = moves * np.where(draws.random(count) < 0.6, 1.0, -1.0) * draws.uniform(0.5, 1.5, count)
    times = np.arange(count, dtype=np.int64) * 10**9
    flat = np.full(count, 1.0)
    return signal, Outcomes(5, times, moves, moves, 60_000.0 * flat, 0.1 * flat)


@pytest.fixture(scope="module")
def seen() -> Score:
    signal, after = outcomes(3000)
    return score("served", "100 %", signal, at_coverage(signal, 1.0), after, is_move=True)


@pytest.mark.parametrize(
    ("promised", "answer"), [(0.6, "as promised"), (0.9, "worse"), (0.3, "better"), (None, "not told")]
)
def test_a_promise_is_held_against_the_interval_of_what_was_seen(
    seen: Score, promised: float | None, answer: str
) -> None:
    rows = {5: [{"name": "auto", "selection": "100 %", "hit_rate": promised, "coverage": 1.0, "skill": 0.1}]}
    imbalance = replace(seen, name="imbalance 1", hit_rate=0.55)
    (found,) = promise.compare(rows, [seen, imbalance], "served")
    assert found.answer == answer
    assert found.hit == pytest.approx(0.6, abs=0.03)
    assert found.imbalance_hit == 0.55
    assert found.promised_skill == 0.1
    assert np.isnan(found.promised_ic)


def test_few_blocks_say_nothing(seen: Score) -> None:
    short = replace(seen, blocks=5, is_reliable=False)
    rows = {5: [{"name": "auto", "selection": "100 %", "hit_rate": 0.9}]}
    (found,) = promise.compare(rows, [short], "served")
    assert found.answer == "unreliable"
    (untold,) = promise.compare({}, [replace(seen, hit_rate=nan)], "served")
    assert untold.answer == "not told"


def test_promise_and_outcome_are_a_table_and_a_picture(seen: Score) -> None:
    rows = {5: [{"name": "auto", "selection": "100 %", "hit_rate": 0.6}]}
    compared = promise.compare(rows, [seen], "served")
    table = promise.table(compared)
    assert table.rows[0][:4] == ("5 s", "100 %", "as promised", 0.6)
    assert len(table.rows[0]) == len(table.columns)
    assert promise.picture(compared).png.startswith(b"\x89PNG")
