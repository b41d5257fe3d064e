"""aggTrades of a history are the venue's: integers give what its tape makes of the same trades as texts."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from research.aggregates import Aggregates
from services.venue.tape import Tape, Trade
from shared.units import MS

Drawn = tuple[int, int, int, int]  # ns since the last, ticks, lots, side

START_NS = 1_700_000_000_000_000_000
trades = st.lists(
    st.tuples(
        # Often at once, often around the end of a window, to the nanosecond.
        st.sampled_from((0, 1, MS - 1, MS, 50 * MS, 99 * MS, 100 * MS - 1, 100 * MS, 100 * MS + 1)),
        st.integers(10, 12),
        st.integers(1, 3),
        st.sampled_from((-1, 1)),
    ),
    max_size=60,
)
TAIL_NS = 250 * MS


def by_tape(rows: list[tuple[int, int, int, int]], until_ns: int) -> list[tuple[int, int, int]]:
    """(before which trade, when, signed lots) as `Frames` sends them."""
    tape = Tape("BTCUSDT")
    sent: list[tuple[int, int, int]] = []

    def send(place: int, at_ns: int, text: bytes) -> None:
        row = json.loads(text)
        sent.append((place, at_ns, int(row["q"]) * (-1 if row["m"] else 1)))

    def close(place: int, now_ns: int) -> None:
        while tape.due_ns is not None and tape.due_ns <= now_ns:
            due_ns = tape.due_ns
            send(place, due_ns, tape.close())

    for place, (now_ns, price, lots, side) in enumerate(rows):
        close(place, now_ns)
        ms = now_ns // MS
        text = tape.add(Trade(ms, ms, place, str(price), str(lots), side < 0), now_ns)
        if text is not None:
            send(place, now_ns, text)
    close(len(rows), until_ns)
    return sent


@given(trades, st.integers(0, 60), st.integers(0, MS))
def test_aggregates_equal_the_tape(drawn: list[Drawn], cut: int, start: int) -> None:
    times = START_NS + start + np.cumsum([row[0] for row in drawn], dtype=np.int64)
    rows = np.array([(at, *row[1:]) for at, row in zip(times.tolist(), drawn, strict=True)], np.int64)
    rows = rows.reshape(-1, 4)
    until_ns = (int(times[-1]) if len(times) else START_NS) + TAIL_NS
    aggregates = Aggregates()
    found: list[tuple[int, int, int]] = []
    for part, shift, end_ns in (
        (rows[:cut], 0, int(rows[:cut][-1, 0]) if len(rows[:cut]) else START_NS),
        (rows[cut:], len(rows[:cut]), until_ns),
    ):
        closed = aggregates.of(part[:, 0], np.arange(len(part)), part, end_ns)
        places = (closed.places + shift).tolist()
        found += zip(places, closed.recv_ns.tolist(), closed.signed_lots.tolist(), strict=True)
    assert found == by_tape(rows.tolist(), until_ns)
