"""Heartbeats depend on the entries alone, not on how often the clock is looked at."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.collector.core import CollectorCore
from services.collector.feed import Out, Output
from shared.messages import Heartbeat
from shared.streams import parse_id
from shared.units import MS, Scale

SCALES = {"X": Scale(1_000_000_000, 1_000_000_000)}
T0 = 1_700_000_000_000 * MS


def trade(agg_id: int) -> bytes:
    body = {
        "e": "aggTrade",
        "E": 1,
        "s": "X",
        "a": agg_id,
        "p": "1",
        "q": "1",
        "f": 1,
        "l": 1,
        "T": 1,
        "m": True,
    }
    return json.dumps(body).encode()


def entries(outputs: list[Output]) -> list[Out]:
    return [output for output in outputs if isinstance(output, Out)]


@given(
    st.lists(st.integers(0, 450 * MS), min_size=1, max_size=20),
    st.lists(st.lists(st.integers(0, 450 * MS), max_size=4), min_size=20, max_size=20),
)
def test_ticks_between_frames_change_nothing(pauses: list[int], ticks: list[list[int]]) -> None:
    ticked, plain = CollectorCore(SCALES, defaultdict(int)), CollectorCore(SCALES, defaultdict(int))
    now, with_ticks, without = T0, [], []
    for n, (pause, looks) in enumerate(zip(pauses, ticks, strict=False)):
        for look in sorted(min(look, pause) for look in looks):
            # A tick says that no frame at or before its time is outstanding.
            if look < pause:
                with_ticks += entries(ticked.tick(now + look))
        now += pause
        with_ticks += entries(ticked.frame(now, "x@aggTrade", trade(n)))
        without += entries(plain.frame(now, "x@aggTrade", trade(n)))
    with_ticks += entries(ticked.tick(now + 1000 * MS))
    without += entries(plain.tick(now + 1000 * MS))
    assert with_ticks == without


Step = tuple[str, int]  # what happens, and how long after the last step; a frame may be stamped earlier

steps = st.lists(
    st.tuples(
        st.sampled_from(["frame", "late frame", "tick", "lost book", "lost tape", "stale", "ticker"]),
        st.integers(0, 1200 * MS),
    ),
    max_size=40,
)


def published(script: list[Step]) -> list[Out]:
    """What a sparse stream with all kinds of trouble becomes."""
    core, now, out = CollectorCore(SCALES, defaultdict(int)), T0, []
    for agg_id, (what, pause) in enumerate(script):
        now += pause
        if what == "frame":
            out += core.frame(now, "x@aggTrade", trade(agg_id))
        elif what == "late frame":  # stamped before heartbeats that are out already
            out += core.tick(now)
            out += core.frame(now - 250 * MS, "x@aggTrade", trade(agg_id))
        elif what == "tick":
            out += core.tick(now)
        elif what == "stale":
            out += core.stale(now, "X", "aggTrade", "silent")
        elif what == "ticker":
            ticker = {"e": "bookTicker", "u": agg_id, "s": "X", "b": "1", "B": "1", "a": "2", "A": "1"}
            out += core.frame(now, "x@bookTicker", json.dumps(ticker).encode())
        else:
            out += core.lost(now, what.removeprefix("lost "), "lost")
    return entries(out)


@given(steps)
def test_a_heartbeat_stands_at_a_multiple_after_the_last_entry(script: list[Step]) -> None:
    found = published(script)
    last_ns = 0  # recv_ns of the last entry that is no heartbeat, and of the last entry
    before_ns = 0
    for out in found:
        recv_ns = out.message.recv_ns  # type: ignore[attr-defined]
        if isinstance(out.message, Heartbeat):
            assert (recv_ns - last_ns) % (100 * MS) == 0
            assert recv_ns == before_ns + 100 * MS  # each of them, none left out
        else:
            last_ns = recv_ns
        before_ns = recv_ns


@given(steps)
def test_no_entry_goes_back_or_leaves_a_hole(script: list[Step]) -> None:
    found = published(script)
    for before, after in pairwise(found):
        first, second = before.message, after.message
        assert parse_id(after.entry_id) > parse_id(before.entry_id)
        assert parse_id(after.entry_id)[0] >= second.recv_ns // MS  # type: ignore[attr-defined]
        assert second.seq == first.seq + 1  # type: ignore[attr-defined]
        assert second.epoch - first.epoch in (0, 1)  # type: ignore[attr-defined]
        # Nothing is later than a heartbeat could have been: every one that was due stands before it.
        assert 0 <= second.recv_ns - first.recv_ns <= 100 * MS  # type: ignore[attr-defined]


@given(steps)
def test_epoch_rises_with_each_break_and_with_nothing_else(script: list[Step]) -> None:
    found = published(script)
    for before, after in pairwise(found):
        is_break = getattr(after.message, "state", "") in ("gap", "stale", "crossed")
        rise = after.message.epoch - before.message.epoch  # type: ignore[attr-defined]
        assert rise == int(is_break)
