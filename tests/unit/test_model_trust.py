"""lambda: the slope of what followed on what was foretold by the version that serves, in every copy alike."""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from model_data import START_NS, two_versions, vector

from services.model import artifact
from services.model.core import ModelCore
from services.model.trust import Pair, trust_of
from shared.codec import encode
from shared.messages import FeatureVector, Flow, Prediction, Trust
from shared.units import MS, SECOND

LATER_NS = START_NS + 3600 * SECOND
HORIZON_S = 10


def pairs(count: int, slope: float, noise: float = 1.0, seed: int = 1) -> deque[Pair]:
    """One a second, independent."""
    draws = np.random.default_rng(seed)
    foretold = draws.normal(size=count)
    followed = slope * foretold + noise * draws.normal(size=count)
    rows = zip(foretold.tolist(), followed.tolist(), strict=True)
    return deque(Pair(n * SECOND, *row) for n, row in enumerate(rows))


@pytest.mark.parametrize(("slope", "trust"), [(0.4, 0.4), (-1.0, 0.0), (3.0, 1.0)])
def test_trust_is_the_slope_kept_between_0_and_1(slope: float, trust: float) -> None:
    found = trust_of(HORIZON_S, "v1", pairs(5_000, slope))
    assert found.slope == pytest.approx(slope, abs=4 * found.error)
    assert found.trust == pytest.approx(trust, abs=4 * found.error)
    assert (found.pairs, found.blocks) == (5_000, 500)
    assert found.error == pytest.approx(1.0 / math.sqrt(5_000), rel=0.15)


def test_the_error_knows_that_neighbors_share_their_market() -> None:
    """Pairs that are ten times the same say no more than one of them."""
    once = pairs(500, 0.5)
    often = deque(
        Pair(HORIZON_S * each.at_ns + n * SECOND, *each[1:]) for each in once for n in range(HORIZON_S)
    )
    alone = trust_of(1, "v1", once)
    found = trust_of(HORIZON_S, "v1", often)
    assert (found.slope, found.blocks) == (alone.slope, alone.blocks)
    assert found.error == pytest.approx(alone.error)


def test_noise_does_not_make_full_belief() -> None:
    found = trust_of(HORIZON_S, "v1", pairs(200, 0.0, noise=30.0, seed=5))
    assert found.error > 1.0
    assert abs(found.slope) > 1.0  # clipped alone, that would be 0 or 1
    doubt = found.error**2 / (found.error**2 + 1 / 12)
    assert found.trust == pytest.approx((1 - doubt) * found.slope + doubt * 0.5)
    assert 0.3 < found.trust < 0.7
    exact = deque(Pair(n * SECOND, 1.0 + n % 3, 0.25 * (1.0 + n % 3)) for n in range(200))
    assert trust_of(HORIZON_S, "v1", exact).trust == 0.25


def test_too_little_evidence_is_no_trust() -> None:
    few = trust_of(HORIZON_S, "v1", pairs(90, 0.5))
    assert few.blocks == 9
    assert math.isfinite(few.slope)
    assert math.isnan(few.trust)
    assert math.isfinite(trust_of(HORIZON_S, "v1", pairs(91, 0.5)).trust)
    nothing = deque(Pair(n * SECOND, 0.0, 1.0) for n in range(500))
    assert math.isnan(trust_of(HORIZON_S, "v1", nothing).trust)


# --- in the model's core ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions."""
    return two_versions(tmp_path_factory.mktemp("models"))


Entries = list[tuple[str, FeatureVector | Flow]]


def stream(seconds: int) -> Entries:
    """Three vectors a second of a wandering mid, and a flow each minute, as `features` writes them."""
    draws = np.random.default_rng(3)
    out: Entries = []
    bid = 600_000
    for second in range(seconds):
        for place in range(3):
            at_ns = LATER_NS + second * SECOND + (50 + 300 * place) * MS
            bid += int(draws.integers(-20, 21))
            out.append((f"{at_ns // MS}-1", vector(at_ns, bid_ticks=bid, ask_ticks=bid + 1)))
        at_ns = LATER_NS + second * SECOND + 990 * MS
        if (at_ns // SECOND) % 60 == 59:
            from_ns = max(LATER_NS, at_ns - 600 * SECOND)
            out.append((f"{at_ns // MS}-2", flow(at_ns, from_ns)))
    return out


def flow(at_ns: int, from_ns: int) -> Flow:
    return Flow(at_ns, from_ns, 100_000_000, 1_000_000, 100, 5_000, 5_000, (), "")


def answers(core: ModelCore, entries: Entries) -> list[tuple[str, Prediction | Flow]]:
    out: list[tuple[str, Prediction | Flow]] = []
    for entry_id, message in entries:
        (answer,) = core.handle(message, entry_id.encode())
        assert isinstance(answer, Prediction | Flow)
        out.append((entry_id, answer))
    return out


def mid_at(entries: Entries, at_ns: int) -> float:
    """Of the last vector until then, quote currency."""
    book = [each for _, each in entries if isinstance(each, FeatureVector) and each.recv_ns <= at_ns][-1]
    return (book.bid_ticks + book.ask_ticks) / 2 * 0.1


def test_a_flow_is_passed_on_with_what_came_true(folder: Path) -> None:
    entries = stream(720)
    said = answers(ModelCore("BTCUSDT", artifact.load(folder / "one")), entries)
    flows = [each for _, each in said if isinstance(each, Flow)]
    asked = [each for _, each in entries if isinstance(each, Flow)]
    assert [(each.recv_ns, each.from_ns, each.reason) for each in flows] == [
        (each.recv_ns, each.from_ns, each.reason) for each in asked
    ]
    last = flows[-1]
    assert [each.horizon_s for each in last.trusts] == [5, 10, 15]
    predictions = {each.recv_ns // SECOND: each for _, each in reversed(said) if isinstance(each, Prediction)}
    naive = deque(
        Pair(each.recv_ns, each.moves[1], mid_at(entries, each.recv_ns + HORIZON_S * SECOND)
             - mid_at(entries, each.recv_ns))
        for _, each in sorted(predictions.items())
        if each.recv_ns >= last.from_ns and each.recv_ns + HORIZON_S * SECOND < last.recv_ns
    )  # fmt: skip
    expected = trust_of(HORIZON_S, last.trusts[1].model, naive)
    assert expected.pairs > 580
    got = last.trusts[1]
    assert (got.pairs, got.blocks) == (expected.pairs, expected.blocks)
    assert got.slope == pytest.approx(expected.slope, rel=1e-6)
    assert got.error == pytest.approx(expected.error, rel=1e-6)


def test_a_copy_that_starts_anywhere_says_the_same_bytes(folder: Path) -> None:
    entries = stream(900)
    predictor = artifact.load(folder / "one")
    whole = {name: encode(each) for name, each in answers(ModelCore("BTCUSDT", predictor), entries)}
    done_ms = int(entries[-800][0].partition("-")[0])
    copy = ModelCore("BTCUSDT", predictor)
    rest: Entries = []
    for entry_id, message in entries:
        ms = int(entry_id.partition("-")[0])
        if ms > done_ms:
            rest.append((entry_id, message))
        elif ms >= done_ms - copy.lookback_ms:
            copy.recall(message, entry_id.encode())
    resumed = {name: encode(each) for name, each in answers(copy, rest)}
    assert any(isinstance(each, Flow) for _, each in rest)
    assert resumed == {name: whole[name] for name in resumed}


def test_only_the_version_that_serves_is_judged(folder: Path) -> None:
    one, two = (artifact.load(folder / name) for name in ("one", "two"))
    entries = stream(720)
    core = ModelCore("BTCUSDT", one)
    core.load(two)
    core.promote(two.version, f"{LATER_NS // MS + 600_000}-0")
    flows = [each for _, each in answers(core, entries) if isinstance(each, Flow)]
    before, after = flows[-3], flows[-1]
    assert {each.model for each in before.trusts} == {one.version}
    assert {each.model for each in after.trusts} == {two.version}
    assert all(each.pairs < 121 for each in after.trusts)
    assert before.trusts[0].pairs > 400


def test_after_a_gap_nothing_from_before_it_counts(folder: Path) -> None:
    core = ModelCore("BTCUSDT", artifact.load(folder / "one"))
    entries = [row for row in stream(400) if isinstance(row[1], FeatureVector)]
    answers(core, entries)
    at_ns = entries[-1][1].recv_ns + MS
    (said,) = core.handle(flow(at_ns, at_ns - 100 * SECOND), b"9999999999999-0")
    assert isinstance(said, Flow)
    assert [each.pairs for each in said.trusts] == [95, 90, 85]
    (none,) = core.handle(flow(at_ns, at_ns), b"9999999999999-1")
    assert isinstance(none, Flow)
    assert none.trusts == ()


def test_a_version_that_is_not_here_any_more_does_not_keep_us_from_starting(folder: Path) -> None:
    core = ModelCore("BTCUSDT", artifact.load(folder / "one"))
    core.promote("gone", f"{LATER_NS // MS}-0")
    core.promote(artifact.load(folder / "one").version, f"{LATER_NS // MS + 60_000}-0")
    entries = stream(180)
    for entry_id, message in entries:
        core.recall(message, entry_id.encode())
    at_ns = entries[-1][1].recv_ns + MS
    (said,) = core.handle(flow(at_ns, LATER_NS), f"{at_ns // MS}-0".encode())
    assert isinstance(said, Flow)
    assert isinstance(said.trusts[0], Trust)
    assert [each.pairs for each in said.trusts] == [115, 110, 105]
