"""Versions scored as their horizons elapse: outcomes, trades, standings, drift, and the gate."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest

from services.monitor import model_views
from services.monitor.board import Board
from services.monitor.core import MonitorCore
from services.monitor.evidence import DAY_NS, KEPT_DAYS, Evidence, Plan
from services.monitor.gatekeeper import due
from services.monitor.models import Models, Terms
from services.monitor.path import KEPT_NS, Path
from services.monitor.standing import BASELINES, at_coverage, standings
from shared.codec import pack_tiers
from shared.messages import Drift, FeedStatus, Gate, Lob, Prediction, Shadow, Shadows, TradedDay
from shared.units import MS, SECOND

TICK = 100_000_000  # 0.1
START = 20_000 * DAY_NS
S = "BTCUSDT"


def prediction(
    at_ns: int, bid: int, moves: tuple[float, ...], model: str = "v1", spread: int = 2
) -> Prediction:
    horizons = (5, 10)[: len(moves)]
    return Prediction(
        at_ns, model, "s", at_ns + SECOND, bid, bid + spread, TICK, horizons, moves, (1.0,) * len(moves), ""
    )


def path_of(*rows: tuple[float, int, int]) -> Path:
    made = Path()
    for seconds, bid, ask in rows:
        made.add(START + int(seconds * SECOND), bid, ask, TICK)
    return made


def test_prices_are_those_of_the_last_book_at_or_before() -> None:
    path = path_of((0, 100, 102), (1, 110, 112), (1, 111, 113), (2, 0, 5), (3, 120, 121))
    assert path.at(START - 1) is None
    for seconds, mid in ((0, 10.1), (0.999, 10.1), (1, 11.2), (2, 11.2), (2.5, 11.2), (3, 12.05)):
        touch = path.at(START + int(seconds * SECOND))
        assert touch is not None
        assert touch.mid == pytest.approx(mid)
    path.note_gap(START + SECOND)
    assert not path.is_whole(START, START + SECOND)
    assert not path.is_whole(START + SECOND, START + 2 * SECOND)
    assert path.is_whole(START + SECOND + 1, START + 9 * SECOND)


def test_the_path_keeps_minutes_and_no_more() -> None:
    path = Path()
    for at in range(20_000):
        path.add(START + at * SECOND // 10, 100, 102, TICK)
        if at % 100 == 0:
            path.note_gap(START + at * SECOND // 10)
    assert len(path._times) <= 2 * 10 * KEPT_NS // SECOND + 2
    assert len(path._gaps) < 100
    assert path.at(path.last_ns - KEPT_NS + SECOND) is not None


def test_a_trade_earns_the_move_less_half_spreads_and_fees() -> None:
    evidence = Evidence(Plan(10, None, 5.0))
    path = Path()

    def pass_time(seconds: float, bid: int, ask: int, move: float | None = None) -> None:
        at_ns = START + int(seconds * SECOND)
        path.add(at_ns, bid, ask, TICK)
        if move is not None:
            evidence.ask("v1", at_ns, (5, 10), (9.9, move), (1.0, 2.0))
        evidence.settle(path)

    pass_time(0.0, 100_000, 100_002, 1.9)  # below its threshold
    pass_time(1.0, 100_000, 100_002, 2.0)
    pass_time(1.1, 100_010, 100_014)  # what it gets after 100 ms
    pass_time(5.0, 100_000, 100_002, -3.0)  # one is open
    pass_time(11.1, 100_110, 100_114)
    assert evidence.days("v1") == ()  # the prices at its end are not known yet
    pass_time(11.2, 100_900, 100_902, -2.5)
    (day,) = evidence.days("v1")
    entry, leave = 10_001.2, 10_011.2
    net = 1e4 * ((leave - entry) - 0.4) / entry - 5.0 * (entry + leave) / entry
    assert (day.day, day.trades) == (20_000, 1)
    assert day.sum_bps == pytest.approx(net)
    assert day.squares == pytest.approx(net**2)
    pass_time(11.3, 100_900, 100_902)
    pass_time(21.0, 100_890, 100_892)  # a sell: it earns the fall of ten ticks
    pass_time(22.0, 100_000, 100_002)
    (day,) = evidence.days("v1")
    assert day.trades == 2
    assert day.sum_bps - net == pytest.approx(1e4 * (1.0 - 0.2) / 10_090.1 - 10.0, abs=1e-2)
    assert evidence.tried == 1


def test_a_trade_that_a_gap_lies_in_is_void() -> None:
    evidence = Evidence(Plan(5, 1.0, 5.0))
    path = path_of((0, 100, 102))
    evidence.ask("v1", START, (5,), (1.0,), (99.0,))
    path.note_gap(START + 5 * SECOND)
    path.add(START + 6 * SECOND, 100, 102, TICK)
    evidence.settle(path)
    assert (evidence.days("v1"), evidence.voids) == ((), 1)


def test_evidence_goes_on_from_what_was_told_and_counts_nothing_twice() -> None:
    days = (TradedDay(19_999, 3, 6.0, 14.0),)
    evidence = Evidence(Plan(5, 1.0, 0.0))
    evidence.restore(Gate(START, "monitor", "", S, "v1", "undetermined", 4, days))
    assert (evidence.days("v1"), evidence.tried) == (days, 4)
    path = path_of((0, 1000, 1002))
    evidence.ask("v1", START - SECOND, (5,), (1.0,), (1.0,))  # was counted before
    evidence.ask("v1", START + SECOND, (5,), (1.0,), (1.0,))
    path.add(START + 60 * SECOND, 1000, 1002, TICK)
    evidence.settle(path)
    assert [day.trades for day in evidence.days("v1")] == [3, 1]


def test_evidence_is_bounded() -> None:
    evidence = Evidence(Plan(5, 1.0, 0.0))
    path = Path()
    for day in range(KEPT_DAYS + 20):
        at_ns = START + day * DAY_NS
        path.add(at_ns, 1000, 1002, TICK)
        for version in range(3):
            evidence.ask(f"v{day}-{version}" if version else "v", at_ns, (5,), (1.0,), (1.0,))
        path.add(at_ns + 30 * SECOND, 1000, 1002, TICK)
        evidence.settle(path)
    assert len(evidence.days("v")) == KEPT_DAYS
    assert len(evidence.versions()) == 100
    assert "v" in evidence.versions()
    assert evidence.tried == 1 + 2 * (KEPT_DAYS + 20)


def run_of(rows: int, gap_at: int | None = None, seed: int = 3) -> tuple[Models, np.ndarray, np.ndarray]:
    """A walk a second with two predictions each; returns the mids and the signal of `v1` at 5 s."""
    draw = np.random.default_rng(seed)
    mids = 100_000 + np.cumsum(draw.integers(-3, 4, rows + 20))
    signal = np.where(draw.random(rows) < 0.8, 1.0, -1.0) * np.sign(mids[5 : rows + 5] - mids[:rows])
    signal = signal * draw.uniform(0.5, 1.5, rows)
    models = Models(Terms(Plan(5, 1e9, 5.0)))
    for at in range(rows):
        at_ns = START + at * SECOND
        models.board.note_book(at_ns, 10 + int(mids[at] % 7), 10)
        models.predict(prediction(at_ns, int(mids[at]) - 1, (float(signal[at]), nan)))
        models.predict(prediction(at_ns + 400 * MS, int(mids[at]) - 1, (99.0, 99.0)))  # no row of its own
        if at == gap_at:
            models.path.note_gap(at_ns + 500 * MS)
        if at >= 3:  # shadows lag
            one = Shadow("v2", (5,), (-float(signal[at - 3]),), (1.0,), "")
            models.shadow(Shadows(START + (at - 3) * SECOND, "s", 0, 0, TICK, (one,), ()))
    return models, mids, signal


def test_standings_are_what_the_whole_path_says() -> None:
    rows = 700
    models, mids, signal = run_of(rows)
    known = rows - 5  # the newest are not known yet
    change = mids[5 : known + 5] - mids[:known]
    wanted = signal[:known]
    table = {(row.name, row.horizon_s, row.asked): row for row in models.standings()}
    decided = (change != 0) & (wanted != 0.0)
    rate = (np.sign(change) == np.sign(wanted))[decided].mean()
    whole = table["v1", 5, 1.0]
    assert whole.rows == known
    assert whole.hit_rate == pytest.approx(rate)
    assert whole.zero_share == pytest.approx(1.0 - decided[wanted != 0.0].mean())
    assert whole.low < rate < whole.high
    assert whole.blocks >= 23
    assert whole.skill == pytest.approx(whole.hit_rate - 0.5, abs=0.06)
    half = table["v1", 5, 0.5]
    assert half.coverage == pytest.approx(0.5, abs=0.01)
    chosen = at_coverage(wanted, 0.5)
    assert half.hit_rate == pytest.approx((np.sign(change) == np.sign(wanted))[chosen & decided].mean())
    late = np.sign(wanted) * change * 0.1
    assert whole.gross_edge == pytest.approx(late[wanted != 0.0].mean(), abs=1e-9)
    assert whole.gross_edge - whole.net_edge == pytest.approx(10.0 + 0.2, abs=0.02)
    # The shadow says the opposite of everything, three seconds late.
    shadow = table["v2", 5, 1.0]
    assert shadow.hit_rate == pytest.approx(1.0 - rate, abs=0.01)
    assert shadow.difference == pytest.approx(1.0 - 2.0 * rate, abs=0.02)
    assert 0.0 < shadow.difference_error < 0.2
    assert isnan(whole.difference)
    for name in BASELINES:
        assert table[name, 5, 1.0].rows == known
    assert table["imbalance 1", 5, 0.2].coverage == pytest.approx(0.2, abs=0.01)
    assert not any(horizon_s == 10 and name == "v1" for name, horizon_s, _ in table)  # NaN is no prediction


def test_a_gap_takes_the_labels_that_cross_it_and_no_others() -> None:
    whole, _, _ = run_of(200)
    broken, _, _ = run_of(200, gap_at=100)
    rows = [
        next(row.rows for row in models.standings() if row.name == "v1" and row.asked == 1.0)
        for models in (whole, broken)
    ]
    assert rows[0] - rows[1] == 5


def test_the_board_is_bounded_in_rows_and_versions() -> None:
    board, path = Board(50), Path()
    for at in range(300):
        at_ns = START + at * SECOND
        board.note_book(at_ns, 3, 1)
        path.add(at_ns, 1000 + at % 5, 1002 + at % 5, TICK)
        board.sample(at_ns, path)
        board.tell("v", at_ns, (5,), (1.0,))
        board.tell(f"x{at // 10}", at_ns, (5,), (1.0,))
        board.settle(path)
    assert len(board.moves) <= 12
    assert len(board._row_at) == 50
    assert len(board._books) <= 50
    (row,) = [one for one in standings(board, "v", 5.0) if one.name == "v" and one.asked == 1.0]
    assert row.rows == 50 - 6
    assert not board.is_heard("x2")
    assert board._signs[5] == np.nansum(np.sign(board.labels[5].moves))
    assert board.imbalance[0] == 0.5


def test_drift_is_kept_while_it_is_told() -> None:
    models = Models(Terms())
    entry = Shadows(START, "s", 1, 2, TICK, (), (Drift("v1", "a", 0.1, 400), Drift("v1", "b", 0.3, 400)))
    models.shadow(entry)
    models.champion = "v1"
    assert [row.name for row in models.drift()] == ["a", "b"]
    worst = model_views.worst_drift(models)
    assert worst is not None
    assert (worst.name, worst.psi) == ("b", 0.3)
    models.shadow(Shadows(START + 700 * SECOND, "s", 1, 2, TICK, (), (Drift("v2", "a", 0.2, 400),)))
    assert [row.model for row in models.drift()] == ["v2"]


def test_the_gate_is_told_when_there_is_something_to_tell() -> None:
    models = Models(Terms(Plan(5, 1.0, 0.0)))
    models.predict(prediction(START, 100_000, (0.5, 0.0)))
    assert due(S, models) == []  # nothing is what everybody assumes
    clear = tuple(TradedDay(19_990 + day, 50, 100.0, 300.0 + day) for day in range(5))
    models.tell(Gate(START, "monitor", "", S, "v1", "undetermined", 1, clear), is_earlier=True)
    (gate,) = due(S, models)
    assert (gate.version, gate.verdict, gate.tried, gate.days) == ("v1", "shown", 1, clear)
    assert gate.why.startswith("250 trades on 5 days earn +2.000 bps")
    models.tell(gate, is_earlier=False)
    assert due(S, models) == []
    answer = model_views.answer(S, models)
    assert answer.gates[0].verdict == "shown"
    assert answer.gates[0].told is not None
    models.predict(prediction(START + SECOND, 100_000, (0.5, 0.0), model="v2"))
    (again,) = due(S, models)  # one more was tried: of the first there is more to say
    assert (again.version, again.tried) == ("v1", 2)


def test_the_core_hands_everything_on() -> None:
    core = MonitorCore((S,))
    tiers = pack_tiers([100_000, 30]), pack_tiers([100_002, 10])
    core.handle(S, "1-0", Lob(1, 1, START, START, 1, TICK, 1, *tiers))
    core.handle(S, "1-0", prediction(START, 100_000, (0.5,)))
    core.handle(S, "2-0", FeedStatus(2, 2, START, START + SECOND, "gap", ""))
    core.handle(S, "1-0", Shadows(START, "s", 0, 0, TICK, (Shadow("v2", (5,), (1.0,), (1.0,), ""),), ()))
    core.opened_at = (5, 0)
    days = (TradedDay(19_990, 1, 1.0, 1.0),)
    core.handle("", "5-0", Gate(0, "monitor", "", S, "v1", "undetermined", 1, days))
    core.handle("", "6-0", Gate(0, "monitor", "", S, "v2", "undetermined", 1, days))
    core.handle("", "7-0", Gate(0, "monitor", "", "OTHER", "v2", "undetermined", 1, days))
    models = core.symbols[S].models
    assert models.board.imbalance[0] == 0.5
    assert set(models.board.moves) == {"v1", "v2"}
    assert not models.path.is_whole(START, START + 2 * SECOND)
    assert models.evidence.days("v1") == days
    assert models.evidence.days("v2") == ()
    assert set(models.gates) == {"v1", "v2"}
    assert core.controls == type(core.controls)(maxlen=1000)
