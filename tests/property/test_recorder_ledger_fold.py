"""However often a recorder stops in between, the ledger is the same, and every moment is accounted for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.recorder.ledger import Fold, Ledger, decode, encode
from shared.messages import AggTrade, FeedStatus, Heartbeat, Lob, Message
from shared.units import MS

STATES = ("syncing", "live", "gap", "crossed", "stale")
steps = st.tuples(
    st.sampled_from(["lob", "trade", "beat", "bytes", *STATES]),
    st.integers(0, 2500),  # ms since the entry before
    st.sampled_from([1, 1, 1, 1, 1, 2, 5, 0, -3]),  # of seq
    st.integers(1, 3),  # of the trade id
)


def messages(drawn: list[tuple[str, int, int, int]]) -> list[tuple[str, Message | None]]:
    at_ns, seq, agg_id = 10**18, 0, 0
    out: list[tuple[str, Message | None]] = []
    for n, (what, after_ms, seq_step, id_step) in enumerate(drawn):
        at_ns += after_ms * MS
        seq += seq_step
        message: Message | None = None
        if what == "lob":
            message = Lob(seq, 0, 0, at_ns, 0, 1, 1, b"", b"")
        elif what == "trade":
            agg_id += id_step
            message = AggTrade(seq, 0, 0, at_ns, agg_id, 0, 0, 1, 1, 1, 1, 1)
        elif what == "beat":
            message = Heartbeat(seq, 0, 0, at_ns)
        elif what in STATES:
            message = FeedStatus(seq, 0, 0, at_ns, what, f"reason {n % 3}")
        out.append((f"{n + 1}-0", message))
    return out


@given(st.lists(steps, max_size=60), st.sets(st.integers(0, 59)))
def test_stops_in_between_change_nothing(drawn: list[tuple[str, int, int, int]], stops: set[int]) -> None:
    whole = Fold(Ledger("S", "d", None))
    broken = Fold(Ledger("S", "d", None))
    for n, (entry_id, message) in enumerate(messages(drawn)):
        if n in stops:
            broken.page()  # a page that was written and went on
            broken = Fold(decode(encode(broken.page()), "page"))
        whole.add(entry_id, message)
        broken.add(entry_id, message)
    assert broken.page() == whole.page()


@given(st.lists(steps, max_size=60))
def test_every_moment_is_covered_or_in_a_gap(drawn: list[tuple[str, int, int, int]]) -> None:
    fold = Fold(Ledger("S", "d", None))
    for entry_id, message in messages(drawn):
        fold.add(entry_id, message)
    page = fold.page()
    assert page.covered_ns + page.gap_ns == page.until_ns - page.from_ns
    assert page.intervals == len(page.covered)
    assert sum(to_ns - from_ns for from_ns, to_ns in page.covered) == page.covered_ns
    gaps = [*page.gap_list, *([page.open_gap] if page.open_gap else [])]
    assert page.gaps == len(gaps)
    assert sum(gap.to_ns - gap.from_ns for gap in gaps) == page.gap_ns
    assert (page.open_gap is None) == (bool(page.live_since_ns) or not page.entries)
    assert sum(page.entries.values()) + page.unreadable == len(drawn)
