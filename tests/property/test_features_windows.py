"""Each feature by itself: it sees no future, it sees its own window, and it forgets what came before."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from features_feed import LOT_E9, START_NS, TICK_E9, book

from services.features.batch import compute
from services.features.schema import NAMES, WIDTH, indices, window_ns
from services.features.state import Floats
from shared.messages import AggTrade, Lob, Message
from shared.units import MS, SECOND

LOBS = 180
STEP_NS = 500 * MS
NOW = 141  # the Lob whose vector is looked at: 70 s after the first
SIGMA_NS = 32 * SECOND  # 30 changes, and up to a second on either side


def stream(seeds: list[int]) -> list[tuple[str, Message]]:
    """A Lob each half second, and 100 ms before it a trade, both drawn from the seed of that step; where the
    seed is negative a Lob alone, that of the seed without sign."""
    entries: list[tuple[str, Message]] = []
    for step, seed in enumerate(seeds):
        at_ns, draw = START_NS + step * STEP_NS, Random(abs(seed))
        bids, asks = book(draw)
        ids = dict.fromkeys(("agg_id", "first_id", "last_id"), step)
        trade = {"price_ticks": 990 + draw.randrange(20), "size_lots": draw.randrange(1, 2000)}
        side = draw.choice((-1, 1))
        for kind, then_ns, fields in (
            (AggTrade, at_ns - 100 * MS, {**ids, **trade, "side": side}),
            (Lob, at_ns, {"update_id": step, "bids": bids, "asks": asks}),
        )[seed < 0 :]:
            stamps = {"seq": len(entries), "epoch": 1, "exchange_ns": then_ns, "recv_ns": then_ns}
            entries.append((f"{len(entries)}-0", kind(**stamps, **fields, tick_e9=TICK_E9, lot_e9=LOT_E9)))
    return entries


def values(seeds: list[int]) -> Floats:
    return compute(stream(seeds)).values


def other(seeds: list[int], begin: int, end: int, draw: int = 1) -> list[int]:
    """The same but for steps `begin` to `end`, which are others."""
    return [seed + 10_000 * draw if begin <= step < end else seed for step, seed in enumerate(seeds)]


def without(seeds: list[int], which: int) -> list[int]:
    """The same but for the trade of one step, which is not there."""
    return [-seed if step == which else seed for step, seed in enumerate(seeds)]


@pytest.fixture(scope="module")
def seeds() -> list[int]:
    return list(range(LOBS))


@pytest.fixture(scope="module")
def whole(seeds: list[int]) -> Floats:
    return values(seeds)


def test_no_feature_sees_the_future(seeds: list[int], whole: Floats) -> None:
    after = values(without(other(seeds, NOW + 1, LOBS), NOW + 1))
    assert whole[: NOW + 1].tobytes() == after[: NOW + 1].tobytes()
    changed = (whole[NOW + 1 :] != after[NOW + 1 :]).any(axis=0)
    assert [name for name, is_changed in zip(NAMES, changed, strict=True) if not is_changed] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sigma_600s"])
def test_a_feature_reacts_to_its_window_and_forgets_the_rest(
    name: str, seeds: list[int], whole: Floats
) -> None:
    (column,) = indices([name])
    reach_ns = window_ns(name)
    oldest = NOW - reach_ns // STEP_NS + (reach_ns > 0)  # the first step inside the window
    scaled = name.startswith(("sigma", "vwap", "return"))
    steps = 2 if scaled else 1  # sigma sees each second Lob
    tries = (other(seeds, oldest, oldest + steps, draw) for draw in range(1, 20))
    if name.startswith("trade_count"):
        tries = iter([without(seeds, oldest)])
    assert any(values(changed)[NOW, column] != whole[NOW, column] for changed in tries)
    # Before that it may be what it will, but for the Lob from which the first flow or move inside begins.
    begin = NOW - (max(reach_ns, SIGMA_NS) if scaled else reach_ns) // STEP_NS - (reach_ns > 0)
    before = values(other(seeds, 0, begin))
    assert before[NOW, column] == whole[NOW, column]


def test_the_slow_sigma_reacts_to_ten_minutes_and_forgets_the_rest() -> None:
    now, (column,) = 1260, indices(["sigma_600s"])
    seeds = list(range(now + 1))
    value = values(seeds)[now, column]
    oldest = now - 600 * SECOND // STEP_NS
    assert any(values(other(seeds, oldest, oldest + 4, draw))[now, column] != value for draw in range(1, 20))
    assert values(other(seeds, 0, now - 602 * SECOND // STEP_NS))[now, column] == value


@pytest.mark.parametrize("window", ["1s", "5s", "30s"])
def test_trades_before_the_window_are_not_counted(window: str, seeds: list[int], whole: Floats) -> None:
    (column,) = indices([f"trade_count_{window}"])
    steps = window_ns(f"trade_count_{window}") // STEP_NS
    assert whole[NOW, column] == steps
    assert values(without(seeds, NOW - steps))[NOW, column] == steps
    assert values(without(seeds, NOW - steps + 1))[NOW, column] == steps - 1


def test_every_value_is_finite_where_sizes_and_prices_are_absurd() -> None:
    """The clamps hold: prices that jump over the whole range, sizes of 10^15."""
    entries: list[tuple[str, Message]] = []
    draw = Random(1)
    for step, (entry_id, message) in enumerate(stream(list(range(60)))):
        fields = {name: getattr(message, name) for name in message.__struct_fields__}
        if isinstance(message, Lob):
            best = draw.choice((1, 10**6, 10**12))
            fields["bids"] = np.array([best, 10**15], np.int64).tobytes()
            fields["asks"] = np.array([best + 1, 10**15], np.int64).tobytes()
        else:
            fields |= {"price_ticks": draw.choice((1, 10**12)), "size_lots": 10**15}
        entries.append((entry_id, type(message)(**fields)))
        assert step == message.seq
    found = compute(entries).values
    assert found.shape == (60, WIDTH)
    assert np.isfinite(found).all()
    assert np.abs(found[:, indices(["vwap_30s", "return_30s", "microprice_spread_5"])]).max() <= 10.0
    assert (found[:, indices(["volatility_30s"])] >= 0.0).all()
