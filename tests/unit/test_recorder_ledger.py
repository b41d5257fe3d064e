"""What a ledger says of coverage, gaps and losses."""

from __future__ import annotations

import pytest

from services.recorder.ledger import Carry, Fold, Gap, Ledger, decode, differences, encode
from shared.errors import BadInput
from shared.messages import AggTrade, FeedStatus, Heartbeat, Lob, Message
from shared.units import MS, SECOND

T = 1_723_161_255 * SECOND


def lob(seq: int, at_ms: int, epoch: int = 0) -> Lob:
    return Lob(seq, epoch, 0, T + at_ms * MS, seq, 10**8, 10**6, b"", b"")


def status(seq: int, at_ms: int, state: str, reason: str, epoch: int = 0) -> FeedStatus:
    return FeedStatus(seq, epoch, 0, T + at_ms * MS, state, reason)


def beat(seq: int, at_ms: int) -> Heartbeat:
    return Heartbeat(seq, 0, 0, T + at_ms * MS)


def trade(seq: int, at_ms: int, agg_id: int) -> AggTrade:
    return AggTrade(seq, 0, 0, T + at_ms * MS, agg_id, 0, 0, 5, 1, 1, 10**8, 10**6)


def folded(*messages: Message | None, before: Carry | None = None) -> Ledger:
    fold = Fold(Ledger("S", "2024-08-08", before))
    for n, message in enumerate(messages):
        fold.add(f"{n + 1}-0", message)
    return fold.page()


def at(ms: int) -> int:
    return T + ms * MS


def test_covered_is_from_live_to_what_ended_it() -> None:
    page = folded(
        status(0, 0, "syncing", "no book yet"),
        status(1, 300, "live", "whole"),
        lob(2, 300),
        lob(3, 900),
        status(4, 1000, "gap", "depth: pu 7 after u 5", 1),
        beat(5, 1100),
        status(6, 1500, "live", "whole", 1),
        lob(7, 1600, 1),
    )
    assert page.covered == [(at(300), at(1000)), (at(1500), at(1600))]
    assert page.gap_list == [
        Gap(at(0), at(300), "syncing: no book yet"),
        Gap(at(1000), at(1500), "gap: depth: pu 7 after u 5"),
    ]
    assert (page.covered_ns, page.gap_ns, page.resyncs) == (800 * MS, 800 * MS, 1)
    assert page.entries == {"FeedStatus": 4, "Heartbeat": 1, "Lob": 3}
    assert (page.first_id, page.last_id) == ("1-0", "8-0")


def test_a_jump_of_seq_is_a_gap_up_to_the_next_book() -> None:
    page = folded(lob(0, 0), lob(1, 100), beat(5, 200), lob(6, 300))
    assert page.gap_list == [Gap(at(100), at(300), "seq 5 after 1")]
    assert (page.seq_jumps, page.seq_lost, page.covered_ns) == (1, 3, 100 * MS)


def test_a_second_without_any_entry_is_a_gap() -> None:
    page = folded(lob(0, 0), lob(1, 999), lob(2, 2500))
    assert page.gap_list == [Gap(at(999), at(2500), "no entry for 1.501 s")]


def test_a_gap_that_has_not_ended_is_open_and_goes_on_the_next_day() -> None:
    page = folded(lob(0, 0), status(1, 100, "stale", "depth silent", 1), beat(2, 200))
    assert page.open_gap == Gap(at(100), at(200), "stale: depth silent")
    assert (page.gaps, page.gap_list, page.gap_ns) == (1, [], 100 * MS)
    following = folded(beat(3, 300), lob(4, 400), before=page.after)
    assert following.gap_list == [Gap(at(300), at(400), "stale: depth silent")]
    assert following.resyncs == 1


def test_several_reasons_of_one_gap_are_one_gap() -> None:
    page = folded(lob(0, 0), status(1, 1, "gap", "a", 1), status(2, 2, "stale", "b", 2), lob(3, 3, 2))
    assert page.gap_list == [Gap(at(1), at(3), "gap: a; stale: b")]


def test_trade_ids_that_are_missing_are_counted() -> None:
    page = folded(lob(0, 0), trade(1, 1, 10), trade(2, 2, 11), trade(3, 3, 15))
    assert (page.trade_id_gaps, page.trade_ids_missing) == (1, 3)


def test_bytes_that_are_no_message_are_counted_and_seen_by_seq() -> None:
    page = folded(lob(0, 0), None, lob(2, 2))
    assert (page.unreadable, page.seq_lost) == (1, 1)


def test_json_and_back_and_what_differs() -> None:
    page = folded(lob(0, 0), lob(1, 100))
    again = decode(encode(page), "x")
    assert again == page
    again.covered_ns += 1
    again.duplicates_dropped = 7  # only the recorder knows
    assert differences(again, page) == [f"covered_ns is {100 * MS + 1}, the files say {100 * MS}"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"symbol":"S","date":"d","before":null,"version":99}'])
def test_what_is_no_ledger_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(BadInput, match=r"date=x\.json"):
        decode(data, "date=x.json")
