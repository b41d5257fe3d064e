"""Heartbeats depend on the entries alone, not on how often the clock is looked at."""

from __future__ import annotations

import json
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from services.collector.core import CollectorCore
from services.collector.feed import Out, Output
from shared.units import MS, Scale

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
    scales = {"X": Scale(1_000_000_000, 1_000_000_000)}
    ticked, plain = CollectorCore(scales, defaultdict(int)), CollectorCore(scales, defaultdict(int))
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
