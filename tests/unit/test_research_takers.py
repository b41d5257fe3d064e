"""What takers earn: both fees, both half spreads, the latency, and who is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from research.foretelling import Foretold
from research.observations import Observations
from research.takers import FEE, FEWEST_TRIPS, HORIZONS_S, best_takers, takers
from shared.units import SECOND, Scale

START_NS = 1_700_000_000 * SECOND
SECONDS = 400
TICK = 0.1


def market(bids: NDArray[np.int64], spread: int) -> Observations:
    """Ten books a second, each at its tenth; only the best prices matter here."""
    rows = np.zeros((len(bids), 80), np.int32)
    rows[:, 0], rows[:, 40] = bids, bids + spread
    at_ns = START_NS + np.arange(len(bids), dtype=np.int64) * SECOND // 10
    trades = np.zeros((1, 4), np.int64)
    return Observations("BTCUSDT", Scale(100_000_000, 1_000_000), at_ns, rows, np.zeros(len(bids)), trades)


def told(model: NDArray[np.float64]) -> Foretold:
    """The model foretells as given at every horizon; the imbalances foretell nothing."""
    at_ns = START_NS + np.arange(len(model), dtype=np.int64) * SECOND
    none = np.zeros(len(model))
    return Foretold(at_ns, none, none, {}, dict.fromkeys(HORIZONS_S, model))


def test_a_trip_pays_both_fees_and_the_spread() -> None:
    seen = market(np.full(SECONDS * 10, 600_000), spread=3)
    entry, left = 600_003 * TICK, 600_000 * TICK
    for sign, into, out_of in ((1.0, entry, left), (-1.0, left, entry)):
        mine = [each for each in takers(seen, told(np.full(300, sign))) if each.selection == "all"]
        assert [each.horizon for each in mine] == list(HORIZONS_S)
        for each in mine:
            assert each.trips == 300
            assert each.gross_bps == pytest.approx(-3 * TICK / into * 1e4)
            assert each.net_bps == pytest.approx(each.gross_bps - FEE * (into + out_of) / into * 1e4)


def test_prices_are_those_a_latency_after_the_signal() -> None:
    bids = 600_000 + 10 * np.arange(SECONDS * 10)  # a book later the price is a USDT higher
    bids[::10] += 5_000  # in the very book of a signal it is far away, where nobody can trade
    long = takers(market(bids, spread=1), told(np.full(100, 1.0)))[0]
    paid = (bids[1:1001:10] + 1) * TICK
    earned = bids[51:1051:10] * TICK
    assert long.gross_bps == pytest.approx(float(((earned - paid) / paid).mean()) * 1e4)


def test_a_signal_that_knows_the_future_earns_and_is_the_best() -> None:
    steps = np.random.default_rng(1).normal(0.0, 800.0, SECONDS)
    path = np.repeat(600_000 + np.cumsum(steps).astype(np.int64), 10)
    seen, ahead = market(path, spread=1), HORIZONS_S[0]
    mid = path[::10] * TICK
    known = told(mid[ahead:] - mid[:-ahead])
    best = best_takers(takers(seen, known))[ahead]
    assert best.signal == "model"
    assert best.net_bps > 0.0
    assert best.net_bps == max(each.net_bps for each in takers(seen, known) if each.horizon == ahead)
    against = told(mid[:-ahead] - mid[ahead:])
    assert max(each.net_bps for each in takers(seen, against) if each.horizon == ahead) < 0.0


def test_selections_take_the_strongest_and_few_trips_are_no_strategy() -> None:
    seen = market(np.full(SECONDS * 10, 600_000), spread=1)
    signal = np.linspace(-7.0, 7.0, 350)
    counts = {each.selection: each.trips for each in takers(seen, told(signal)) if each.horizon == 5}
    assert counts["top 10 %"] == 36
    assert counts["at least 6 USDT"] == int((np.abs(signal) >= 6.0).sum())
    assert "top 1 %" not in counts  # four trips
    assert "more than the fees" not in counts  # 60 USDT
    assert min(counts.values()) >= FEWEST_TRIPS
    dear = {each.selection: each for each in takers(seen, told(signal * 10)) if each.horizon == 5}
    assert dear["more than the fees"].trips == int((np.abs(signal) * 10 >= 60.0).sum())


def test_a_trip_that_ends_after_the_last_book_is_none() -> None:
    seen = market(np.full(SECONDS * 10, 600_000), spread=1)
    trips = {
        each.horizon: each.trips for each in takers(seen, told(np.ones(SECONDS))) if each.selection == "all"
    }
    assert trips == {horizon: SECONDS - horizon for horizon in HORIZONS_S}
