"""Any sequence of diffs, drops, duplicates, reorderings and late snapshots ends in the true book or in a gap
that was said, never in a wrong book. Frames go in as bytes and entries come out, as in the service."""

from __future__ import annotations

import json
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.core import CollectorCore
from services.collector.feed import Out, Output, WantSnapshot
from shared.book import Book
from shared.codec import unpack_tiers
from shared.messages import FeedStatus, Lob
from shared.units import MS, Scale

UNIT = Scale(10**9, 10**9)
Sizes = dict[int, int]

side = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 3)), max_size=4)
changes = st.lists(st.tuples(side, side, st.integers(1, 4)), min_size=5, max_size=50)
faults = st.lists(
    st.sampled_from(["send"] * 8 + ["drop", "twice", "swap", "late", "lost"]), min_size=50, max_size=50
)


class Venue:
    """The truth: diffs as bytes, and both sides of the book after each."""

    def __init__(
        self, steps: list[tuple[list[tuple[int, int]], list[tuple[int, int]], int]], dense: bool
    ) -> None:
        book = Book()
        book.apply([(1, 1)], [(100, 1)])  # never deleted: there are always two sides
        self.states: list[tuple[Sizes, Sizes]] = [(dict(book.bid_sizes), dict(book.ask_sizes))]
        self.frames: list[bytes] = []
        self.ids = [0]
        for bids, asks, width in steps:
            first, last = self.ids[-1] + 1, self.ids[-1] + width
            bid_rows, ask_rows = (
                [(40 - price, size) for price, size in bids],
                [(60 + p, size) for p, size in asks],
            )
            frame = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": last}
            if not dense:  # futures: U says little, pu names the diff before
                frame |= {"T": 1, "U": first, "pu": self.ids[-1]}
            rows = {
                "b": [[str(p), str(s)] for p, s in bid_rows],
                "a": [[str(p), str(s)] for p, s in ask_rows],
            }
            self.frames.append(json.dumps(frame | rows, separators=(",", ":")).encode())
            book.apply(bid_rows, ask_rows)
            self.states.append((dict(book.bid_sizes), dict(book.ask_sizes)))
            self.ids.append(last)

    def snapshot(self, index: int) -> bytes:
        bids, asks = self.states[index]
        rows = {
            "bids": [[str(p), str(s)] for p, s in bids.items()],
            "asks": [[str(p), str(s)] for p, s in asks.items()],
        }
        return json.dumps({"lastUpdateId": self.ids[index], **rows}).encode()

    def tiers(self, update_id: int) -> tuple[list[int], list[int]]:
        bids, asks = self.states[self.ids.index(update_id)]
        best = sorted(bids.items(), reverse=True)[:20], sorted(asks.items())[:20]
        return [number for one in best[0] for number in one], [number for one in best[1] for number in one]


def arrivals(count: int, events: list[str]) -> list[int | None]:
    """Which diff arrives when; None is a lost socket."""
    out: list[int | None] = []
    late: list[int] = []
    for index, event in zip(range(count), events, strict=False):
        if event == "late":
            late.append(index)
        elif event == "swap" and out:
            out.insert(-1, index)
        elif event != "drop":
            out += [index, index] if event == "twice" else [None, index] if event == "lost" else [index]
        if len(late) > 2:
            out.append(late.pop(0))
    return out


@settings(max_examples=150)
@given(changes, faults, st.lists(st.integers(0, 3), min_size=120, max_size=120), st.booleans())
def test_book_is_true_or_the_loss_is_said(
    steps: list[tuple[list[tuple[int, int]], list[tuple[int, int]], int]],
    events: list[str],
    delays: list[int],
    dense: bool,
) -> None:
    venue = Venue(steps, dense)
    core = CollectorCore({"BTCUSDT": UNIT}, defaultdict(int))
    outputs: list[Output] = []
    answers: list[tuple[int, int]] = []  # (arrival at which a snapshot comes, of which state)
    newest = 0
    for at, index in enumerate(arrivals(len(steps), events)):
        if index is None:
            out = core.lost(at * MS, "book", "socket lost")
        else:
            newest = max(newest, index + 1)
            out = core.frame(at * MS, "btcusdt@depth@100ms", venue.frames[index])
        while answers and answers[0][0] <= at:
            out = out + core.snapshot(at * MS, "BTCUSDT", venue.snapshot(answers.pop(0)[1]))
        if any(isinstance(one, WantSnapshot) for one in out):
            answers.append((at + delays[at], newest))
        outputs += out
    check(venue, [one.message for one in outputs if isinstance(one, Out)])


def check(venue: Venue, messages: list[object]) -> None:
    """Every book is the true one; within an epoch none is left out; they come while the feed is live."""
    state, before = "", None
    for message in messages:
        if isinstance(message, FeedStatus):
            state, before = message.state, None
        elif isinstance(message, Lob):
            assert state == "live"
            assert (unpack_tiers(message.bids), unpack_tiers(message.asks)) == venue.tiers(message.update_id)
            if before is not None:
                assert venue.ids.index(message.update_id) == venue.ids.index(before) + 1
            before = message.update_id


def test_whole_sequence_gives_every_book() -> None:
    steps = [([(n % 5, 1 + n % 3)], [(n % 4, n % 2)], 2) for n in range(40)]
    venue = Venue(steps, dense=False)
    core = CollectorCore({"BTCUSDT": UNIT}, defaultdict(int))
    core.frame(0, "btcusdt@depth@100ms", venue.frames[0])
    out = core.snapshot(1, "BTCUSDT", venue.snapshot(1))
    for frame in venue.frames[1:]:
        out += core.frame(2, "btcusdt@depth@100ms", frame)
    messages = [one.message for one in out if isinstance(one, Out)]
    check(venue, messages)
    assert [one.update_id for one in messages if isinstance(one, Lob)] == venue.ids[1:]


def test_duplicates_among_buffered_diffs_do_not_ask_for_another_snapshot() -> None:
    venue = Venue([([(1, 1)], [], 2)] * 4, dense=False)
    core = CollectorCore({"BTCUSDT": UNIT}, defaultdict(int))
    for index in (0, 1, 0, 1, 2):  # two sockets that overlap
        core.frame(index, "btcusdt@depth", venue.frames[index])
    out = core.snapshot(5, "BTCUSDT", venue.snapshot(1))
    lob = [one.message for one in out if isinstance(one, Out)][-1]
    assert isinstance(lob, Lob)
    assert lob.update_id == venue.ids[3]
