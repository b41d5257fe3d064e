"""The features core by hand: known answers, where chains begin and end, and what it refuses."""

from __future__ import annotations

import pytest

from services.features.core import FeaturesCore
from services.features.schema import NAMES, SCHEMA_HASH, WIDTH
from shared.codec import pack_tiers, unpack_values
from shared.messages import (
    AggTrade,
    FeatureVector,
    FeedStatus,
    Flow,
    Halt,
    Heartbeat,
    Lob,
    MarkPrice,
    Message,
)
from shared.units import MS, SECOND

START_NS = 1_700_000_000 * SECOND
BIDS, ASKS = [1000, 300, 999, 500], [1002, 100, 1003, 500]


class Feed:
    """Entries of one symbol, one after the other, each `step_ms` after the last."""

    def __init__(self, seq: int = 0) -> None:
        self.core = FeaturesCore()
        self.seq = seq
        self.epoch = 1
        self.now_ns = START_NS
        self.tick_e9 = 100_000_000

    def send(self, kind: type[Message], step_ms: int = 0, **fields: object) -> list[Message]:
        self.now_ns += step_ms * MS
        stamps = {"seq": self.seq, "epoch": self.epoch, "exchange_ns": 0, "recv_ns": self.now_ns}
        self.seq += 1
        said = self.core.handle(kind(**stamps, **fields), b"1-0")
        return [message for message in said if not isinstance(message, Flow)]  # test_features_flow.py

    def lob(self, step_ms: int = 100, bids: list[int] = BIDS, asks: list[int] = ASKS) -> FeatureVector:
        sizes = {"tick_e9": self.tick_e9, "lot_e9": 1_000_000}
        packed = {"bids": pack_tiers(bids), "asks": pack_tiers(asks)}
        (vector,) = self.send(Lob, step_ms, update_id=1, **sizes, **packed)
        assert isinstance(vector, FeatureVector)
        return vector

    def trade(self, side: int, size_lots: int, step_ms: int = 0) -> None:
        ids = dict.fromkeys(("agg_id", "first_id", "last_id"), self.seq)
        sizes = {"price_ticks": 1000, "size_lots": size_lots, "tick_e9": self.tick_e9, "lot_e9": 1_000_000}
        assert self.send(AggTrade, step_ms, **ids, **sizes, side=side) == []

    def status(self, state: str) -> None:
        assert self.send(FeedStatus, state=state, reason="") == []

    def heartbeat(self, step_ms: int = 100) -> None:
        assert self.send(Heartbeat, step_ms) == []


def values(vector: FeatureVector) -> dict[str, float]:
    return dict(zip(NAMES, unpack_values(vector.values), strict=True))


def test_a_vector_carries_its_lob() -> None:
    feed = Feed()
    vector = feed.lob()
    assert (vector.recv_ns, vector.schema, vector.clean_ns) == (feed.now_ns, SCHEMA_HASH, 0)
    assert (vector.bid_ticks, vector.ask_ticks, vector.tick_e9) == (1000, 1002, 100_000_000)
    assert len(vector.values) == 8 * WIDTH


def test_tiers_are_in_currency_and_absent_ones_are_zero() -> None:
    got = values(Feed().lob())
    assert got["spread"] == 0.2
    assert (got["bid_distance_1"], got["bid_distance_2"], got["ask_distance_2"]) == (0.1, 0.2, 0.2)
    assert (got["bid_size_1"], got["bid_size_2"], got["ask_size_1"]) == (0.3, 0.5, 0.1)
    assert (got["bid_distance_3"], got["ask_size_20"]) == (0.0, 0.0)


def test_book_features_by_hand() -> None:
    got = values(Feed().lob())
    assert got["imbalance_1"] == 0.5
    assert got["imbalance_5"] == got["imbalance_20"] == 200 / 1400
    assert got["microprice_5"] == pytest.approx((300 + 2 * 500 - 100 - 2 * 500) / (300 + 100 + 4 * 500))


def test_order_flow_by_hand() -> None:
    feed = Feed()
    assert values(feed.lob())["ofi_1_1s"] == 0.0
    # The best bid gains 50, the best ask is eaten away: its 100 leave, so the next is a level higher.
    got = values(feed.lob(bids=[1000, 350, 999, 500], asks=[1003, 500]))
    assert got["ofi_1_1s"] == 1.0
    assert got["ofi_5_1s"] == (50 + 100 + 500) / (50 + 100 + 500)
    # The bid falls back: its 350 are lost. Over half a second: (150 - 350) / (150 + 350).
    assert values(feed.lob(bids=[999, 500], asks=[1003, 500]))["ofi_1_500ms"] == -0.4


def test_trades_leave_the_window_at_its_very_end() -> None:
    feed = Feed()
    feed.lob()
    feed.trade(+1, 30)
    feed.trade(-1, 10)
    assert values(feed.lob(499))["trades_500ms"] == 0.5
    got = values(feed.lob(1))
    assert (got["trades_500ms"], got["trades_1s"]) == (0.0, 0.5)


def test_sigma_needs_five_changes_and_is_at_least_a_tick() -> None:
    feed = Feed()
    for _ in range(60):
        assert values(feed.lob())["sigma_30s"] == 0.0
    assert feed.lob().clean_ns == 6 * SECOND
    assert values(feed.lob())["sigma_30s"] == pytest.approx(0.1)  # flat, so the floor


def test_sigma_is_the_rms_of_changes_between_full_seconds() -> None:
    feed = Feed()
    for i in range(40):
        up = 10 * (i % 2)
        feed.lob(1000, bids=[1000 + up, 1], asks=[1002 + up, 1])
    assert values(feed.lob(1))["sigma_30s"] == pytest.approx(1.0)  # ten ticks of 0.1 each second


def test_the_slow_sigma_is_there_with_the_fast_one_and_remembers_ten_minutes() -> None:
    feed = Feed()
    for _ in range(60):
        assert values(feed.lob())["sigma_600s"] == 0.0
    feed.lob()
    for i in range(1 + 40 + 800):
        up = 10 * (i % 2) if i < 41 else 0
        got = values(feed.lob(1000, bids=[1000 + up, 1], asks=[1002 + up, 1]))
        assert got["sigma_600s"] >= 0.1 * 0.999
        if i == 40:  # 40 changes of ten ticks, and the flat ones before
            assert got["sigma_600s"] < got["sigma_30s"] == pytest.approx(1.0)
        if i == 200:  # the fast one has forgotten them
            assert got["sigma_30s"] == pytest.approx(0.1)
            assert got["sigma_600s"] > 0.4
    assert got["sigma_600s"] == pytest.approx(0.1)
    feed.status("gap")
    assert values(feed.lob())["sigma_600s"] == 0.0


@pytest.mark.parametrize(
    "end", ["gap", "stale", "crossed", "syncing", "live", "jump", "epoch", "tick", "quiet"]
)
def test_what_ends_a_chain(end: str) -> None:
    feed = Feed()
    feed.lob()
    feed.trade(+1, 10)
    assert feed.lob().clean_ns == 100 * MS
    step_ms = 100
    if end == "jump":
        feed.seq += 1
    elif end == "epoch":
        feed.epoch += 1
    elif end == "tick":
        feed.tick_e9 = 10_000_000
    elif end == "quiet":
        step_ms = 10_001
    else:
        feed.status(end)
    feed.trade(+1, 10)  # belongs to no chain
    vector = feed.lob(step_ms)
    got = values(vector)
    assert vector.clean_ns == 0
    assert got["trades_5s"] == 0.0
    assert got["imbalance_1"] == 0.5  # the book needs no past
    assert feed.lob().clean_ns == 100 * MS


def test_clean_time_ends_at_a_minute_and_other_entries_change_nothing() -> None:
    feed = Feed()
    feed.lob()
    marks = dict.fromkeys(("mark_e9", "index_e9", "funding_rate_e9", "next_funding_ns"), 0)
    for _ in range(7):
        feed.heartbeat(9_000)
        assert feed.send(MarkPrice, **marks) == []
        vector = feed.lob(999)
    assert vector.clean_ns == 60 * SECOND


def test_a_core_that_begins_in_the_middle_is_silent_for_ten_minutes() -> None:
    feed = Feed(seq=17)
    for _ in range(6120):
        feed.lob()
        assert not feed.core.is_warm
    feed.lob()
    assert feed.core.is_warm


@pytest.mark.parametrize("known", ["from the start", "by a gap", "by silence"])
def test_a_core_is_warm_as_soon_as_its_past_cannot_matter(known: str) -> None:
    feed = Feed(seq=0 if known == "from the start" else 17)
    if known == "by a gap":
        feed.status("gap")
    elif known == "by silence":
        for _ in range(101):
            feed.heartbeat()
    feed.lob()
    assert feed.core.is_warm


def test_rings_that_grow_change_nothing() -> None:
    small, large = Feed(), Feed()
    small.core = FeaturesCore(ring=1)
    for feed in (small, large):
        feed.lob()
    for i in range(3000):  # far more than a ring holds, in less than the shortest window
        for feed in (small, large):
            feed.trade((-1) ** (i % 3), i + 1)
    bids = [[1000, size, 999, 500] for size in range(1, 400)]
    for side in bids:
        assert small.lob(1, bids=side) == large.lob(1, bids=side)


@pytest.mark.parametrize(
    ("bids", "asks"),
    [(b"\1" * 24, b"\1" * 16), (b"", b"\1" * 16), (b"\1" * 16, b"\1" * 16 * 21)],
    ids=["torn", "empty", "too many"],
)
def test_a_malformed_lob_is_a_broken_invariant(bids: bytes, asks: bytes) -> None:
    with pytest.raises(ValueError, match="tiers"):
        Feed().send(Lob, update_id=1, tick_e9=1, lot_e9=1, bids=bids, asks=asks)


def test_a_crossed_lob_is_a_broken_invariant() -> None:
    with pytest.raises(ValueError, match="crossed"):
        Feed().lob(bids=[1002, 1], asks=[1002, 1])


def test_time_that_goes_back_is_a_broken_invariant() -> None:
    feed = Feed()
    feed.lob()
    with pytest.raises(ValueError, match="before"):
        feed.lob(-1)


def test_a_message_of_another_stream_is_a_broken_invariant() -> None:
    with pytest.raises(ValueError, match="Halt"):
        FeaturesCore().handle(Halt(at_ns=0, who="", why=""), b"1-0")
