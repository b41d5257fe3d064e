"""Synthetic history as arrays: the numbers that the live chain makes of the same market's frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from msgspec.structs import replace

from research.dataset import sample
from research.history import END_NS, Chain, history
from services.collector.core import CollectorCore
from services.collector.feed import Out, WantSnapshot
from services.features.batch import compute
from services.features.core import FeaturesCore
from services.venue.synthetic.frames import Frames
from services.venue.synthetic.markets import opened
from services.venue.synthetic.parameters import MODELS
from shared.errors import BadSetting
from shared.messages import AggTrade, FeatureVector, Heartbeat, MarkPrice, Message
from shared.units import SECOND

SEED = 5
HOURS = 0.05  # three minutes
FROM_NS = END_NS - round(HOURS * 3600) * SECOND


@pytest.fixture(scope="module", params=sorted(MODELS))
def symbol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def collected(symbol: str) -> Iterator[tuple[str, Message]]:
    """What a collector publishes that is there from the history's start on: through JSON, as live."""
    market = opened(symbol, SEED, FROM_NS)
    frames = Frames(symbol, market.scale)
    core = CollectorCore({symbol: market.scale}, defaultdict(int))
    reach = 1 << 15
    snapshot = frames.snapshot(market.update_id, market.levels(1, reach), market.levels(-1, reach))
    for block in market.advance(END_NS):
        for line in frames.of(block, market.now_ns):
            for output in core.frame(line.recv_ns, f"{symbol.lower()}@{line.kind}", line.data):
                if isinstance(output, WantSnapshot):
                    more = core.snapshot(line.recv_ns, symbol, snapshot)
                    yield from ((one.entry_id, one.message) for one in more if isinstance(one, Out))
                else:
                    yield output.entry_id, output.message


@pytest.fixture(scope="module")
def entries(symbol: str) -> list[tuple[str, Message]]:
    return list(collected(symbol))


def test_vectors_equal_those_of_the_live_chain(symbol: str, entries: list[tuple[str, Message]]) -> None:
    core = FeaturesCore()
    live = [
        vector
        for entry_id, message in entries
        for vector in core.handle(message, entry_id.encode())
        if isinstance(vector, FeatureVector)
    ]
    market = opened(symbol, SEED, FROM_NS)
    chain = Chain(market)
    told = [chain.fold(block, market.now_ns) for block in market.advance(END_NS)]
    assert len(live) > 3000
    assert sum(part.trades for part in told) == sum(isinstance(one, AggTrade) for _, one in entries) > 1000
    assert np.concatenate([part.recv_ns for part in told]).tolist() == [one.recv_ns for one in live]
    assert np.concatenate([part.clean_ns for part in told]).tolist() == [one.clean_ns for one in live]
    assert np.concatenate([part.values for part in told]).tobytes() == b"".join(one.values for one in live)
    ticks = [[one.bid_ticks, one.ask_ticks] for one in live]
    assert np.concatenate([part.touch for part in told]).tolist() == ticks


def test_how_time_is_cut_changes_no_vector(symbol: str) -> None:
    whole, pieces = opened(symbol, SEED, FROM_NS), opened(symbol, SEED, FROM_NS)
    one, other = Chain(whole), Chain(pieces)
    until_ns = FROM_NS + 20 * SECOND
    expected = [one.fold(block, whole.now_ns) for block in whole.advance(until_ns)]
    found = [
        other.fold(block, pieces.now_ns)
        for at_ns in range(FROM_NS + SECOND // 64, until_ns + 1, SECOND // 64)
        for block in pieces.advance(at_ns)
    ]
    for place in range(4):
        left, right = (np.concatenate([part[place] for part in parts]) for parts in (expected, found))
        assert left.tobytes() == right.tobytes()


def test_rows_equal_those_of_the_messages(symbol: str, entries: list[tuple[str, Message]]) -> None:
    data, live = history(symbol, SEED, HOURS), sample(symbol, entries)
    # The messages' time begins with the first frame and ends with the last; the history's is the clock's.
    assert (data.from_ns, data.until_ns) == (FROM_NS, END_NS)
    assert data.recv_ns[: len(live.recv_ns)].tolist() == live.recv_ns.tolist()
    assert len(data.recv_ns) - len(live.recv_ns) <= 1
    rows = slice(len(live.recv_ns))
    assert data.values[rows].tobytes() == live.values.tobytes()
    for name in ("clean_ns", "mid", "spread", "spread_ticks", "imbalance_1", "imbalance_5", "last_return"):
        assert getattr(data, name)[rows].tolist() == getattr(live, name).tolist(), name
    assert data.track.mid.tolist() == live.track.mid.tolist()
    assert data.quotes.half_ticks.tolist() == live.quotes.half_ticks.tolist()


def test_heartbeats_and_marks_change_no_vector(entries: list[tuple[str, Message]]) -> None:
    """So a history may do without."""
    bare = [pair for pair in entries if not isinstance(pair[1], (Heartbeat, MarkPrice))]
    renumbered = [(entry_id, replace(entry, seq=seq)) for seq, (entry_id, entry) in enumerate(bare)]  # type: ignore[call-overload]
    assert len(renumbered) < len(entries)
    assert compute(renumbered).values.tobytes() == compute(entries).values.tobytes()


def test_a_history_is_its_seeds(symbol: str) -> None:
    one, again, other = (history(symbol, seed, 0.02) for seed in (1, 1, 2))
    assert one.sha256 == again.sha256 != other.sha256
    assert one.values.tobytes() == again.values.tobytes()


def test_no_history_of_an_unknown_market() -> None:
    with pytest.raises(BadSetting, match="no synthetic market of SOLUSDT"):
        history("SOLUSDT", 1, 0.1)
