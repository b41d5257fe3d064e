"""Damaged frames: scanner and msgspec agree, what cannot be used is refused, nothing else happens."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fuzz_frames import Judge, Mutator, recorded
from services.collector.facts import Diff, convert
from services.collector.ladder import NO_ID, SCANNED, UNKNOWN, Ladder
from services.collector.wire import parse
from shared.errors import BadFrame
from shared.units import MS, Parser, Scale, e9_text

BTC = Scale(100_000_000, 1_000_000)
DIFF = {"e": "depthUpdate", "E": 5, "T": 4, "s": "BTCUSDT", "U": 11, "u": 19, "pu": 10}


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def scanned(data: bytes, scale: Scale = BTC) -> Diff | None:
    ladder = Ladder("BTCUSDT", scale)
    if ladder.take(data, NO_ID)[0] == UNKNOWN:
        return None
    first, last, previous, ms, bids, asks = ladder.scanned()
    return Diff(first, last, previous, ms * MS, bids, asks)


def converted(data: bytes, scale: Scale = BTC) -> Diff | None:
    try:
        fact = convert(parse("depth", "BTCUSDT", data), Parser(scale))
    except BadFrame:
        return None
    assert isinstance(fact, Diff)
    return fact


def test_damaged_diffs_are_read_alike_or_refused() -> None:
    bids = [[f"{61_800 - n / 10:.2f}", f"{n / 1000:.3f}"] for n in range(30)]
    asks = [[f"{61_801 + n / 10:.2f}", f"{n % 7}.000"] for n in range(30)]
    frames = [("BTCUSDT", "depth", compact({**DIFF, "b": bids, "a": asks}))]
    mutator, judge = Mutator(7), Judge({"BTCUSDT": BTC})
    for _ in range(5_000):
        judge.frame(*mutator.choose(frames))
    counts = judge.counts
    assert min(counts[name] for name in ("accepted_by_both", "left_to_msgspec", "refused_by_both")) > 200


@pytest.mark.recorded
def test_damaged_recorded_frames_of_all_kinds(btc: Path) -> None:
    scales, frames = recorded([btc])
    mutator, judge = Mutator(11), Judge(scales)
    for _ in range(5_000):
        judge.frame(*mutator.choose(frames))
    assert judge.counts["parked"] > 500
    assert judge.counts["accepted_by_both"] > 500


amounts = st.integers(0, 10**8)
units = st.sampled_from([1, 7, 1000, 25_000, 10**6, 10**8, 5 * 10**8, 10**9, 10**10])


@given(units, units, st.lists(st.tuples(amounts, amounts, st.integers(0, 4)), max_size=6))
def test_every_text_of_a_number_means_what_units_say(
    tick_e9: int, lot_e9: int, rows: list[tuple[int, int, int]]
) -> None:
    scale = Scale(tick_e9, lot_e9)
    texts = []
    for ticks, lots, zeros in rows:
        pair = [scale.price_text(ticks), scale.size_text(lots)]
        texts.append([one + ("." if "." not in one and zeros else "") + "0" * zeros for one in pair])
    data = compact({**DIFF, "b": texts, "a": texts})
    expected = Diff(11, 19, 10, 4 * MS, *([(ticks, lots) for ticks, lots, _ in rows],) * 2)
    assert converted(data, scale) == expected
    short = all(len(one.partition(".")[0]) <= 9 for pair in texts for one in pair)
    assert scanned(data, scale) == (expected if short else None)


@given(st.decimals(0, 10**7, places=9), st.sampled_from([10**8, 5 * 10**7, 1000]))
def test_what_is_off_the_grid_is_refused(price: Decimal, tick_e9: int) -> None:
    scale = Scale(tick_e9, 10**6)
    price_e9 = int(price * 10**9)
    data = compact({**DIFF, "b": [[e9_text(price_e9), "1.000"]], "a": []})
    is_on_grid = price_e9 % tick_e9 == 0
    assert (scanned(data, scale) is not None) == is_on_grid
    assert (converted(data, scale) is not None) == is_on_grid


UNUSUAL = [
    b'{"e": "depthUpdate","E":5,"T":4,"s":"BTCUSDT","U":11,"u":19,"pu":10,"b":[],"a":[]}',  # a blank
    b'{"a":[["1.0","1.000"]],"b":[],"U":11,"u":19,"pu":10,"E":5,"T":4}',  # asks first
    b'{"e":"depthUpdate","E":5,"T":4,"s":"BTC\\u0055SDT","U":11,"u":19,"pu":10,"b":[],"a":[]}',  # an escape
    b'{"e":"depthUpdate","E":5,"T":4,"s":"BTCUSDT","U":11,"u":19,"pu":10,"new":1,"b":[],"a":[]}',  # a new key
    b'{"e":"depthUpdate","E":5,"T":4,"s":"BTCUSDT","U":9,"U":11,"u":19,"pu":10,"b":[],"a":[]}',  # a key twice
    b'{"e":"depthUpdate","E":5,"T":4,"s":"BTCUSDT","U":11,"u":19,"pu":null,"b":[],"a":[]}',  # null is none
]


@pytest.mark.parametrize("data", UNUSUAL)
def test_unusual_shapes_are_left_to_msgspec(data: bytes) -> None:
    assert scanned(data) is None
    assert converted(data) is not None


@pytest.mark.parametrize(
    "data",
    [
        b'{"e":"depthUpdate","E":5,"T":4,"s":"BTCUSDT","ps":"BTCUSDT","st":1,"U":11,"u":19,"pu":10,"b":[],"a":[]}',
        b'{"e":"depthUpdate","E":5,"s":"BTCUSDT","U":11,"u":19,"b":[["1.0","2.000"]],"a":[]}',  # spot
        b'{"u":19,"U":11,"b":[],"a":[["7","0"]],"E":5}',
    ],
)
def test_the_venues_shapes_are_scanned(data: bytes) -> None:
    assert scanned(data) == converted(data) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"{}", b"[]", b'{"e"', b'{"e":"depthUpdate"', b"\xff",
        b'{"E":5,"U":11,"u":19,"b":[["1.0","1.0"',
        b'{"E":5,"U":19,"u":11,"b":[],"a":[]}',
        b'{"E":5,"U":11,"u":19,"pu":99999999999999999999,"b":[],"a":[]}',
        b'{"E":99999999999999,"U":11,"u":19,"b":[],"a":[]}',
        b'{"E":5,"U":11,"u":19,"b":[["99999999999999999999999","1"]],"a":[]}',
        b'{"E":5,"U":11,"u":19,"b":[["\xff","1"]],"a":[]}',
        '{"E":5,"U":11,"u":19,"b":[["\u0661","1"]],"a":[]}'.encode(),
    ],
)  # fmt: skip
def test_what_nobody_can_use_is_refused_by_both(data: bytes) -> None:
    assert scanned(data) is None
    assert converted(data) is None


def test_frame_with_more_levels_than_fit_is_left_to_msgspec() -> None:
    rows = [[str(n), "1"] for n in range(1, 9_001)]
    data = compact({**DIFF, "b": rows, "a": []})
    assert scanned(data, Scale(10**9, 10**9)) is None
    assert Ladder("BTCUSDT", BTC).take(compact({**DIFF, "b": rows[:9], "a": []}), NO_ID)[0] == SCANNED
