"""What holds of the features of any stream: they equal the naive account, see no future, forget."""

from __future__ import annotations

import numpy as np
import pytest
from features_feed import HEARTBEAT_NS, long_streams, mirrored, naive, slow_streams, streams
from hypothesis import given, settings
from hypothesis import strategies as st

from services.features.batch import compute
from services.features.core import FeaturesCore
from services.features.schema import NAMES, SIGMAS, indices, names
from shared.codec import encode, unpack_values
from shared.messages import FeatureVector, FeedStatus, Flow, Lob, Message
from shared.streams import parse_id
from shared.units import MS, SECOND

Entries = list[tuple[str, Message]]
ANTISYMMETRIC = ("ofi", "trades", "microprice_spread", "vwap", "return")
SYMMETRIC = ("trade_count", "mean_size")


def carried(entries: Entries, core: FeaturesCore | None = None) -> list[bytes | None]:
    """What the core says of each entry, as bytes; None for nothing, or while it is not warm."""
    core = core or FeaturesCore()
    out: list[bytes | None] = []
    for entry_id, message in entries:
        said = core.handle(message, entry_id.encode())
        results = [result for result in said if not isinstance(result, Flow)]  # test_features_flow.py
        assert len(results) == isinstance(message, Lob)
        out.append(encode(results[0]) if results and core.is_warm else None)
    return out


def vectors(entries: Entries) -> list[FeatureVector]:
    """The vectors of all Lobs."""
    core = FeaturesCore()
    said = [result for entry_id, message in entries for result in core.handle(message, entry_id.encode())]
    return [result for result in said if isinstance(result, FeatureVector)]


@given(streams(max_size=30))
@settings(max_examples=100, deadline=None)
def test_every_prefix_equals_the_naive_account(entries: Entries) -> None:
    messages = [message for _, message in entries]
    ends = [i for i, message in enumerate(messages, 1) if isinstance(message, Lob)]
    for end, vector in zip(ends, vectors(entries), strict=True):
        clean_ns, expected = naive(messages[:end])
        values = dict(zip(NAMES, unpack_values(vector.values), strict=True))
        expected = {name: expected[name] for name in NAMES}  # not every window is of every feature
        assert vector.clean_ns == clean_ns
        # The kernel's decay is a little more than exp; everything else differs by rounding alone.
        assert values.pop("imbalance_exp") == pytest.approx(expected.pop("imbalance_exp"), abs=2e-2)
        assert values == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(slow_streams())
@settings(max_examples=20, deadline=None)
def test_sigmas_after_minutes_equal_the_naive_account(entries: Entries) -> None:
    messages = [message for _, message in entries]
    ends = [i for i, message in enumerate(messages, 1) if isinstance(message, Lob)]
    for end, vector in list(zip(ends, vectors(entries), strict=True))[-1::-25]:
        values, expected = unpack_values(vector.values), naive(messages[:end])[1]
        for name in SIGMAS:
            assert values[NAMES.index(name)] == pytest.approx(expected[name], rel=1e-12), name


@given(streams(), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_the_future_changes_nothing(entries: Entries, cut: int) -> None:
    past = entries[:cut]
    assert carried(entries)[: len(past)] == carried(past)


@given(streams())
@settings(max_examples=100, deadline=None)
def test_exchanging_the_sides_flips_each_flow_feature(entries: Entries) -> None:
    signed = [name for name in names("extra") if name.startswith(ANTISYMMETRIC)]
    flow = list(indices([*names("flow"), *signed]))
    scale = list(indices([*SIGMAS, *(n for n in names("extra") if n.startswith(SYMMETRIC))]))
    reflected = [(entry_id, mirrored(message)) for entry_id, message in entries]
    for vector, other in zip(vectors(entries), vectors(reflected), strict=True):
        one, two = np.frombuffer(vector.values), np.frombuffer(other.values)
        assert np.array_equal(one[flow], -two[flow])
        assert np.array_equal(one[scale], two[scale])
        assert np.abs(one[flow[: len(names("flow"))]]).max() <= 1.0


@given(long_streams(), st.integers(0, 2000), st.sampled_from([1, 64]))
@settings(max_examples=150, deadline=None)
def test_a_restarted_core_says_the_same(entries: Entries, cut: int, ring: int) -> None:
    """A core that begins `lookback_ms` before the last entry published says what the first one said."""
    whole = carried(entries)
    cut %= len(entries)
    done_ms, _ = parse_id(entries[cut][0])
    start = next(
        i
        for i, (entry_id, _) in enumerate(entries)
        if parse_id(entry_id)[0] >= done_ms - FeaturesCore.lookback_ms
    )
    core = FeaturesCore(ring)
    carried(entries[start : cut + 1], core)
    # Live heartbeats come every 100 ms; with these ones up to half a second of the lookback may be missing.
    since_ns = done_ms * MS - entries[start][1].recv_ns
    assert core.is_warm or since_ns < FeaturesCore.lookback_ms * MS - HEARTBEAT_NS
    assert carried(entries[cut + 1 :], core) == whole[cut + 1 :]


@given(long_streams(), st.integers(1, 2000))
@settings(max_examples=150, deadline=None)
def test_what_a_core_says_without_its_past_is_right(entries: Entries, start: int) -> None:
    # Started anywhere, as after a trimmed stream: silent at first, never wrong.
    start %= len(entries)
    for late, whole in zip(carried(entries[start:]), carried(entries)[start:], strict=True):
        assert late is None or late == whole


@given(streams(), st.integers(1, 7), st.sampled_from([1, 2, 1024]))
@settings(max_examples=50, deadline=None)
def test_the_batch_equals_one_by_one(entries: Entries, block: int, ring: int) -> None:
    batch = compute(iter(entries), ring=ring, block=block)
    one_by_one = vectors(entries)
    lobs = [(entry_id, message) for entry_id, message in entries if isinstance(message, Lob)]
    assert batch.ids == [entry_id for entry_id, _ in lobs]
    assert batch.epoch.tolist() == [message.epoch for _, message in lobs]
    for name in ("recv_ns", "bid_ticks", "ask_ticks", "tick_e9", "clean_ns"):
        assert getattr(batch, name).tolist() == [getattr(vector, name) for vector in one_by_one]
    assert batch.values.tobytes() == b"".join(vector.values for vector in one_by_one)
    assert batch.values.shape == (len(lobs), len(NAMES))


@given(streams(), streams())
@settings(max_examples=25, deadline=None)
def test_symbols_share_nothing(first: Entries, second: Entries) -> None:
    cores = FeaturesCore(), FeaturesCore()
    together: tuple[list[bytes | None], list[bytes | None]] = ([], [])
    for i in range(max(len(first), len(second))):
        for entries, core, out in zip((first, second), cores, together, strict=True):
            out += carried(entries[i : i + 1], core)
    assert together == (carried(first), carried(second))


@given(streams())
@settings(max_examples=50, deadline=None)
def test_clean_time_begins_anew_after_a_status(entries: Entries) -> None:
    after_status = False
    said = iter(vectors(entries))
    for _, message in entries:
        after_status = after_status or isinstance(message, FeedStatus)
        if isinstance(message, Lob):
            vector = next(said)
            assert vector.clean_ns == 0 if after_status else 0 <= vector.clean_ns <= 60 * SECOND
            after_status = False
