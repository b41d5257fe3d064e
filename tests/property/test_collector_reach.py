"""A market that walks out of its snapshot: levels that never change are published, or there is a gap."""

from __future__ import annotations

import json
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.core import CollectorCore
from services.collector.feed import Out, WantSnapshot
from shared.codec import unpack_tiers
from shared.messages import FeedStatus, Lob, Message
from shared.units import MS, Scale

UNIT = Scale(10**9, 10**9)
DEPTH = 60  # levels a side of a snapshot here
MID = 5_000


def size_of(price: int) -> int:
    return 1 + price % 7


class Market:
    """Every tick has a level, of a size that never changes; one tick changes sides where the mid moves."""

    def __init__(self, moves: list[int]) -> None:
        self.mids = [MID]
        for move in moves:
            self.mids.append(self.mids[-1] + move)

    def frame(self, index: int) -> bytes:
        """The diff that leads to state `index`; its `u` is the index."""
        before, now = self.mids[index - 1], self.mids[index]
        bids, asks = [], []
        if now < before:  # the bid at `now` became an ask
            bids, asks = [[str(now), "0"]], [[str(now), str(size_of(now))]]
        elif now > before:
            bids, asks = [[str(before), str(size_of(before))]], [[str(before), "0"]]
        ids = {"U": index, "u": index, "pu": index - 1}
        return json.dumps(
            {"e": "depthUpdate", "E": 1, "T": 1, "s": "S", **ids, "b": bids, "a": asks}
        ).encode()

    def side(self, index: int, sign: int, count: int) -> list[int]:
        """[price, size, ...] of the best `count` bids (-1) or asks (1)."""
        mid = self.mids[index]
        prices = range(mid, mid + count) if sign > 0 else range(mid - 1, mid - 1 - count, -1)
        return [number for price in prices for number in (price, size_of(price))]

    def snapshot(self, index: int, wrong: int = 0) -> bytes:
        """`wrong` is added to the sizes of the bids."""
        bids, asks = self.side(index, -1, DEPTH), self.side(index, 1, DEPTH)
        return json.dumps(
            {
                "lastUpdateId": index,
                "bids": [[str(p), str(q + wrong)] for p, q in zip(bids[::2], bids[1::2], strict=True)],
                "asks": [[str(p), str(q)] for p, q in zip(asks[::2], asks[1::2], strict=True)],
            }
        ).encode()


def run(market: Market, delays: list[int], *, asks_on: bool = True) -> tuple[list[Message], dict[str, int]]:
    """The entries. A snapshot of state n is answered `delay` frames later; one that is short asks on."""
    counts: defaultdict[str, int] = defaultdict(int)
    core = CollectorCore({"S": UNIT}, counts)
    due: list[tuple[int, int]] = []  # (arrives with this frame, of which state)
    out = []
    for index in range(1, len(market.mids)):
        outputs = core.frame(index * MS, "s@depth@100ms", market.frame(index))
        while due and due[0][0] <= index:
            outputs += core.snapshot(index * MS, "S", market.snapshot(due.pop(0)[1]))
        is_wanted = any(isinstance(one, WantSnapshot) for one in outputs)
        if is_wanted or (asks_on and not due and core.short()):
            # It may be newer than what has come, as REST and the socket go.
            delay = delays[index % len(delays)]
            due.append((index + delay, min(index + delay // 2 + 1, len(market.mids) - 1)))
        out += outputs
    return [one.message for one in out if isinstance(one, Out)], counts


def untrue(market: Market, messages: list[Message]) -> list[int]:
    """The `u` of every book that is not the true one."""
    return [
        one.update_id
        for one in messages
        if isinstance(one, Lob)
        and (unpack_tiers(one.bids), unpack_tiers(one.asks))
        != (market.side(one.update_id, -1, 20), market.side(one.update_id, 1, 20))
    ]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([-1, -1, -1, 0, 1]), min_size=200, max_size=300),
    st.lists(st.integers(0, 8), min_size=1, max_size=9),
    st.sampled_from([-1, 1]),
)
def test_every_book_is_true_wherever_the_market_goes(moves: list[int], delays: list[int], way: int) -> None:
    market = Market([way * move for move in moves])
    messages, counts = run(market, delays)
    assert untrue(market, messages) == []
    assert [one.state for one in messages if isinstance(one, FeedStatus)] == ["syncing", "live"]
    walked = max(abs(mid - MID) for mid in market.mids)
    assert counts["snapshots_filled"] > 0 or walked < DEPTH


def test_without_further_snapshots_books_lack_levels() -> None:
    market = Market([-1] * 100)
    messages, _ = run(market, [0], asks_on=False)
    assert untrue(market, messages)


def test_snapshot_that_comes_too_late_is_a_gap_and_the_book_is_true_again() -> None:
    market = Market([-1] * 120)
    messages, counts = run(market, [50])
    states = [one.state for one in messages if isinstance(one, FeedStatus)]
    assert states[:4] == ["syncing", "live", "gap", "live"]
    assert counts["snapshots_late"] >= 1
    at = next(at for at, one in enumerate(messages) if isinstance(one, FeedStatus) and one.state == "gap")
    first = next(one for one in messages[at:] if isinstance(one, Lob))
    assert first.update_id not in untrue(market, messages)


def test_book_that_differs_from_a_snapshot_is_a_gap_and_begins_anew() -> None:
    market = Market([-1, 1] * 10)
    core = CollectorCore({"S": UNIT}, defaultdict(int))
    out = core.frame(1, "s@depth", market.frame(1)) + core.snapshot(1, "S", market.snapshot(1))
    for index in range(2, 10):
        out += core.frame(index * MS, "s@depth", market.frame(index))
    out += core.snapshot(10 * MS, "S", market.snapshot(8))
    said = [one.message for one in out if isinstance(one, Out) and isinstance(one.message, FeedStatus)]
    assert [one.state for one in said] == ["syncing", "live"]
    gap = core.snapshot(10 * MS, "S", market.snapshot(8, wrong=1))
    (status,) = [one.message for one in gap if isinstance(one, Out)]
    assert isinstance(status, FeedStatus)
    assert (status.state, "differs from a snapshot" in status.reason) == ("gap", True)
    assert any(isinstance(one, WantSnapshot) for one in core.frame(11 * MS, "s@depth", market.frame(10)))
