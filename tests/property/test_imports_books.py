"""Any sequence of books, written as others write it, comes back as it was."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from import_data import T0_MS, TARDIS_L2, books, run, tardis_rows, written

from shared.messages import FeedStatus
from shared.units import e9

US = T0_MS * 1000
Book = tuple[dict[int, int], dict[int, int]]  # ticks of 0.1 -> lots of 0.001

SIZES = st.integers(1, 5000)
BIDS = st.dictionaries(st.integers(900, 999), SIZES, min_size=1, max_size=30)
ASKS = st.dictionaries(st.integers(1000, 1099), SIZES, min_size=1, max_size=30)
SEQUENCES = st.lists(st.tuples(BIDS, ASKS), min_size=1, max_size=12)
SPELLINGS = st.sampled_from(["{:.1f}", "{:.2f}", "{:.1e}"])


def flat(side: dict[int, int], sign: int) -> list[int]:
    """The best 20 levels, best first."""
    best = sorted(side.items(), key=lambda level: sign * level[0])[:20]
    return [part for level in best for part in level]


def text(form: str, ticks: int) -> str:
    """A price; an exponent only where it loses nothing."""
    plain = f"{ticks / 10:.1f}"
    spelled = form.format(ticks / 10)
    return spelled if "e" not in spelled or float(spelled) == ticks / 10 else plain


def units(messages_scale: tuple[int, int], book: tuple[list[int], list[int]]) -> tuple[list[int], list[int]]:
    """A book in ticks of 0.1 and lots of 0.001, whatever its own units are."""
    tick, lot = messages_scale[0] // e9("0.1"), messages_scale[1] // e9("0.001")
    scaled = [[value * (tick if at % 2 == 0 else lot) for at, value in enumerate(side)] for side in book]
    return scaled[0], scaled[1]


def imported(rows: list[str]) -> tuple[list[tuple[int, list[int], list[int]]], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "BTCUSDT.csv", rows)
        report, found = run([path], Path(folder) / "out")
    scale = report.symbols[0].scale
    states = [row.state for row in found["BTCUSDT"] if isinstance(row, FeedStatus)]
    rows_out = []
    for at_ns, bids, asks in books(found["BTCUSDT"]):
        scaled = units((scale.tick_e9, scale.lot_e9), (bids, asks))
        rows_out.append((at_ns, *scaled))
    return rows_out, states


@settings(max_examples=30, deadline=None)
@given(SEQUENCES, st.sets(st.integers(1, 11), max_size=3), SPELLINGS)
def test_tardis_increments(sequence: list[Book], restarts: set[int], form: str) -> None:
    rows, expected = [TARDIS_L2], []
    before: Book = ({}, {})
    for number, book in enumerate(sequence):
        is_snapshot = number == 0 or (number in restarts and number - 1 not in restarts | {0})
        at_us = US + number * 1000
        sides = []
        for old, new in zip(before, book, strict=True):
            gone = [] if is_snapshot else [(ticks, 0) for ticks in old if ticks not in new]
            moved = [(ticks, size) for ticks, size in new.items() if is_snapshot or old.get(ticks) != size]
            sides.append([(text(form, ticks), f"{size / 1000:.3f}") for ticks, size in gone + moved])
        message = tardis_rows(at_us, is_snapshot, *sides)
        rows += message
        if message:
            expected.append((at_us * 1000, flat(book[0], -1), flat(book[1], 1)))
        before = book
    found, states = imported(rows)
    assert found == expected
    assert set(states) <= {"syncing", "live", "gap"}


@settings(max_examples=30, deadline=None)
@given(SEQUENCES)
def test_whole_books(sequence: list[Book]) -> None:
    tiers = 25
    header = [
        f"{side}_{what}_{tier:02d}"
        for side in ("bid", "ask")
        for tier in range(tiers)
        for what in ("px", "sz")
    ]
    names = ",".join(name.replace("sz", "size") for name in header)
    rows, expected = [f"symbol,recv_ns,{names}"], []
    for number, book in enumerate(sequence):
        at_ns = T0_MS * 1_000_000 + number * 137
        values: list[str] = []
        for side, sign in zip(book, (-1, 1), strict=True):
            best = sorted(side.items(), key=lambda level: sign * level[0])[:tiers]
            levels = [f"{ticks / 10},{size / 1000}" for ticks, size in best]
            values += levels + [","] * (tiers - len(best))
        rows.append(f"BTCUSDT,{at_ns},{','.join(values)}")
        expected.append((at_ns, flat(book[0], -1), flat(book[1], 1)))
    found, states = imported(rows)
    assert found == expected
    assert states == ["syncing", "live"]
