"""The flow that is published: when, under which id, what it says, and that every copy says the same."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from research.flow.entries import entries_of, probe
from services.features.core import FeaturesCore
from services.features.flow.fit import side_of, split
from services.features.flow.follower import LOOKBACK_MS, WINDOW_NS
from services.features.flow.leaving import Walk, first_of_seconds, spread_ticks
from services.features.flow.orders import Tape, orders_of
from services.features.flow.probe import TICKS, Setup, between
from services.model.core import ModelCore
from shared.codec import encode, pack_tiers
from shared.messages import AggTrade, FeedStatus, Flow, Heartbeat, Lob, Market, MarkPrice
from shared.units import MS, SECOND

Entries = list[tuple[str, Market]]
START_MS = 1_700_000_000_000
TICK, LOT = 100_000_000, 1_000_000


def market(seconds: int, seed: int = 1, seq: int = 0, gap_at: int | None = None) -> Entries:
    """A wandering book of 20 tiers, takers of both sides that walk into it, a mark price each second."""
    draws = np.random.default_rng(seed)
    out: Entries = []
    best, agg_id, epoch = 10_000, 0, 1

    def add(ms: int, kind: type[Market], **facts: object) -> None:
        at_ns = (START_MS + ms) * MS
        stamps = {"seq": seq + len(out), "epoch": epoch, "exchange_ns": at_ns - 5 * MS, "recv_ns": at_ns}
        out.append((f"{START_MS + ms}-{len(out)}", kind(**stamps, **facts)))

    for second in range(seconds):
        ms = second * 1000
        if second == gap_at:
            epoch += 1
            add(ms, FeedStatus, state="gap", reason="a test")
        add(ms + 1, MarkPrice, mark_e9=1, index_e9=1, funding_rate_e9=0, next_funding_ns=0)
        for place in range(4):
            sizes = draws.integers(1, 60, 40).tolist()
            bids = [each for i in range(20) for each in (best - i, sizes[i])]
            asks = [each for i in range(20) for each in (best + 1 + i, sizes[20 + i])]
            packed = {"bids": pack_tiers(bids), "asks": pack_tiers(asks)}
            add(ms + 10 + 200 * place, Lob, update_id=1, tick_e9=TICK, lot_e9=LOT, **packed)
            side = int(draws.choice([-1, 1]))
            lots = int(draws.pareto(2.2) * 25) + 1
            for step in range(1 + lots // 20):
                agg_id += 1
                price = best + 1 + step if side > 0 else best - step
                ids = dict.fromkeys(("agg_id", "first_id", "last_id"), agg_id)
                size = {"price_ticks": price, "size_lots": min(lots, 60), "side": side}
                add(ms + 100 + 200 * place, AggTrade, **ids, **size, tick_e9=TICK, lot_e9=LOT)
            best += side * (lots // 20)
    return out


def said(entries: Entries, core: FeaturesCore | None = None) -> dict[str, Flow]:
    """The flows by id."""
    core = FeaturesCore() if core is None else core
    flows = {}
    for entry_id, message in entries:
        for result in core.handle(message, entry_id.encode()):
            if isinstance(result, Flow):
                assert not isinstance(message, Lob)
                flows[entry_id] = result
            else:
                assert isinstance(message, Lob)
    return flows


@pytest.fixture(scope="module")
def long() -> Entries:
    """Twenty-three minutes."""
    return market(1_380)


def test_one_flow_a_minute_under_the_id_of_the_first_entry_that_is_no_book(long: Entries) -> None:
    flows = said(long)
    minutes = [int(entry_id.partition("-")[0]) // 60_000 for entry_id in flows]
    assert minutes == list(range(minutes[0], minutes[0] + len(minutes)))
    assert len(minutes) == 23
    first = {int(entry_id.partition("-")[0]) // 60_000: entry_id for entry_id, m in reversed(long)
             if not isinstance(m, Lob)}  # fmt: skip
    assert list(flows) == [first[minute] for minute in minutes]


def test_a_flow_is_what_the_same_functions_give_of_its_window_offline(long: Entries) -> None:
    entry_id, flow = list(said(long).items())[-2]
    end = next(place for place, row in enumerate(long) if row[0] == entry_id) + 1
    assert flow.recv_ns - flow.from_ns == WINDOW_NS
    arrays = entries_of([message for _, message in long[:end]])
    assert arrays is not None
    setup = Setup()
    records = between(probe(arrays, TICKS, setup), flow.from_ns, flow.recv_ns - setup.whole_ns)
    rows = sorted(
        (m.exchange_ns // MS, m.first_id, m.price_ticks, m.size_lots, m.side)
        for _, m in long[:end]
        if isinstance(m, AggTrade) and m.recv_ns >= flow.from_ns
    )
    times, _, prices, sizes, sides = np.array(rows, np.int64).T.copy()
    tape = Tape(times, prices, sizes, sides)
    begun = arrays.row_ns >= flow.from_ns
    books = first_of_seconds(arrays.rows[begun], arrays.row_ns[begun])
    assert flow.spread_ticks == spread_ticks(books) == 1.0
    for told, side in zip(flow.sides, (1, -1), strict=True):
        again = side_of(orders_of(tape, -side), split(records, side), books, side, TICKS, setup)
        assert msgspec.msgpack.encode(told) == msgspec.msgpack.encode(again)  # NaN is equal to itself here
        assert told.side == side
        assert told.slippages == Walk.of(books, -side).slippages()
        assert [lots for lots, _ in told.slippages] == [1, 2, 5, 10, 20, 50, 100, 200, 500]
        assert told.slippages[-1][1] > 5.0 > told.slippages[0][1] == 0.0
        assert told.orders > 1_000
        assert [depth.ticks for depth in told.depths] == list(TICKS)
        assert all(depth.probes > 500 for depth in told.depths)
        assert told.depths[0].fills > told.depths[-1].fills > 0
        rates = [depth.fill_rate for depth in told.depths]
        assert rates == sorted(rates, reverse=True)
        assert math.isfinite(told.slope)


def test_a_copy_that_starts_anywhere_says_the_same_bytes(long: Entries) -> None:
    flows = said(long)
    for after_s in (61, 200, 333):
        begins_ns = long[0][1].recv_ns + after_s * SECOND
        part = [row for row in long if row[1].recv_ns >= begins_ns]
        copy = said(part)
        warm_ns = part[0][1].recv_ns + (LOOKBACK_MS - 1_000) * MS
        assert copy
        assert all(flow.recv_ns >= warm_ns for flow in copy.values())
        due = {entry_id: flow for entry_id, flow in flows.items() if flow.recv_ns >= warm_ns}
        assert {name: encode(flow) for name, flow in copy.items()} == {
            name: encode(flow) for name, flow in due.items()
        }


def test_the_lookback_of_the_core_is_enough_to_go_on(long: Entries) -> None:
    flows = said(long)
    done_ns = long[-1][1].recv_ns - 100 * SECOND
    part = [row for row in long if row[1].recv_ns >= done_ns - FeaturesCore.lookback_ms * MS]
    due = [encode(flow) for flow in flows.values() if flow.recv_ns > done_ns]
    assert [encode(flow) for flow in said(part).values() if flow.recv_ns > done_ns] == due
    assert due


def test_after_a_gap_nothing_from_before_it_counts() -> None:
    entries = market(400, gap_at=200)
    gap_ns = next(m.recv_ns for _, m in entries if isinstance(m, FeedStatus))
    later = [row for row in entries if row[1].recv_ns >= gap_ns]
    flows = {name: flow for name, flow in said(entries).items() if flow.recv_ns > gap_ns}
    assert all(flow.from_ns > gap_ns for flow in flows.values())
    reasons = [flow.reason for flow in flows.values()]
    assert reasons[-1] == ""
    assert "less than a minute since the last gap" in reasons
    # A copy that begins in the gap is warm at once: no copy knows more.
    assert {name: encode(flow) for name, flow in said(later).items()} == {
        name: encode(flow) for name, flow in flows.items()
    }


def test_a_sequence_that_jumps_is_a_gap() -> None:
    entries = market(300)
    jumped = entries[:2_000] + [
        (name, msgspec.structs.replace(message, seq=message.seq + 3)) for name, message in entries[2_000:]
    ]
    at_ns = entries[2_000][1].recv_ns
    flows = [flow for flow in said(jumped).values() if flow.recv_ns > at_ns]
    assert flows
    assert all(flow.from_ns >= at_ns for flow in flows)


def test_the_future_changes_nothing(long: Entries) -> None:
    cut = len(long) // 3
    before = {name: encode(flow) for name, flow in said(long[:cut]).items()}
    assert before == {name: encode(flow) for name, flow in said(long).items() if name in before}


def test_a_silent_market_is_told_as_it_is() -> None:
    entries = market(90)
    last = entries[-1][1].recv_ns
    seq = entries[-1][1].seq
    beats: Entries = [
        (f"{last // MS + 100 * n}-0", Heartbeat(seq + n, 1, 0, last + 100 * n * MS)) for n in range(1, 3_000)
    ]
    flows = list(said([*entries, *beats]).values())
    assert flows[-1].sides[0].orders > 0  # of before the silence, which is within ten minutes
    assert flows[-1].sides[0].depths[0].probes <= 91 + 10  # none was placed by a book that says nothing


def test_the_model_passes_a_flow_on(long: Entries) -> None:
    entry_id, flow = next(iter(said(long).items()))
    assert ModelCore("BTCUSDT", None).handle(flow, entry_id.encode()) == [flow]
