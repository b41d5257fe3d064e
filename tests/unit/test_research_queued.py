"""Simulated entries that wait in the queue: what fills them, what does not, told by hand; and on a recording
against the probes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from model_data import drawn

from research.dataset import Dataset, load, sample
from research.flow.entries import entries_of, probe
from research.labels import Floats
from research.market import market_entries
from research.queued import Queue
from research.simulate import MAKER_FEE, Simulation, simulate
from services.features.continuity import MARKET_KINDS
from services.features.flow import probe as p
from services.features.flow.probe import Setup
from services.recorder.archive import Archive
from services.recorder.core import Limits
from shared import codec
from shared.errors import BadInput
from shared.messages import AggTrade, FeedStatus, Halt, Lob, Market, Message
from shared.settings import Settings
from shared.units import MS, SECOND

START = 1_723_161_255 * SECOND
SCALE = (100_000_000, 1_000_000)  # tick 0.1, lot 0.001
BIDS = [(1000, 10), (999, 20), (997, 30)]
ASKS = [(1001, 10), (1002, 20), (1005, 30)]


class Story:
    """Market entries told by hand; times are milliseconds after START. A book comes every 200 ms."""

    def __init__(self) -> None:
        self.market: list[Market] = []
        self._epoch, self._seq = 1, 0
        self._book = (BIDS, ASKS)
        self._book_ms = -200

    def quiet(self, until_ms: int) -> Story:
        """The same book again, up to a time and at it, if it is one of a book's."""
        while self._book_ms + 200 <= until_ms:
            self._lob(self._book_ms + 200)
        return self

    def book(self, at_ms: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> Story:
        """Another book from a time on."""
        self.quiet(at_ms - 1)
        self._book = (bids, asks)
        self._lob(at_ms)
        return self

    def trade(self, at_ms: int, price: int, signed_lots: int) -> Story:
        self.quiet(at_ms)
        side = 1 if signed_lots > 0 else -1
        facts, number = self._facts(at_ms), self._seq
        lots = abs(signed_lots)
        self.market.append(AggTrade(*facts, number, number, number, price, lots, side, *SCALE))
        return self

    def gap(self, at_ms: int) -> Story:
        """Something was lost; the book is whole again at once."""
        self.quiet(at_ms)
        self.market.append(FeedStatus(*self._facts(at_ms), "gap", "pu"))
        self._epoch += 1
        self.market.append(FeedStatus(*self._facts(at_ms), "live", ""))
        return self

    def data(self) -> Dataset:
        return sample("BTCUSDT", [(f"{at}-0", one) for at, one in enumerate(self.market)])

    def _lob(self, at_ms: int) -> None:
        self._book_ms = at_ms
        tiers = [codec.pack_tiers([part for tier in side for part in tier]) for side in self._book]
        self.market.append(Lob(*self._facts(at_ms), self._seq, *SCALE, *tiers))

    def _facts(self, at_ms: int) -> tuple[int, int, int, int]:
        self._seq += 1
        return self._seq, self._epoch, START + at_ms * MS - 5 * MS, START + at_ms * MS


class Told:
    """A model that says what it was given, by the seconds after START that rows are of."""

    def __init__(self, moves: dict[int, float]) -> None:
        self._moves = moves

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        seconds = -((START - data.recv_ns) // SECOND)
        return np.array([self._moves.get(int(at), nan) for at in seconds])


def rested(
    story: Story, moves: dict[int, float], period: int = 5, lifetime_ns: int | None = None
) -> Simulation:
    """Signals of 1 and more, half a coin each."""
    data = story.data()
    return simulate(
        Told(moves), data, period, 1.0, 0.5, "queue-aware", lifetime_ns=lifetime_ns, market=story.market
    )


def fates(done: Simulation) -> tuple[int, int, int, int]:
    orders = done.orders
    assert orders.placed == orders.filled + orders.missed + orders.rejected + orders.unknown
    assert orders.filled == len(done.trades)
    return orders.filled, orders.missed, orders.rejected, orders.unknown


def test_a_trade_through_the_price_fills_and_a_taker_leaves_a_period_later() -> None:
    story = Story().trade(3_050, 999, -1)
    story.book(6_000, [(1010, 5)], [(1012, 5)]).quiet(20_000)
    done = rested(story, {2: 1.5})
    assert fates(done) == (1, 0, 0, 0)
    (trade,) = done.trades
    assert (trade.side, trade.time_ns - START) == ("buy", 2 * SECOND)
    assert (trade.entry_ns - START, trade.exit_ns - START) == (3_050 * MS, 8_050 * MS)
    assert (trade.entry, trade.exit) == pytest.approx((100.0, 101.0))  # our own best price, then the bid
    assert trade.gross == pytest.approx(0.5 * 1.0)
    assert trade.fees == pytest.approx(0.5 * (0.0002 * 100.0 + 0.0005 * 101.0))
    assert trade.pnl == done.net == pytest.approx(trade.gross - trade.fees)
    assert trade.win
    assert not trade.crosses_gap


def test_the_queue_in_front_must_be_gone_first() -> None:
    story = Story().trade(3_050, 1001, 4).trade(3_150, 1001, 6).trade(3_250, 1000, -9)
    assert fates(rested(story.quiet(20_000), {2: -1.5})) == (0, 1, 0, 0)
    story = Story().trade(3_050, 1001, 4).trade(3_150, 1001, 6).trade(3_160, 1001, 1)
    done = rested(story.quiet(20_000), {2: -1.5})
    (trade,) = done.trades
    assert (trade.side, trade.entry_ns - START) == ("sell", 3_160 * MS)
    assert (trade.entry, trade.exit) == pytest.approx((100.1, 100.1))  # sold and bought back at the ask
    assert trade.gross == pytest.approx(0.0)


def test_what_is_not_filled_is_missed_and_the_next_may_be_placed() -> None:
    story = Story()
    story.book(4_000, [(1020, 5)], [(1021, 5)])  # it runs away, as was predicted
    story.trade(9_000, 1019, -1).quiet(20_000)
    done = rested(story, dict.fromkeys(range(2, 9), 2.0))
    # Placed at 2 s and there from 2.1 to 7.1; the next signal that finds no order is that of 8 s.
    assert fates(done) == (1, 1, 0, 0)
    assert done.trades[0].time_ns == START + 8 * SECOND
    assert done.orders.missed_move == pytest.approx(2.0)
    assert done.orders.filled_move == pytest.approx(0.0)
    assert done.remark.endswith(
        "Of 2 orders 1 were filled, 1 missed; the mid went +0 after those filled and +2 after those missed "
        "in the predicted direction."
    )
    assert "withdrawn 5 s after that" in done.assumption


def test_no_trade_has_no_win_rate() -> None:
    done = rested(Story().quiet(20_000), {2: 1.0})
    assert (fates(done), done.net, done.fees) == ((0, 1, 0, 0), 0.0, 0.0)
    assert isnan(done.win_rate)
    assert isnan(done.orders.filled_move)


def test_an_order_that_would_take_when_it_comes_is_rejected() -> None:
    story = Story().quiet(2_000).book(2_050, [(999, 5)], [(1000, 5)]).trade(2_500, 998, -50).quiet(20_000)
    done = rested(story, {2: 1.0})
    assert fates(done) == (0, 0, 1, 0)
    assert done.orders.told == "Of 1 orders 0 were filled, 0 missed, 1 rejected as post-only."
    # The other side is only farther away.
    assert fates(rested(story, {2: -1.0})) == (0, 1, 0, 0)


def test_a_gap_while_it_rests_leaves_it_unknown() -> None:
    story = Story().gap(3_500).trade(4_000, 990, -100).quiet(20_000)
    done = rested(story, {2: 1.0, 5: 1.0, 8: 1.0})
    # The book before a trade is of the new chain again; what rested through the gap is not asked any more.
    assert fates(done) == (0, 1, 0, 1)
    lost = Story()
    lost.quiet(3_000)
    lost.market.pop()  # a jump of seq tells it as well
    assert fates(rested(lost.trade(4_000, 990, -100).quiet(20_000), {2: 1.0})) == (0, 0, 0, 1)


def test_a_gap_while_the_position_is_open_is_left_at_a_book_after_it() -> None:
    story = Story().trade(3_050, 999, -1).gap(3_060).quiet(20_000)
    done = rested(story, {2: 1.0})
    assert fates(done) == (1, 0, 0, 0)  # filled before it, if only by 10 ms
    (trade,) = done.trades
    assert trade.crosses_gap
    assert (trade.entry_ns - START, trade.exit_ns - START) == (3_050 * MS, 8_200 * MS)


@pytest.mark.parametrize(
    ("period", "lifetime_ns", "is_filled"),
    [(10, None, True), (5, None, True), (3, None, False), (3, 5 * SECOND, True), (10, 2 * SECOND, False)],
)
def test_it_is_withdrawn_after_its_lifetime(period: int, lifetime_ns: int | None, is_filled: bool) -> None:
    story = Story().trade(6_500, 999, -1).quiet(30_000)  # 4.4 s after it came
    assert fates(rested(story, {2: 1.0}, period, lifetime_ns))[0] == is_filled


def test_what_may_end_behind_the_data_is_not_opened() -> None:
    # 0.1 + 5 + 5 s after 2 s.
    none = rested(Story().quiet(12_000), {2: 1.0}).orders
    assert (none.placed, none.told) == (0, "No order was placed.")
    assert rested(Story().quiet(12_200), {2: 1.0}).orders.placed == 1


def test_no_more_is_read_than_an_order_meets() -> None:
    story = Story().quiet(60_000)
    read: list[Market] = []

    def told() -> Iterator[Market]:
        for one in story.market:
            read.append(one)
            yield one

    queue = Queue(told())
    assert queue.rest(1, START + 2 * SECOND, Setup()).state == p.EXPIRED
    assert read[-1].recv_ns == START + 7_200 * MS  # the first after 2 + 0.1 + 5 s
    assert queue.rest(-1, START + 3 * SECOND, Setup()).state == p.EXPIRED
    assert read[-1].recv_ns == START + 8_200 * MS
    assert queue.rest(1, START + 40 * SECOND, Setup()).state == p.EXPIRED
    assert len(queue.held) == 27  # the books of 40 to 45.2 s: what passed meanwhile was let go


def test_a_makers_fee_is_that_of_the_setting() -> None:
    assert Settings.model_fields["maker_fee"].default == MAKER_FEE
    free = Story().trade(3_050, 999, -1).quiet(20_000)
    data = free.data()
    done = simulate(
        Told({2: 1.0}), data, 5, 1.0, 1.0, "queue-aware", 0.001, maker_fee=-0.0001, market=free.market
    )
    assert done.fees == pytest.approx(0.0009 * 100.0)
    assert "a maker's fee of -0.01 % and a taker's of 0.1 %" in done.remark


def test_what_is_refused(tmp_path: Path) -> None:
    story = Story().quiet(20_000)
    data, told = story.data(), Told({2: 1.0})

    def refused(text: str, market: Sequence[Message] | None, lifetime_ns: int | None = None) -> None:
        with pytest.raises(BadInput, match=text):
            simulate(told, data, 5, 1.0, 0.5, "queue-aware", lifetime_ns=lifetime_ns, market=market)

    refused(r"take them from research.dataset.load\(FILE\), or give the market entries", None)
    refused("end before the rows do", story.market[:20])
    refused("end before the rows do", [])
    refused("begin after the rows", story.market[40:])
    others = Story().book(1_000, [(1001, 5)], [(1002, 5)]).quiet(20_000)
    refused("not those that the rows were made of", others.market)
    refused("Halt among market entries", [Halt(START, "", "")])
    refused("lifetime of an order must be above zero", story.market, 0)
    data = replace(data, paths=(tmp_path / "gone",))
    refused("gone: no such file or folder", None)


def test_rows_without_a_recording_are_told_what_to_do() -> None:
    with pytest.raises(BadInput, match="these rows are not of a recording"):
        simulate(Told({}), drawn(60), fill="queue-aware")


class Leaning:
    """A model that follows the imbalance."""

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        return data.imbalance_5


@pytest.mark.recorded
def test_one_call_on_a_recording_and_on_what_a_recorder_wrote_of_it(btc: Path, tmp_path: Path) -> None:
    raw = simulate(Leaning(), load(btc), period=10, threshold=0.5, size=0.01, fill="queue-aware")
    assert min(fates(raw)[:2]) > 5
    assert all(later.time_ns >= before.exit_ns for before, later in pairwise(raw.trades))
    # Who is filled is who was wrong.
    assert raw.orders.filled_move < raw.orders.missed_move
    rows = [(entry_id.encode(), codec.encode(one)) for _, entry_id, one in market_entries([btc])]
    with Archive(tmp_path / "run", Limits()) as archive:
        archive.resume("market:{BTCUSDT}")
        archive.add("market:{BTCUSDT}", rows, 0.0)
    data = load(tmp_path / "run")
    recorded = simulate(Leaning(), data, period=10, threshold=0.5, size=0.01, fill="queue-aware")
    assert recorded == raw
    # A later part alone needs nothing of what came before.
    half = simulate(Leaning(), data.part(0.5, 1.0), period=10, threshold=0.5, size=0.01, fill="queue-aware")
    assert half.trades


@pytest.mark.recorded
def test_an_order_fares_as_the_probe_of_its_second(btc: Path) -> None:
    market = [one for _, _, one in market_entries([btc]) if isinstance(one, MARKET_KINDS)]
    entries = entries_of(market)
    assert entries is not None
    setup = Setup()
    probes = probe(entries, (0,), setup)
    records = p.between(probes, 0, entries.until_ns - setup.whole_ns)
    queue, seen = Queue(market), set()
    assert len(records) > 600
    for record in records:
        side = int(record[p.SIDE])
        done = queue.rest(side, int(record[p.PLACED]), setup)
        state = p.FILLED if record[p.STATE] == p.MARKED else record[p.STATE]
        assert (done.state, -side * done.price_ticks) == (state, record[p.KEY])
        if done.state == p.FILLED:
            assert done.until_ns == record[p.FILLED_AT]
        seen.add(done.state)
    assert seen >= {p.FILLED, p.EXPIRED, p.REJECTED}
