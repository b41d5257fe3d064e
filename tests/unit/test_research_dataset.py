"""Recordings to rows: the grid, the parts, the sources, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from research.dataset import Dataset, load, sample
from services.recorder.archive import Archive
from services.recorder.core import Limits
from shared import codec
from shared.errors import BadInput
from shared.messages import FeedStatus, Heartbeat, Lob, Message
from shared.units import MS

START_MS = 1_723_161_255_000
LOT_E9, TICK_E9 = 1_000_000, 100_000_000


def lob(
    seq: int, at_ms: int, bid: int = 600_000, epoch: int = 1, sizes: tuple[int, int] = (3000, 1000)
) -> Lob:
    tiers = range(20)
    return Lob(
        seq=seq,
        epoch=epoch,
        exchange_ns=0,
        recv_ns=(START_MS + at_ms) * MS,
        update_id=seq,
        tick_e9=TICK_E9,
        lot_e9=LOT_E9,
        bids=codec.pack_tiers([part for i in tiers for part in (bid - i, 3000)]),
        asks=codec.pack_tiers([part for i in tiers for part in (bid + 1 + i, 1000)]),
    )


def stream(*messages: Message) -> list[tuple[str, Message]]:
    return [(f"{message.recv_ns // MS}-{at}", message) for at, message in enumerate(messages)]  # type: ignore[attr-defined]


def seconds(data: Dataset) -> list[float]:
    return ((data.recv_ns - START_MS * MS) / 1e9).tolist()


def test_a_row_is_the_last_book_before_the_whole_second() -> None:
    data = sample(
        "BTCUSDT", stream(*(lob(seq, at) for seq, at in enumerate((0, 400, 900, 1000, 1700, 4200))))
    )
    # at 0; at 1 the book of that very time; at 2 that of 1.7; none in the second before 3 and 4
    assert seconds(data) == [0.0, 1.0, 1.7]
    assert data.mid.tolist() == pytest.approx([60_000.05] * 3)
    assert data.spread.tolist() == pytest.approx([0.1] * 3)
    assert data.imbalance_1.tolist() == data.imbalance_5.tolist() == [0.5] * 3


def test_the_grid_may_be_finer() -> None:
    books = [lob(seq, 100 * seq) for seq in range(11)]
    assert seconds(sample("BTCUSDT", stream(*books), sample_ms=500)) == [0.0, 0.5, 1.0]


def test_heartbeats_prolong_what_is_known_and_give_no_rows() -> None:
    beat = Heartbeat(1, 1, 0, (START_MS + 7000) * MS)
    data = sample("BTCUSDT", stream(lob(0, 0), beat))
    assert seconds(data) == [0.0]
    assert data.until_ns == data.track.end_ns == beat.recv_ns


def test_breaks_are_counted_in_stream_order() -> None:
    at = (START_MS + 1500) * MS
    entries = stream(
        lob(0, 0),
        lob(1, 1000),
        FeedStatus(2, 1, 0, at, "gap", "pu"),
        FeedStatus(3, 2, 0, at, "live", ""),
        lob(4, 1500, epoch=2),
        lob(6, 2500, epoch=2),  # 5 was lost
    )
    data = sample("BTCUSDT", entries, sample_ms=500)
    assert seconds(data) == [0.0, 1.0, 1.5, 2.5]
    assert data.breaks_before.tolist() == [0, 0, 2, 3]
    assert data.track.breaks_ns.tolist() == [at, at, (START_MS + 2500) * MS]


def test_last_return_does_not_cross_a_break_or_a_hole() -> None:
    books = [lob(0, 0, 600_000), lob(1, 1000, 600_010), lob(2, 4000, 600_030), lob(3, 5000, 600_060)]
    data = sample("BTCUSDT", stream(*books))
    assert data.last_return.tolist() == pytest.approx([0.0, 1.0, 0.0, 3.0])


def test_a_part_knows_nothing_of_what_follows() -> None:
    data = sample("BTCUSDT", stream(*(lob(seq, 1000 * seq) for seq in range(11))))
    part = data.part(0.2, 0.6)
    assert seconds(part) == [2.0, 3.0, 4.0, 5.0, 6.0]
    assert part.track.end_ns == part.until_ns == (START_MS + 6000) * MS
    assert part.track.recv_ns.max() <= part.until_ns


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    entries = stream(*(lob(seq, 300 * seq, 600_000 + seq % 7) for seq in range(40)))
    with Archive(tmp_path / "run", Limits()) as archive:
        archive.resume("market:{BTCUSDT}")
        archive.add("market:{BTCUSDT}", [(i.encode(), codec.encode(m)) for i, m in entries], 0.0)
    here, there = sample("BTCUSDT", entries), load([tmp_path / "run"])
    assert there.symbol == "BTCUSDT"
    assert there.sha256 == here.sha256
    np.testing.assert_array_equal(there.values, here.values)
    np.testing.assert_array_equal(there.recv_ns, here.recv_ns)


def test_several_symbols_must_be_chosen_from(tmp_path: Path) -> None:
    with Archive(tmp_path / "run", Limits()) as archive:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            archive.resume(f"market:{{{symbol}}}")
            rows = [(i.encode(), codec.encode(m)) for i, m in stream(lob(0, 0), lob(1, 1000))]
            archive.add(f"market:{{{symbol}}}", rows, 0.0)
    with pytest.raises(BadInput, match="the data hold BTCUSDT, ETHUSDT; name one"):
        load([tmp_path / "run"])
    assert load([tmp_path / "run"], "ETHUSDT").symbol == "ETHUSDT"
    with pytest.raises(BadInput, match="the data hold no SOLUSDT"):
        load([tmp_path / "run"], "SOLUSDT")


def test_data_without_books_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no valid book"):
        sample("BTCUSDT", stream(Heartbeat(0, 1, 0, START_MS * MS)))
    with pytest.raises(BadInput, match="no market data"):
        load([tmp_path])
    with pytest.raises(BadInput, match="no such file"):
        load([tmp_path / "absent"])
