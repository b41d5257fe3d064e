"""Probes in the queue: what fills them, what does not, and what became of them, told by hand."""

from __future__ import annotations

import numpy as np
import pytest

from research.flow.entries import Entries
from research.flow.resting import depth_for, price_at, quantile_depths
from services.features.flow import fills, queue
from services.features.flow import probe as p
from services.features.flow.law import Ints, SizeLaw
from services.features.flow.leaving import Walk, first_of_seconds, spread_ticks
from services.features.flow.probe import Probes, Setup, new_probes
from shared.units import MS, SECOND

START = 1_000 * SECOND
SETUP = Setup(latency_ns=100 * MS, lifetime_ns=5 * SECOND, horizon_ns=2 * SECOND)
BIDS = [(100, 10), (99, 20), (97, 30)]
ASKS = [(101, 10), (102, 20), (105, 30)]


def row(bids: list[tuple[int, int]] = BIDS, asks: list[tuple[int, int]] = ASKS) -> Ints:
    """A book of few tiers as the kernel's row."""
    out = np.zeros(80, np.int64)
    for start, side in ((0, bids), (40, asks)):
        flat = np.array(side, np.int64).ravel()
        out[start : start + len(flat)] = flat
    return out


class Played:
    """Probes at given depths, fed by hand; times are milliseconds after START."""

    def __init__(self, ticks: tuple[int, ...] = (0,), setup: Setup = SETUP) -> None:
        self.probes: Probes = new_probes(256, ticks)
        self.setup = setup.packed()

    def lob(self, at_ms: int, book: Ints | None = None, exchange_ms: int | None = None) -> None:
        exchange_ns = START + (at_ms if exchange_ms is None else exchange_ms) * MS
        queue.on_lob(
            self.probes, self.setup, START + at_ms * MS, exchange_ns, row() if book is None else book
        )

    def trade(self, at_ms: int, price: int, signed_lots: int, exchange_ms: int | None = None) -> None:
        exchange_ns = START + (at_ms if exchange_ms is None else exchange_ms) * MS
        queue.on_trade(self.probes, self.setup, START + at_ms * MS, exchange_ns, price, signed_lots)

    def until(self, at_ms: int) -> None:
        queue.pass_time(self.probes, self.setup, START + at_ms * MS)

    def first(self, side: int, depth: int = 0) -> Ints:
        """The probe of the first second."""
        records = p.between(self.probes, START, START + SECOND)
        (found,) = records[(records[:, p.SIDE] == side) & (records[:, p.DEPTH] == depth)]
        return np.asarray(found)


@pytest.fixture
def played() -> Played:
    """A book at the very start of a second, so that probes are placed at once."""
    out = Played()
    out.lob(0)
    out.lob(50)
    return out


def test_probes_are_placed_each_second_and_arrive_a_latency_later(played: Played) -> None:
    assert played.first(1)[p.STATE] == p.PENDING
    played.lob(100)
    assert played.first(1)[p.STATE] == p.PENDING  # arrives after what happens at the same time
    played.lob(101)
    bid, ask = played.first(1), played.first(-1)
    assert [bid[p.STATE], bid[p.KEY], bid[p.AHEAD]] == [p.RESTING, -100, 10]
    assert [ask[p.STATE], ask[p.KEY], ask[p.AHEAD]] == [p.RESTING, 101, 10]
    played.until(3_050)
    assert len(p.between(played.probes, 0, 2**62)) == 2 * 4


def test_a_trade_at_the_price_fills_when_more_than_the_queue_is_gone(played: Played) -> None:
    played.lob(200)
    played.trade(300, 101, 10)
    assert played.first(-1)[p.STATE] == p.RESTING  # as much as was in front: we are next
    played.trade(301, 101, 1)
    assert played.first(-1)[p.STATE] == p.FILLED
    assert played.first(1)[p.STATE] == p.RESTING  # buyers do not meet bids


def test_a_trade_beyond_the_price_fills(played: Played) -> None:
    played.lob(200)
    played.trade(300, 102, 1)
    assert played.first(-1)[p.STATE] == p.FILLED
    played.trade(301, 99, -1)
    assert played.first(1)[p.STATE] == p.FILLED


def test_a_trade_before_the_price_does_not_and_counts_as_through() -> None:
    played = Played((2,))
    played.lob(0)
    played.lob(200)
    played.trade(300, 101, 25)
    probe = played.first(-1)
    assert [probe[p.STATE], probe[p.KEY], probe[p.BETTER], probe[p.THROUGH]] == [p.RESTING, 103, 30, 25]
    assert probe[p.QUEUE] == 0  # nobody rests at 103


def test_a_book_that_comes_to_the_price_fills(played: Played) -> None:
    played.lob(200)
    played.lob(300, row(bids=[(101, 5), (100, 10)], asks=[(102, 20)]))
    assert played.first(-1)[p.STATE] == p.FILLED


def test_an_order_that_would_take_is_rejected(played: Played) -> None:
    played.lob(90, row(bids=[(103, 5)], asks=[(104, 5)]))
    played.lob(200, row(bids=[(103, 5)], asks=[(104, 5)]))
    assert played.first(-1)[p.STATE] == p.REJECTED
    assert played.first(1)[p.STATE] == p.RESTING  # far behind now


@pytest.mark.parametrize(("cancels", "ahead"), [(p.RISK_AVERSE, 10), (p.LINEAR, 7), (p.LOGARITHMIC, 6)])
def test_cancels_are_shared_out_by_the_rule(cancels: int, ahead: int) -> None:
    played = Played(setup=SETUP._replace(cancels=cancels))
    played.lob(0)
    played.lob(200)
    played.lob(300, row(asks=[(101, 40), (102, 20)]))  # 30 join behind the 10 in front
    played.lob(400, row(asks=[(101, 28), (102, 20)]))  # 12 go, no trade explains it
    # linear: 12 * 10/40 = 3; logarithmic: 12 * ln 11 / (ln 11 + ln 31) = 4.9, whole lots: 4 with 30 behind.
    assert played.first(-1)[p.AHEAD] == ahead


def test_the_queue_in_front_is_never_more_than_the_level_holds(played: Played) -> None:
    played.lob(200)
    played.lob(300, row(asks=[(101, 4), (102, 20)]))
    probe = played.first(-1)
    assert [probe[p.AHEAD], probe[p.CANCELED]] == [4, 6]


def test_a_trade_told_after_its_book_does_not_count_twice(played: Played) -> None:
    played.lob(200)
    played.lob(300, row(asks=[(101, 4), (102, 20)]), exchange_ms=295)
    played.trade(390, 101, 6, exchange_ms=290)  # this is why the level shrank
    probe = played.first(-1)
    assert [probe[p.STATE], probe[p.AHEAD], probe[p.CANCELED]] == [p.RESTING, 4, 0]
    played.trade(400, 101, 4, exchange_ms=399)
    assert played.first(-1)[p.STATE] == p.RESTING
    played.trade(401, 101, 1, exchange_ms=400)
    assert played.first(-1)[p.STATE] == p.FILLED


def test_what_was_canceled_before_a_trade_explains_nothing_of_it(played: Played) -> None:
    played.lob(200)
    played.lob(300, row(asks=[(101, 4), (102, 20)]))  # 6 in front of us cancel
    played.lob(400, row(asks=[(101, 30), (102, 20)]))  # 26 join behind the 4
    played.lob(500, row(asks=[(101, 27), (102, 20)]))
    played.trade(560, 101, 3, exchange_ms=480)  # told after the book that knew it
    probe = played.first(-1)
    assert [probe[p.STATE], probe[p.AHEAD], probe[p.CANCELED]] == [p.RESTING, 1, 6]
    played.lob(600, row(asks=[(101, 25), (102, 20)]))
    played.trade(660, 101, 2, exchange_ms=580)
    assert played.first(-1)[p.STATE] == p.FILLED


def test_credit_of_a_later_book_counts_against_a_trade_that_both_knew(played: Played) -> None:
    played.lob(200)
    played.lob(300)  # 6 traded and 6 joined behind: nothing to be seen
    played.lob(310, row(asks=[(101, 7), (102, 20)]))  # so these 3 were behind us
    played.trade(390, 101, 6, exchange_ms=295)
    assert played.first(-1)[p.AHEAD] == 4


def test_what_traded_on_the_way_to_a_fill_counts_when_it_is_told_after_the_book() -> None:
    played = Played((2,))
    played.lob(0)
    played.lob(200)
    played.lob(300, row(bids=[(103, 5)], asks=[(104, 20)]), exchange_ms=295)
    assert played.first(-1)[p.STATE] == p.FILLED
    played.trade(390, 101, 10, exchange_ms=290)
    played.trade(390, 102, 15, exchange_ms=290)
    played.trade(395, 102, 40, exchange_ms=310)  # after the fill
    probe = played.first(-1)
    assert [probe[p.BETTER], probe[p.THROUGH]] == [30, 25]


def test_a_trade_told_before_its_book_does_not_count_twice(played: Played) -> None:
    played.lob(200)
    played.trade(300, 101, 6, exchange_ms=300)
    played.lob(310, row(asks=[(101, 4), (102, 20)]))
    probe = played.first(-1)
    assert [probe[p.AHEAD], probe[p.CANCELED]] == [4, 0]


def test_a_trade_from_before_the_arrival_is_not_ours(played: Played) -> None:
    played.lob(95, exchange_ms=90)
    played.lob(150, exchange_ms=140)
    played.trade(160, 102, 50, exchange_ms=80)
    assert played.first(-1)[p.STATE] == p.RESTING


def test_what_is_not_filled_expires_and_what_is_is_marked_a_horizon_later(played: Played) -> None:
    played.lob(200)
    played.trade(300, 102, 1)
    played.lob(2_300, row(bids=[(104, 5)], asks=[(106, 5)]))
    assert played.first(-1)[p.STATE] == p.FILLED
    played.lob(2_301)
    probe = played.first(-1)
    assert [probe[p.STATE], probe[p.AFTERWARD]] == [p.MARKED, 210]  # the mid of 105, not the one just come
    assert fills.edges_of(probe[None]).tolist() == [2 * 101 - 210]  # sold at 101: 4 ticks worse
    assert played.first(1)[p.STATE] == p.RESTING
    played.until(5_101)
    assert played.first(1)[p.STATE] == p.EXPIRED


def test_a_gap_takes_what_is_under_way(played: Played) -> None:
    played.lob(200)
    queue.give_up(played.probes)
    assert {int(state) for state in p.between(played.probes, 0, 2**62)[:, p.STATE]} == {p.VOID}
    played.until(5_000)
    assert len(p.between(played.probes, 0, 2**62)) == 2  # without a book nothing is placed
    assert not len(fills.finished(p.between(played.probes, 0, 2**62)))


def test_sides_are_mirror_images() -> None:
    """The same story with prices and sides turned round gives the same probes."""
    draws = np.random.default_rng(1)
    straight, mirrored = Played((0, 1, 2, 5)), Played((0, 1, 2, 5))
    at_ms = 0
    for _ in range(3_000):
        at_ms += int(draws.integers(1, 60))
        if draws.uniform() < 0.6:
            best = int(draws.integers(95, 105))
            bids = [(best - i, int(draws.integers(1, 30))) for i in range(6)]
            asks = [(best + 1 + i, int(draws.integers(1, 30))) for i in range(6)]
            straight.lob(at_ms, row(bids, asks))
            mirrored.lob(at_ms, row([(-price, size) for price, size in asks], [(-q, s) for q, s in bids]))
        else:
            price, lots = (
                int(draws.integers(93, 107)),
                int(draws.integers(1, 40)) * int(draws.choice([-1, 1])),
            )
            straight.trade(at_ms, price, lots, at_ms - 30)
            mirrored.trade(at_ms, -price, -lots, at_ms - 30)
    one, other = (p.between(each.probes, 0, 2**62) for each in (straight, mirrored))
    other = other.reshape(-1, 2, 4, p.COLUMNS)[:, ::-1].reshape(-1, p.COLUMNS)  # asks first
    other[:, p.SIDE] *= -1
    np.testing.assert_array_equal(one, other)
    assert len(np.unique(one[:, p.STATE])) >= 4


def test_errors_know_that_neighbors_see_the_same_market() -> None:
    """Fill rates of blocks that agree within: the error is that of blocks, not of probes."""
    setup = Setup(latency_ns=0, lifetime_ns=6 * SECOND, horizon_ns=4 * SECOND)
    draws = np.random.default_rng(2)
    rates = []
    for _ in range(300):
        fates = np.repeat(draws.uniform(size=30) < 0.4, 10)
        records = np.zeros((300, p.COLUMNS), np.int64)
        records[:, p.PLACED] = np.arange(300) * SECOND
        records[:, p.STATE] = np.where(fates, p.MARKED, p.EXPIRED)
        records[:, p.KEY] = 100
        records[:, p.AFTERWARD] = 2 * (100 - np.repeat(draws.integers(-5, 9, 30), 10))
        records[:, p.FILLED_AT] = records[:, p.PLACED] + SECOND
        rates.append(fills.depth_of(records, 0, np.full(300, 0.5), setup, 0.25))
    seen = np.array([each.fill_rate for each in rates])
    stated = np.sqrt(np.mean([each.fill_variance for each in rates]))
    assert stated == pytest.approx(seen.std(), rel=0.15)
    edges = np.array([each.edge_ticks for each in rates])
    assert np.sqrt(np.mean([each.edge_error**2 for each in rates])) == pytest.approx(edges.std(), rel=0.2)
    assert rates[0].blocks == 30
    assert rates[0].predicted == 0.5


def test_needs_and_predictions_follow_the_formula() -> None:
    records = np.zeros((4, p.COLUMNS), np.int64)
    records[:, p.STATE] = [p.MARKED, p.MARKED, p.EXPIRED, p.REJECTED]
    records[:, p.BETTER], records[:, p.THROUGH] = [10, 10, 10, 0], [5, 15, 1, 0]
    records[:, p.QUEUE], records[:, p.CANCELED] = [8, 0, 8, 0], [4, 0, 0, 0]
    needs = fills.needs_of(records, 1, own_lots=3)
    assert needs == (1.0, 0.25, 3, (0.25,))
    law = SizeLaw(20.0, -2.0)
    chances = fills.predicted(records, needs, law, 0.5)
    assert chances[0] == pytest.approx(0.5 * law.survival(np.array([10.0 + 0.75 * 8 + 3]))[0])
    assert chances[3] == 0.0
    assert fills.predicted(records, needs, None, 0.5).tolist() == [0.0] * 4


def test_cancels_are_of_each_depth_drawn_towards_the_side() -> None:
    counts, queues, canceled = (600, 60, 0, 3), (10, 40, 1, 20), (8, 10, 0, 20)
    records = np.zeros((sum(counts), p.COLUMNS), np.int64)
    records[:, p.STATE] = p.EXPIRED
    records[:, p.DEPTH] = np.repeat(np.arange(4), counts)
    records[:, p.QUEUE], records[:, p.CANCELED] = np.repeat(queues, counts), np.repeat(canceled, counts)
    needs = fills.needs_of(records, 5, own_lots=1)
    side = (600 * 8 + 60 * 10 + 3 * 20) / (600 * 10 + 60 * 40 + 3 * 20)
    assert needs.canceled == pytest.approx(side)
    near, middle, none, few, unknown = needs.canceled_at
    assert near == pytest.approx((600 * 0.8 + 60 * side) / 660)
    assert middle == pytest.approx((0.25 + side) / 2)  # as many probes as the side weighs
    assert few == pytest.approx((3 * 1.0 + 60 * side) / 63)  # three probes say little
    assert none == unknown == needs.canceled
    chances = fills.predicted(records, needs, SizeLaw(20.0, -2.0), 0.5)
    law = SizeLaw(20.0, -2.0)
    for place, row in ((0, 0), (1, 600), (3, 660)):
        volume = (1 - needs.canceled_at[place]) * queues[place] + 1
        assert chances[row] == pytest.approx(0.5 * law.survival(np.array([volume]))[0])


def test_slippage_is_what_walking_the_book_costs() -> None:
    books = np.stack([row(), row(asks=[(101, 30), (102, 20)])])
    buy, sell = Walk.of(books, 1), Walk.of(books, -1)
    assert buy.slippage_ticks(10) == 0.0
    # 25 lots: 10 at 101 and 15 a tick higher in the first book, all at 101 in the second.
    assert buy.slippage_ticks(25) == pytest.approx(15 / 25 / 2)
    assert sell.slippage_ticks(60) == pytest.approx((20 * 1 + 30 * 3) / 60)
    assert np.isnan(buy.slippage_ticks(1_000))
    assert np.isnan(Walk.of(books[:0], 1).slippage_ticks(1))
    told = buy.slippages()
    assert [lots for lots, _ in told] == [1, 2, 5, 10, 20, 50]
    assert all(ticks == pytest.approx(buy.slippage_ticks(lots)) for lots, ticks in told)


def test_books_count_by_the_time_they_stood() -> None:
    """Many books of one second are one."""
    narrow, wide = row(asks=[(101, 30)]), row(asks=[(105, 30)])
    row_ns = np.array([0, 100, 200, 300, 1_000, 2_500], np.int64) * MS
    books = first_of_seconds(np.stack([narrow, wide, wide, wide, narrow, wide]), row_ns)
    bid = int(narrow[0])
    assert spread_ticks(books) == pytest.approx(((101 - bid) * 2 + (105 - bid)) / 3)
    assert np.isnan(spread_ticks(books[:0]))


def test_prices_are_where_the_sizes_shown_reach_a_volume() -> None:
    assert price_at(row(), -1, 10.0) == 101
    assert price_at(row(), -1, 10.5) == 102
    assert price_at(row(), 1, 60.0) == 97
    assert price_at(row(), 1, 61.0) is None
    entries = Entries(np.zeros((0, 5), np.int64), np.stack([row()] * 3), np.zeros(3, np.int64))
    assert depth_for(entries, -1, 31.0) == 4
    assert depth_for(entries, -1, 61.0) is None
    volumes = np.array([5, 25, 50], np.int64)
    assert quantile_depths(entries, 1, volumes, np.array([0.0, 0.5, 1.0])) == [0, 1, 3]
