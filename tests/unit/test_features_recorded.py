"""The features of the real recordings: the batch equals the service's core, and the numbers are sane."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from features_reference import features

from research.market import market_entries
from services.features.batch import Batch, compute
from services.features.core import FeaturesCore
from services.features.schema import NAMES, SIGMAS, indices, names
from shared.messages import FeatureVector, FeedStatus, Lob, Message
from shared.units import SECOND

pytestmark = pytest.mark.recorded


@pytest.fixture(scope="module", params=["btc", "eth"])
def entries(request: pytest.FixtureRequest) -> list[tuple[str, Message]]:
    file: Path = request.getfixturevalue(request.param)
    return [(entry_id, message) for _, entry_id, message in market_entries([file])]


@pytest.fixture(scope="module")
def batch(entries: list[tuple[str, Message]]) -> Batch:
    return compute(entries)


def test_the_batch_equals_the_core(entries: list[tuple[str, Message]], batch: Batch) -> None:
    core = FeaturesCore()
    said: list[tuple[str, FeatureVector]] = []
    for entry_id, message in entries:
        vectors = core.handle(message, entry_id.encode())
        said += [(entry_id, vector) for vector in vectors if isinstance(vector, FeatureVector)]
    assert core.is_warm
    assert [entry_id for entry_id, _ in said] == batch.ids
    assert b"".join(vector.values for _, vector in said) == batch.values.tobytes()
    assert [vector.clean_ns for _, vector in said] == batch.clean_ns.tolist()


def test_every_prefix_equals_numpy_and_pandas(entries: list[tuple[str, Message]], batch: Batch) -> None:
    """Each row is the last of a prefix: it is computed of nothing that comes later."""
    begin = next(row for row, clean_ns in enumerate(batch.clean_ns) if clean_ns == 0)
    assert (batch.clean_ns[begin + 1 :] > 0).all()  # one chain
    start = next(place for place, (entry_id, _) in enumerate(entries) if entry_id == batch.ids[begin])
    expected = features([message for _, message in entries[start:]])
    assert len(expected) == len(batch.ids) - begin
    for column, name in enumerate(NAMES):
        # The kernel's decay is a little more than exp; everything else differs by rounding alone.
        tolerance = 2e-2 if name == "imbalance_exp" else 1e-9
        found = batch.values[begin:, column]
        assert np.allclose(found, expected[name], rtol=tolerance, atol=tolerance), name


def test_a_core_restarted_anywhere_says_the_same(entries: list[tuple[str, Message]]) -> None:
    """The recording four times in a row: a core needs ten minutes to be warm."""
    played = repeated([message for _, message in entries], 4)
    batch = compute(played)
    rows = {entry_id: row for row, entry_id in enumerate(batch.ids)}
    start_ns = played[0][1].recv_ns
    for after_s in (90, 600):
        core, compared = FeaturesCore(), 0
        for entry_id, message in played:
            since_ns = message.recv_ns - start_ns
            if not after_s * SECOND <= since_ns < (after_s + 630) * SECOND:
                continue
            for vector in core.handle(message, entry_id.encode()):
                if core.is_warm and isinstance(vector, FeatureVector):
                    assert vector.values == batch.values[rows[entry_id]].tobytes()
                    assert vector.clean_ns == batch.clean_ns[rows[entry_id]]
                    compared += 1
        assert compared > 50


def repeated(messages: list[Message], times: int) -> list[tuple[str, Message]]:
    """As if the recording had gone on with itself, without a gap."""
    begin = next(place for place, message in enumerate(messages) if isinstance(message, Lob))
    chain, span_ns = messages[begin:], messages[-1].recv_ns - messages[begin].recv_ns + SECOND // 10
    assert not any(isinstance(message, FeedStatus) for message in chain)
    played: list[tuple[str, Message]] = []
    for turn in range(times):
        for message in chain:
            seq, recv_ns = chain[0].seq + len(played), message.recv_ns + turn * span_ns
            played.append((f"{seq}-0", msgspec.structs.replace(message, seq=seq, recv_ns=recv_ns)))
    return played


def test_the_numbers_are_sane(batch: Batch) -> None:
    assert np.isfinite(batch.values).all()
    flow = batch.values[:, indices(names("flow"))]
    assert np.abs(flow).max() <= 1.0
    assert (flow.std(axis=0) > 0.1).all()
    (spread,) = batch.values[:, indices(["spread"])].T
    tick = batch.tick_e9 / 1e9
    assert (spread >= tick * 0.999).all()
    assert np.median(spread) == pytest.approx(tick[0])
    sigmas = batch.values[batch.clean_ns >= 6 * SECOND][:, indices(SIGMAS)]
    assert (sigmas >= tick[0]).all()
    assert batch.clean_ns[-1] == 60 * SECOND
