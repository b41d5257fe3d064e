"""Premium and funding of the synthetic market: the venue's formula, bounded, slow, and the seed's own."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from services.venue.funding import Marks
from services.venue.synthetic import premium
from services.venue.synthetic.arrivals import MARKED, NOW, PREMIUM
from services.venue.synthetic.frames import Frames
from services.venue.synthetic.market import Block, SyntheticMarket
from services.venue.synthetic.parameters import MODELS, Parameters
from services.venue.synthetic.state import Flow, Output, new_flow, new_output
from shared.units import SECOND

WINDOW_NS = premium.WINDOW_NS
START_NS = 60_000 * WINDOW_NS  # the beginning of a window
P = MODELS["BTCUSDT"].parameters


def marks(seed: int, seconds: int, start_ns: int = START_NS, **changed: float) -> NDArray[np.float64]:
    """(seconds, 3): premium, rate, and the index over the mark less one, each second."""
    flow, out = new_flow("BTCUSDT", seed, start_ns), new_output()
    flow.values[MARKED] = 600_000.0
    return np.array([_second(flow, out, P._replace(**changed), start_ns, i) for i in range(seconds)])


def _second(flow: Flow, out: Output, p: Parameters, start_ns: int, i: int) -> tuple[float, ...]:
    out.counts[:] = 0
    flow.times[NOW] = start_ns + i * SECOND
    rate = premium.on_mark(flow, out, p) / premium.RATE
    _, at_ns, mark, index, told, *_ = out.events[0].tolist()
    assert (at_ns, told / premium.RATE) == (flow.times[NOW], rate)
    return float(flow.values[PREMIUM]), rate, index / mark - 1.0


def test_the_rate_is_the_venue_formula_of_the_premiums() -> None:
    seen = marks(3, 2000, premium_sigma=0.0009)
    weights = np.arange(1, len(seen) + 1)
    average = np.cumsum(weights * seen[:, 0]) / np.cumsum(weights)
    expected = average + np.clip(0.0001 - average, -0.0005, 0.0005)
    assert seen[:, 1] == pytest.approx(np.clip(expected, -0.003, 0.003), abs=0.6e-8)
    assert seen[:, 2] == pytest.approx(1 / (1 + seen[:, 0]) - 1, abs=1e-8)


@pytest.mark.parametrize(("mean", "rate"), [(-0.05, -0.003), (0.05, 0.003), (0.0, 0.0001)])
def test_the_rate_is_bounded_and_rests_at_the_interest(mean: float, rate: float) -> None:
    seen = marks(1, 100, premium_mean=mean, premium_sigma=0.00001)
    assert set(seen[:, 1].tolist()) == {rate}


def test_a_window_begins_anew_and_the_rate_moves_slowly_within_one() -> None:
    hours = 4
    seen = marks(5, hours * 3600, WINDOW_NS * 60_000 - hours * 1800 * SECOND)
    half = hours * 1800
    assert np.abs(np.diff(seen[100:half, 1])).max() < 2e-6
    average = seen[half, 0]  # of the one premium there is in the new window
    expected = average + np.clip(0.0001 - average, -0.0005, 0.0005)
    assert seen[half, 1] == pytest.approx(expected, abs=0.6e-8)


def test_the_seed_alone_decides_and_the_premium_has_its_spread() -> None:
    assert np.array_equal(marks(7, 50), marks(7, 50))
    assert not np.array_equal(marks(7, 50), marks(8, 50))
    first = np.array([marks(seed, 1)[0, 0] for seed in range(400)])
    assert first.mean() == pytest.approx(P.premium_mean, abs=4 * P.premium_sigma / 20)
    assert first.std() == pytest.approx(P.premium_sigma, rel=0.15)


def test_frames_tell_the_rate_and_when_it_is_paid() -> None:
    market = SyntheticMarket("BTCUSDT", 3, START_NS - 3 * SECOND)
    frames = Frames("BTCUSDT", market.scale)
    told = []
    for block in market.advance(START_NS + 2 * SECOND):
        told += [line for line in frames.of(block, market.now_ns) if line.kind == "markPrice"]
    decoded = [msgspec.json.decode(line.data) for line in told]
    due_ms = [row["T"] for row in decoded]
    assert due_ms == [START_NS // 10**6] * 2 + [(START_NS + WINDOW_NS) // 10**6] * 3
    assert all(-0.003 <= float(row["r"]) <= 0.003 for row in decoded)
    kept, paid = Marks(), []
    for before, line in pairwise([None, *told]):
        rate = kept.take(line.data, line.recv_ns)
        if rate is not None:
            assert before is not None
            paid.append((rate, msgspec.json.decode(before.data)["r"]))
    assert [str(rate) for rate, _ in paid] == [text for _, text in paid]
    assert len(paid) == 1


def test_a_negative_rate_is_written_as_one() -> None:
    block = Block(
        np.array([[6, START_NS, 618_000_000, 618_000_500, -12_345, 0, 0, 0]]),
        np.zeros((0, 3), np.int64),
        np.zeros((0, 80), np.int64),
    )
    (line,) = Frames("BTCUSDT", MODELS["BTCUSDT"].scale).of(block, START_NS)
    assert msgspec.json.decode(line.data)["r"] == "-0.00012345"
