"""The simulation against round trips computed by hand, and the profile against what was drawn."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import isnan, nan

import numpy as np
import pytest
from model_data import START_NS, drawn

from research.dataset import Dataset
from research.labels import Floats
from research.profile import profile
from research.simulate import simulate
from research.train import train
from services.features import schema
from shared.errors import BadInput
from shared.units import SECOND

FEE = 0.0005


class Told:
    """A model that says what it was given."""

    def __init__(self, moves: dict[int, float], period: int = 10) -> None:
        self._moves, self._period = moves, period

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        if horizon_s != self._period:
            raise BadInput(f"not for {horizon_s} s")
        said = np.full(len(data.recv_ns), nan)
        for row, move in self._moves.items():
            said[row] = move
        return said


def rising(rows: int = 60) -> Dataset:
    """The mid rises by 2 each second from 60,000; the spread is 0.1."""
    data = drawn(rows)
    mid = 60_000.0 + 2.0 * np.arange(rows)
    return replace(
        data,
        mid=mid,
        track=replace(data.track, mid=mid),
        quotes=replace(data.quotes, spread_ticks=np.ones(rows, int)),
    )


def test_round_trips_at_the_touch() -> None:
    told = Told({0: 7.0, 3: 9.0, 10: -9.0, 11: -6.0, 40: 5.9, 55: 9.0})
    done = simulate(told, rising(), period=10, threshold=6.0, size=0.5)
    # At 3 and 10 s the first is still open, which is left 100 ms after 10 s; at 40 s the threshold is not
    # reached, and what begins at 55 s would end behind the data.
    assert [(one.side, one.time_ns - START_NS) for one in done.trades] == [("buy", 0), ("sell", 11 * SECOND)]
    first = done.trades[0]
    assert (first.entry, first.exit) == pytest.approx((60_000.05, 60_019.95))
    assert first.gross == pytest.approx(0.5 * 19.9)
    assert first.fees == pytest.approx(0.5 * FEE * (60_000.05 + 60_019.95))
    assert first.pnl == pytest.approx(first.gross - first.fees)
    assert not first.win


def test_the_sum_is_that_of_its_trades_and_fees_decide_who_wins() -> None:
    told = Told({0: 7.0, 15: -8.0, 30: 6.0})
    done = simulate(told, rising(), threshold=6.0, size=0.01, fill="mid", fee=0.0)
    assert [one.side for one in done.trades] == ["buy", "sell", "buy"]
    assert [one.win for one in done.trades] == [True, False, True]
    assert done.gross == pytest.approx(0.01 * (20.0 - 20.0 + 20.0)) == done.net
    assert done.win_rate == pytest.approx(2 / 3)
    paid = simulate(told, rising(), threshold=6.0, size=0.01, fill="mid")
    assert paid.win_rate == 0.0
    assert paid.net == pytest.approx(paid.gross - sum(one.fees for one in paid.trades))
    assert "mid" in paid.assumption
    assert "100 ms" in paid.assumption


def test_a_threshold_below_the_round_trip_is_said_in_plain_words() -> None:
    data = rising()
    low = simulate(Told({0: 7.0}), data, threshold=6.0).remark
    assert "net will usually be negative" in low
    assert "60.16 per coin" in low
    assert "pays for it" in simulate(Told({0: 90.0}), data, threshold=80.0).remark


def test_a_gap_is_left_at_the_first_book_after_it_and_the_end_is_not_traded() -> None:
    data = rising()
    silent = np.ones(60, dtype=bool)
    silent[8:14] = False
    track = replace(
        data.track,
        recv_ns=data.track.recv_ns[silent],
        mid=data.track.mid[silent],
        breaks_ns=np.array([START_NS + 7 * SECOND + 1]),
    )
    quotes = data.quotes.between(START_NS, START_NS + 100 * SECOND)
    quotes = replace(quotes, recv_ns=track.recv_ns, spread_ticks=quotes.spread_ticks[silent])
    done = simulate(Told({0: 7.0, 55: 9.0}), replace(data, track=track, quotes=quotes), fill="mid", fee=0.0)
    (only,) = done.trades
    assert only.crosses_gap
    assert (only.exit_ns - START_NS, only.exit) == (14 * SECOND, 60_028.0)


def test_nothing_to_trade_is_no_win_rate() -> None:
    done = simulate(Told({0: 1.0}), rising())
    assert (done.trades, done.net) == ([], 0.0)
    assert isnan(done.win_rate)


def test_what_one_call_trains_the_other_simulates() -> None:
    data = drawn(800)
    fitted, _ = train(["auto"], data, train_pct=50, period=10)
    done = simulate(fitted["auto"], data.part(0.5, 1.0), period=10, threshold=2.0, size=0.01)
    assert done.trades
    # The imbalance moves these data: before costs it earns, after them it does not.
    assert done.gross > 0.0 > done.net
    times = [(one.time_ns, one.exit_ns) for one in done.trades]
    assert all(later >= before for (_, before), (later, _) in pairwise(times))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fill": "queue-aware"}, "not of a recording"),
        ({"fill": "best"}, "none of mid, touch"),
        ({"size": 0.0}, "above zero"),
        ({"threshold": -1.0}, "above zero"),
        ({"period": 5}, "not for 5 s"),
    ],
)
def test_what_is_refused(options: dict[str, float], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        simulate(Told({0: 7.0}), rising(), **options)  # type: ignore[arg-type]


def test_a_model_that_says_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="predicts on none of 60 rows"):
        simulate(Told({}), rising())


def test_the_profile_of_drawn_data() -> None:
    data = drawn(300)
    found = profile(replace(data, trades=600))
    assert (found.rows, found.changes_1s, found.gaps) == (300, 299, 0)
    assert found.change_1s_sd == pytest.approx(np.diff(data.mid).std())
    assert found.spread_one_tick_share == 1.0
    assert found.trades_per_second == pytest.approx(600 / 299)
    places = schema.indices([f"bid_size_{tier}" for tier in range(1, 21)])
    assert found.bid_depth == pytest.approx(data.values[:, list(places)].mean(axis=0))
    unknown = profile(data.part(0.0, 0.5))
    assert unknown.trades is None
    assert unknown.plain()["trades_per_second"] is None


def test_an_empty_profile_is_refused() -> None:
    data = drawn(30)
    with pytest.raises(BadInput, match="no row to describe"):
        profile(data.rows(np.zeros(30, dtype=bool)))
