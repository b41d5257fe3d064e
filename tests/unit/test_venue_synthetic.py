"""The synthetic market: a function of its seed, whole in its books, and one in which our orders take part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest

from research.market_targets import compare
from services.collector.core import CollectorCore
from services.collector.feed import Out
from services.venue.synthetic.compiled import STAMP
from services.venue.synthetic.draws import exp, log, normal, uniform
from services.venue.synthetic.flow import run
from services.venue.synthetic.frames import Frames
from services.venue.synthetic.market import Block, SyntheticMarket
from services.venue.synthetic.parameters import MODELS
from services.venue.synthetic.state import DEPTH, OWN_EXPIRED, OWN_FILL, TICKER, TRADE
from shared.book import Book
from shared.messages import AggTrade, Lob, MarkPrice
from shared.units import MS, SECOND

START_NS = 1_700_000_000 * SECOND


@pytest.fixture(params=sorted(MODELS))
def market(request: pytest.FixtureRequest) -> SyntheticMarket:
    return SyntheticMarket(request.param, 7, START_NS)


def events(market: SyntheticMarket, seconds: float) -> Iterator[Block]:
    return market.advance(market.now_ns + round(seconds * SECOND))


def joined(blocks: Iterator[Block]) -> Block:
    parts = list(blocks)
    events = []
    shift = 0
    for part in parts:
        rows = part.events.copy()
        rows[rows[:, 0] == DEPTH, 5:] += shift
        shift += len(part.levels)
        events.append(rows)
    levels, rows = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    return Block(np.concatenate(events), levels, rows)


def test_the_same_seed_gives_the_same_market_however_time_is_cut(market: SyntheticMarket) -> None:
    again, other = (SyntheticMarket(market.symbol, seed, START_NS) for seed in (7, 8))
    whole = joined(events(market, 30))
    pieces = joined(block for _ in range(300) for block in events(again, 0.1))
    for one, two in zip(whole, pieces, strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(whole.rows[:100], joined(events(other, 30)).rows[:100])


def test_diffs_build_the_books_that_the_tiers_show(market: SyntheticMarket) -> None:
    book = Book()
    before: int | None = None
    book.load(market.levels(1, 10**6), market.levels(-1, 10**6))
    block = joined(events(market, 60))
    for row, depth in zip(block.rows, block.events[block.events[:, 0] == DEPTH], strict=True):
        _, _, first, update_id, previous, start, middle, end = depth.tolist()
        assert first == previous + 1 <= update_id
        assert before is None or previous == before
        before = update_id
        book.apply(
            [(price, size) for _, price, size in block.levels[start:middle].tolist()],
            [(price, size) for _, price, size in block.levels[middle:end].tolist()],
        )
        assert book.bids(20) + book.asks(20) == row.tolist()
        assert not book.is_crossed


def test_tickers_show_each_change_of_the_best_and_time_does_not_go_back(market: SyntheticMarket) -> None:
    block = joined(events(market, 30))
    assert (np.diff(block.events[:, 1]) >= 0).all()
    tickers = block.events[block.events[:, 0] == TICKER]
    assert (tickers[:, 3] < tickers[:, 5]).all()
    assert (tickers[:, [4, 6]] > 0).all()
    assert (np.diff(tickers[:, 3:7], axis=0) != 0).any(axis=1).all()
    trades = block.events[block.events[:, 0] == TRADE]
    assert np.array_equal(trades[:, 2], np.arange(1, len(trades) + 1))


def test_the_collector_follows_its_frames_without_a_gap(market: SyntheticMarket) -> None:
    counts: dict[str, int] = defaultdict(int)
    core = CollectorCore({market.symbol: market.scale}, counts)
    frames, kinds = Frames(market.symbol, market.scale), set()
    body = frames.snapshot(market.update_id, market.levels(1, 1000), market.levels(-1, 1000))
    is_asked = False
    for block in events(market, 20):
        for line in frames.of(block, market.now_ns):
            outputs = core.frame(line.recv_ns, f"{line.symbol.lower()}@{line.kind}", line.data)
            if not is_asked and line.kind == "depth":
                outputs += core.snapshot(line.recv_ns, market.symbol, body)
                is_asked = True
            kinds |= {type(out.message) for out in outputs if isinstance(out, Out)}
    assert {Lob, AggTrade, MarkPrice} <= kinds
    assert counts["gaps"] == counts["crossed"] == counts["parked"] == 0
    assert counts["bbo_checked"] == counts["bbo_agree"] > 0


def test_a_market_order_of_ours_takes_the_book_and_moves_it(market: SyntheticMarket) -> None:
    quiet = SyntheticMarket(market.symbol, 7, START_NS)
    for each in (market, quiet):
        joined(events(each, 10))
    asks = market.levels(-1, 12)
    lots = sum(size for _, size in asks[:10]) + 1
    placed = market.place(1, 1, asks[-1][0], lots, False)
    assert placed.fills[0][0] == asks[0][0]
    assert sum(size for _, size in placed.fills) == lots
    assert placed.left == 0
    assert market.best[1] == asks[10][0]
    told = joined(events(market, 0)).events
    assert told[told[:, 0] == OWN_FILL][:, 4].sum() == lots == told[told[:, 0] == TRADE][:, 4].sum()
    rows, usual = (joined(events(each, 2)).rows[-1] for each in (market, quiet))
    assert not np.array_equal(rows, usual)


def test_a_resting_order_waits_its_turn_and_is_filled_by_takers(market: SyntheticMarket) -> None:
    joined(events(market, 10))
    bid, ahead = market.levels(1, 1)[0]
    assert market.place(1, 1, bid, 5, True).left == 5
    assert market.levels(1, 1)[0] == (bid, ahead + 5)
    filled = 0
    for _ in range(3000):
        told = joined(events(market, 0.1)).events
        mine = told[told[:, 0] == OWN_FILL]
        filled += mine[:, 4].sum()
        assert (mine[:, 3] == bid).all()
        assert (mine[:, 5] == 1).all()
        if filled == 5:
            break
    assert filled == 5
    assert market.cancel(1) == 0


def test_a_cancelled_order_is_gone_and_nothing_else(market: SyntheticMarket) -> None:
    bid = market.best[0]
    before = market.levels(1, 50)
    market.place(1, 1, bid - 3, 9, True)
    assert market.levels(1, 50) != before
    assert market.cancel(1) == 9
    assert market.cancel(1) == 0
    assert market.levels(1, 50) == before


def test_our_orders_never_meet_each_other(market: SyntheticMarket) -> None:
    ask = market.best[1]
    size = market.levels(-1, 1)[0][1]
    market.place(1, -1, ask, 4, True)
    placed = market.place(2, 1, ask, size + 4, False)
    assert placed.left == 4
    told = joined(events(market, 0)).events
    assert told[told[:, 0] == OWN_EXPIRED][:, 2:4].tolist() == [[1, 4]]
    assert (told[told[:, 0] == OWN_FILL][:, 2] == 2).all()


def test_a_side_that_is_taken_whole_comes_back(market: SyntheticMarket) -> None:
    placed = market.place(1, -1, 1, 10**12, False)
    assert placed.left > 0
    for _ in events(market, 5):
        pass
    bid, ask = market.best
    assert ask - bid < 50
    assert len(market.levels(1, 20)) == 20


def test_the_draws_are_what_they_say() -> None:
    seeds = np.array([1], np.uint64)
    flat = np.array([uniform(seeds) for _ in range(20_000)])
    bell = np.array([normal(seeds) for _ in range(20_000)])
    assert 0 < flat.min() < flat.max() < 1
    assert flat.mean() == pytest.approx(0.5, abs=0.01)
    assert bell.mean() == pytest.approx(0, abs=0.03)
    assert bell.std() == pytest.approx(1, abs=0.03)
    for x in (1e-12, 0.3, 1.0, 7.5, 1e9):
        assert log(x) == pytest.approx(np.log(x), abs=1e-9)
    for x in (-30.0, -1.0, 0.0, 0.5, 20.0):
        assert exp(x) == pytest.approx(np.exp(x), rel=1e-9)


def test_the_cache_is_stamped_with_all_that_is_compiled() -> None:
    assert run._cache._cache_file._source_stamp == STAMP  # type: ignore[attr-defined]


def test_a_symbol_without_targets_is_held_to_none() -> None:
    assert compare("SOLUSDT", {}) == []


def test_marks_come_each_second(market: SyntheticMarket) -> None:
    frames = Frames(market.symbol, market.scale)
    lines = [line for block in events(market, 5) for line in frames.of(block, market.now_ns)]
    marks = [line.recv_ns for line in lines if line.kind == "markPrice"]
    assert marks == [START_NS + i * SECOND for i in range(1, 6)]
    assert [line.recv_ns // MS for line in lines] == sorted(line.recv_ns // MS for line in lines)
