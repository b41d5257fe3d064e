"""Published features against recomputed ones: what is found, what is not held against anybody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from lobflow.cli import app
from lobflow.parity import compare
from services.features.core import FeaturesCore
from services.features.parity import Parity
from services.features.schema import indices
from services.recorder.archive import Archive
from services.recorder.core import Limits
from services.recorder.layout import label_of
from shared import codec
from shared.codec import pack_tiers
from shared.messages import AggTrade, FeatureVector, FeedStatus, Flow, Lob, Market
from shared.streams import Stream, parse_id
from shared.units import MS, SECOND

START_NS = 1_700_000_000 * SECOND
GAP_AT, LENGTH = 300, 2000  # entries; 100 s
Entries = list[tuple[str, bytes]]
Change = Callable[[FeatureVector], FeatureVector]


def market(first_seq: int = 0) -> Entries:
    """Books and trades each 50 ms, and a gap."""
    draw = np.random.default_rng(3)
    entries: Entries = []
    for number in range(LENGTH):
        now_ns = START_NS + number * 50 * MS
        stamps = {"seq": first_seq + number, "epoch": int(number > GAP_AT), "exchange_ns": now_ns}
        sizes = {"tick_e9": 10**8, "lot_e9": 10**6}
        message: Market
        if number == GAP_AT:
            message = FeedStatus(**stamps, recv_ns=now_ns, state="gap", reason="")
        elif number % 3 == 1:
            ids = dict.fromkeys(("agg_id", "first_id", "last_id"), number)
            trade = {"price_ticks": 1000, "size_lots": int(draw.integers(1, 50)), "side": 1}
            message = AggTrade(**stamps, recv_ns=now_ns, **ids, **trade, **sizes)
        else:
            best, lots = 1000 + int(draw.integers(-2, 3)), draw.integers(1, 100, 4).tolist()
            bids, asks = [best, lots[0], best - 1, lots[1]], [best + 1, lots[2], best + 2, lots[3]]
            packed = {"bids": pack_tiers(bids), "asks": pack_tiers(asks)}
            message = Lob(**stamps, recv_ns=now_ns, update_id=number, **packed, **sizes)
        entries.append((f"{now_ns // MS}-{number % 7}", codec.encode(message)))
    return entries


def published(entries: Entries) -> Entries:
    """What a features service that was there from the beginning makes of it."""
    core, out = FeaturesCore(), []
    for entry_id, data in entries:
        for vector in core.handle(codec.decode(data), entry_id.encode()):
            out.append((entry_id, codec.encode(vector)))
    return out


def compared(entries: Entries, vectors: Entries, **options: str) -> Parity:
    """Both streams fed in the order of their ids."""
    parity = Parity(**options)
    turns = [(at, parity.market) for at in entries] + [(at, parity.published) for at in vectors]
    for (entry_id, data), feed in sorted(turns, key=lambda turn: turn[0][0].split("-")[0]):
        feed(entry_id, data)
    parity.finish()
    return parity


def changed(vectors: Entries, place: int, change: Change) -> Entries:
    entry_id, data = vectors[place]
    vector = codec.decode(data)
    assert isinstance(vector, FeatureVector)
    return [*vectors[:place], (entry_id, codec.encode(change(vector))), *vectors[place + 1 :]]


def nudged(vector: FeatureVector) -> FeatureVector:
    """The last bit of one value turned over."""
    values = np.frombuffer(vector.values, np.uint64).copy()
    values[indices(["imbalance_5"])] ^= np.uint64(1)
    return msgspec.structs.replace(vector, values=values.tobytes())


@pytest.fixture(scope="module")
def entries() -> Entries:
    return market()


@pytest.fixture(scope="module")
def vectors(entries: Entries) -> Entries:
    return published(entries)


def test_what_is_equal_is_counted_and_nothing_else(entries: Entries, vectors: Entries) -> None:
    parity = compared(entries, vectors)
    assert (parity.compared, parity.mismatches, parity.unchecked) == (len(vectors), 0, 0)
    assert parity.first is None


@pytest.mark.parametrize(
    ("feature", "change"),
    [
        ("imbalance_5", nudged),
        ("clean_ns", lambda vector: msgspec.structs.replace(vector, clean_ns=vector.clean_ns + 1)),
        ("bid_ticks", lambda vector: msgspec.structs.replace(vector, bid_ticks=1)),
        ("bytes", lambda vector: msgspec.structs.replace(vector, values=vector.values[:-8])),
    ],
)
def test_one_bit_is_found_and_named(feature: str, change: Change, entries: Entries, vectors: Entries) -> None:
    parity = compared(entries, changed(changed(vectors, 900, change), 700, change))
    assert (parity.compared, parity.mismatches) == (len(vectors), 2)
    assert parity.first is not None
    assert (parity.first.entry_id, parity.first.feature) == (vectors[700][0], feature)
    assert parity.first.published != parity.first.recomputed


def test_a_vector_that_one_side_alone_has_differs(entries: Entries, vectors: Entries) -> None:
    lacking = compared(entries, [*vectors[:500], *vectors[501:]])
    assert lacking.mismatches == 1
    assert lacking.first is not None
    assert (lacking.first.entry_id, lacking.first.feature) == (vectors[500][0], "vector")
    trade_id = entries[301][0]
    assert trade_id not in {entry_id for entry_id, _ in vectors}
    place = next(at for at, (entry_id, _) in enumerate(vectors) if entry_id > trade_id)
    more = compared(entries, [*vectors[:place], (trade_id, vectors[place][1]), *vectors[place:]])
    assert (more.mismatches, more.first and more.first.entry_id) == (1, trade_id)


def test_the_flow_of_the_minute_is_held_against_its_own(entries: Entries, vectors: Entries) -> None:
    place, flow = next(
        (place, message)
        for place, (_, data) in enumerate(vectors)
        if isinstance(message := codec.decode(data), Flow)
    )
    entry_id = vectors[place][0]
    wrong = [
        *vectors[:place],
        (entry_id, codec.encode(msgspec.structs.replace(flow, from_ns=1))),
        *vectors[place + 1 :],
    ]
    parity = compared(entries, wrong)
    assert (parity.compared, parity.mismatches) == (len(vectors), 1)
    assert parity.first is not None
    assert (parity.first.entry_id, parity.first.feature) == (entry_id, "flow")


def test_a_flow_whose_minutes_are_not_all_there_is_not_checked(entries: Entries, vectors: Entries) -> None:
    trade_id = entries[GAP_AT + 1][0]  # nothing is made of it, and a flow is published under it
    place = next(at for at, (entry_id, _) in enumerate(vectors) if parse_id(entry_id) > parse_id(trade_id))
    flow = next(data for _, data in vectors if isinstance(codec.decode(data), Flow))
    parity = compared(entries, [*vectors[:place], (trade_id, flow), *vectors[place:]])
    assert (parity.compared, parity.mismatches, parity.unchecked) == (len(vectors), 0, 1)


def test_other_schemas_and_what_lies_outside_are_not_held_against_anybody(
    entries: Entries, vectors: Entries
) -> None:
    old = changed(vectors, 0, lambda vector: msgspec.structs.replace(vector, schema="0123456789ab"))
    parity = compared(entries[:-100], old[5:-10] + old[-10:])
    assert parity.mismatches == 0
    parity = compared(entries, old)
    assert (parity.compared, parity.unchecked, parity.other_schema) == (len(vectors) - 1, 1, 1)


def test_flows_of_code_with_another_schema_are_not_held_against_anybody(
    entries: Entries, vectors: Entries
) -> None:
    old: Entries = []
    for entry_id, data in vectors:
        message = codec.decode(data)
        former = (
            msgspec.structs.replace(message, from_ns=1)
            if isinstance(message, Flow)
            else msgspec.structs.replace(message, schema="0123456789ab")
        )
        old.append((entry_id, codec.encode(former)))
    parity = compared(entries, old)
    assert (parity.compared, parity.mismatches) == (0, 0)
    assert parity.unchecked == parity.other_schema == len(vectors)
    # Code that was renewed while it ran answers for its own flows.
    place = next(at for at, (_, data) in enumerate(vectors) if isinstance(codec.decode(data), Flow))
    parity = compared(entries, [*old[: place - 1], vectors[place - 1], *old[place:]])
    assert (parity.compared, parity.mismatches) == (2, 1)
    assert parity.first is not None
    assert parity.first.feature == "flow"


def test_a_stream_read_from_the_middle_waits_until_it_is_warm(vectors: Entries, entries: Entries) -> None:
    first = next(at for at, (entry_id, _) in enumerate(entries) if entry_id == vectors[10][0])
    parity = compared(entries[first + 1 :], vectors)
    gap = parse_id(entries[GAP_AT][0])
    before_gap = sum(parse_id(entry_id) < gap for entry_id, _ in vectors)
    assert parity.mismatches == 0
    assert parity.unchecked == before_gap  # the gap makes the core warm
    assert parity.compared == len(vectors) - before_gap


def test_a_hole_in_the_copy_is_no_mismatch(entries: Entries, vectors: Entries) -> None:
    parity = compared(entries[:600] + entries[640:], vectors)
    assert parity.mismatches == 0
    assert parity.unchecked > 100  # until it is warm again
    assert 100 < parity.compared < len(vectors)


def test_what_serves_to_warm_up_is_not_compared(entries: Entries, vectors: Entries) -> None:
    after = vectors[900][0]
    parity = compared(entries, vectors[901:], after=after)
    assert (parity.compared, parity.mismatches) == (len(vectors) - 901, 0)


@pytest.fixture
def folder(tmp_path: Path, entries: Entries, vectors: Entries) -> Path:
    """A run as the recorder writes it, with one wrong bit."""
    wrong = changed(vectors, 800, nudged)
    with Archive(tmp_path / "live", Limits()) as archive:
        for stream, rows in ((Stream.MARKET, entries), (Stream.FEATURES, wrong)):
            label = label_of(stream, "BTCUSDT")
            archive.resume(label)
            archive.add(label, [(entry_id.encode(), data) for entry_id, data in rows], 0.0)
        archive.close()
    return tmp_path


def test_the_command_names_the_first_that_differs(folder: Path, vectors: Entries) -> None:
    done = CliRunner().invoke(app, ["parity", "--data", str(folder), "--run", "live", "--json"])
    assert done.exit_code == 1
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["compared"], report["mismatches"]) == (len(vectors), 1)
    assert report["first_mismatch"]["id"] == vectors[800][0]
    assert report["first_mismatch"]["feature"] == "imbalance_5"
    assert f"the first at {vectors[800][0]} in imbalance_5" in done.stderr
    assert compare(folder / "live", "BTCUSDT").compared == len(vectors)


def test_the_command_refuses_what_holds_nothing_to_compare(folder: Path) -> None:
    done = CliRunner().invoke(app, ["parity", "--data", str(folder), "--run", "demo"])
    assert "no run demo; there are live" in str(done.exception)
    done = CliRunner().invoke(app, ["parity", "--data", str(folder), "--symbol", "ETHUSDT"])
    assert "no recorded vector can be compared" in str(done.exception)
