"""Closed days: packed without a reader noticing, dropped by age and size."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from upath import UPath

from services.recorder.archive import Archive
from services.recorder.audit import Pages, check_files, write_ledgers
from services.recorder.core import Limits
from services.recorder.days import load
from services.recorder.keep import Held, Keep, to_drop
from services.recorder.layout import pack_range
from services.recorder.pack import groups, pack
from services.recorder.place import Place
from services.recorder.reader import files_of, read
from services.recorder.upkeep import Upkeep
from shared import codec
from shared.errors import BadInput
from shared.messages import Decision, FeedStatus, Heartbeat, Message
from shared.units import MS

LABEL = "market:{BTCUSDT}"
LEDGER_STREAM = "decisions:{BTCUSDT}"
DAY_MS = 86_400_000
MIDNIGHT_MS = 1723161600000  # 2024-08-09
SMALL = Limits(group_bytes=100, file_bytes=250)


def beats(first_ms: int, count: int, seq: int = 0) -> list[tuple[bytes, bytes]]:
    out = []
    for n in range(count):
        at_ms = first_ms + 100 * n
        message: Message = Heartbeat(seq + n, 1, 0, at_ms * MS)
        if n % 5 == 0:
            message = FeedStatus(seq + n, 1, 0, at_ms * MS, "live", "kinds differ from file to file")
        out.append((f"{at_ms}-0".encode(), codec.encode(message)))
    return out


def decisions(first_ms: int, count: int) -> list[tuple[bytes, bytes]]:
    one = codec.encode(Decision(1, "x", "0-0", "0-0", "0-0", "0-0", 1, 1, ()))
    return [(f"{first_ms + n}-0".encode(), one) for n in range(count)]


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A local folder, and one on an object store that knows no rename."""
    return tmp_path / "run" if request.param == "local" else UPath(f"memory://{tmp_path.name}/run")


def record(root: Place, days: int = 2, count: int = 60) -> list[tuple[str, bytes]]:
    """`days` days of many small files, and a beginning of the next. Returns the market entries."""
    entries: list[tuple[bytes, bytes]] = []
    with Archive(root, SMALL) as archive:
        archive.resume(LABEL)
        archive.resume(LEDGER_STREAM)
        for day in range(days + 1):
            batch = beats(MIDNIGHT_MS + day * DAY_MS, count if day < days else 3, len(entries))
            archive.add(LABEL, batch, 0.0)
            archive.add(LEDGER_STREAM, decisions(MIDNIGHT_MS + day * DAY_MS, 2), 0.0)
            entries += batch
    return [(entry_id.decode(), data) for entry_id, data in entries]


def problems(root: Place) -> list[str]:
    pages = Pages(root, "BTCUSDT")
    found = [f"{row.file}: {row.what}" for row in check_files(root, LABEL, pages.add, lambda _: None)]
    return found + [f"{row.file}: {row.what}" for row in pages.problems()]


def upkeep(root: Place, keep: Keep | None = None) -> Upkeep:
    return Upkeep(root, keep or Keep(), lambda: False, grace_seconds=100)


def settle(keeper: Upkeep) -> None:
    """Pack, see what was packed, and remove it after the grace."""
    keeper.round(0.0)
    keeper.round(1.0)
    assert keeper.round(101.0).removed > 0


def test_what_is_recorded_is_read_and_goes_on_anywhere(root: Place) -> None:
    entries = record(root)
    assert list(read(files_of(root, LABEL))) == entries
    assert not problems(root)
    with Archive(root, SMALL) as archive:
        assert archive.resume(LABEL).decode() == entries[-1][0]
        last_ms = int(entries[-1][0].partition("-")[0])
        more = beats(last_ms + 100, 20, len(entries))
        archive.add(LABEL, [*[(i.encode(), d) for i, d in entries[-2:]], *more], 0.0)
        assert archive.duplicates == 2
    assert list(read(files_of(root, LABEL))) == entries + [(i.decode(), d) for i, d in more]
    assert not problems(root)
    page = load(root, "BTCUSDT", "2024-08-11")
    assert page is not None
    assert page.duplicates_dropped == 2


def test_a_crash_before_the_upload_or_rename_leaves_no_file_and_loses_nothing(root: Place) -> None:
    entries = record(root)
    last_ms = int(entries[-1][0].partition("-")[0])
    more = beats(last_ms + 100, 4, len(entries))
    archive = Archive(root, Limits())
    archive.resume(LABEL)
    archive.add(LABEL, more, 0.0)
    archive.__exit__(RuntimeError, RuntimeError("crash"), None)
    assert list(read(files_of(root, LABEL))) == entries
    with Archive(root, Limits()) as archive:
        assert archive.resume(LABEL).decode() == entries[-1][0]


def test_a_ledger_that_lacks_the_last_files_catches_up(root: Place) -> None:
    entries = record(root)
    path = root / "ledger" / "symbol=BTCUSDT" / "date=2024-08-11.json"
    earlier = path.read_bytes()
    with Archive(root, SMALL) as archive:
        archive.resume(LABEL)
        last_ms = int(entries[-1][0].partition("-")[0])
        archive.add(LABEL, beats(last_ms + 100, 40, len(entries)), 0.0)
    whole = path.read_bytes()
    assert whole != earlier
    for damaged in (earlier, None):  # killed before it was written; lost
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        with Archive(root, SMALL) as archive:
            archive.resume(LABEL)
        assert path.read_bytes() == whole
    assert not problems(root)


def test_ledgers_are_written_from_files_that_have_none(root: Place) -> None:
    record(root)
    pages = {path.name: path.read_bytes() for path in (root / "ledger" / "symbol=BTCUSDT").glob("*.json")}
    for name in pages:
        (root / "ledger" / "symbol=BTCUSDT" / name).unlink()
    assert write_ledgers(root, "BTCUSDT") == len(pages) == 3
    assert {
        path.name: path.read_bytes() for path in (root / "ledger" / "symbol=BTCUSDT").glob("*.json")
    } == pages
    assert write_ledgers(root, "BTCUSDT") == 0
    files_of(root, LABEL)[2].write_bytes(b"PAR1")
    with pytest.raises(BadInput, match="not readable"):
        write_ledgers(root, "BTCUSDT")


def test_packing_changes_no_entry_and_no_ledger(root: Place) -> None:
    entries = record(root)
    many = files_of(root, LABEL)
    keeper = upkeep(root)
    done = keeper.round(0.0)
    assert done.packed == len(many) - 1
    assert len(files_of(root, LABEL)) == 3
    assert list(read(files_of(root, LABEL))) == entries
    assert all(path.exists() for path in many)  # for readers that listed them before
    assert list(read(many)) == entries
    assert keeper.round(50.0).removed == 0
    assert keeper.round(149.0).removed == 0
    assert keeper.round(150.0).removed == len(many) - 1
    assert sum(path.exists() for path in many) == 1
    assert list(read(files_of(root, LABEL))) == entries
    assert not problems(root)
    assert keeper.round(200.0) == (0, 0, 0, ())


def test_a_reader_that_listed_the_parts_reads_on_in_the_pack(root: Place) -> None:
    entries = record(root)
    listed = files_of(root, LABEL)
    reading = read(listed)
    begun = [next(reading) for _ in range(7)]
    keeper = upkeep(root)
    settle(keeper)
    assert begun + list(reading) == entries
    assert list(read(listed)) == entries


def test_a_check_beside_the_packing_finds_nothing(root: Place) -> None:
    record(root)
    keeper = upkeep(root)
    read_so_far = []

    def on_entry(entry_id: str, data: bytes) -> None:
        read_so_far.append(entry_id)
        if len(read_so_far) == 7:
            keeper.round(0.0)
            keeper.round(100.0)

    assert not list(check_files(root, LABEL, on_entry, lambda _: None))
    assert read_so_far == [entry_id for entry_id, _ in read(files_of(root, LABEL))]


def test_a_recorder_killed_while_packing_leaves_old_or_new(root: Place) -> None:
    entries = record(root)
    parts = [path for path in files_of(root, LABEL) if path.parent.name == "date=2024-08-09"]
    calls = iter([False, True])
    assert pack(parts, lambda: next(calls, True)) is None  # stopped in the middle
    assert files_of(root, LABEL)[: len(parts)] == parts
    pack(parts)
    parts[0].unlink()  # killed while it removed them
    parts[3].unlink()
    with Archive(root, SMALL) as archive:
        assert archive.resume(LABEL).decode() == entries[-1][0]
    assert list(read(files_of(root, LABEL))) == entries
    keeper = upkeep(root)
    settle(keeper)
    assert list(read(files_of(root, LABEL))) == entries
    assert not problems(root)


def test_packs_end_at_their_size_and_stay_as_they_are(root: Place) -> None:
    record(root)
    day = [path for path in files_of(root, LABEL) if path.parent.name == "date=2024-08-09"]
    size = day[0].stat().st_size
    grouped = groups(day, 2 * size + size // 2)
    assert all(2 <= len(group) <= 3 for group in grouped)
    packed = pack(grouped[0])
    assert packed is not None
    assert pack_range(packed.name) is not None
    assert groups(files_of(root, LABEL)[:1] + day[len(grouped[0]) :], 10**9) == [day[len(grouped[0]) :]]


def test_a_pack_has_the_columns_and_kinds_of_its_parts(tmp_path: Path) -> None:
    record(tmp_path)
    parts = files_of(tmp_path, LABEL)[:5]
    rows = [row for path in parts for row in pq.read_table(path, partitioning=None).to_pylist()]
    packed = pack(parts)
    assert packed is not None
    table = pq.read_table(packed, partitioning=None)
    assert table.schema == pq.read_schema(parts[0])
    assert table.to_pylist() == rows


def test_a_part_that_cannot_be_read_is_told_once_and_stays(tmp_path: Path) -> None:
    record(tmp_path)
    broken = files_of(tmp_path, LABEL)[1]
    assert isinstance(broken, Path)
    broken.write_bytes(broken.read_bytes()[:-20])
    keeper = upkeep(tmp_path)
    (problem,) = keeper.round(0.0).problems
    assert str(broken) in problem
    assert not keeper.round(1.0).problems
    assert broken.exists()
    with pytest.raises(BadInput, match=broken.name):
        list(read(files_of(tmp_path, LABEL)))


def test_old_days_are_dropped_and_their_ledger_stays(root: Place) -> None:
    entries = record(root, days=3)
    assert upkeep(root, Keep(days=2)).round(0.0).dropped > 0
    kept = [(entry_id, data) for entry_id, data in entries if int(entry_id[:13]) >= MIDNIGHT_MS + 2 * DAY_MS]
    assert list(read(files_of(root, LABEL))) == kept
    assert len(list(read(files_of(root, LEDGER_STREAM)))) == 8  # decisions are kept for ever
    page = load(root, "BTCUSDT", "2024-08-09")
    assert page is not None
    assert page.is_dropped
    assert sum(page.entries.values()) == 60
    assert not problems(root)


def test_the_oldest_days_go_above_the_size() -> None:
    held = [
        Held("2024-08-07", "market:{A}", 50),
        Held("2024-08-07", "decisions:{A}", 50),
        Held("2024-08-08", "features:{A}", 50),
        Held("2024-08-08", "market:{A}", 50),
        Held("2024-08-09", "market:{A}", 50),
        Held("2024-08-09", "features:{A}", 50),
    ]
    assert to_drop(held, Keep(size_bytes=300)) == []
    assert to_drop(held, Keep(size_bytes=250)) == [held[0]]
    assert to_drop(held, Keep(size_bytes=249)) == [held[0], held[2]]
    assert to_drop(held, Keep(size_bytes=1)) == [held[0], held[2], held[3]]  # the newest stay
    assert to_drop(held, Keep(days=1)) == [held[0], held[2], held[3]]


def test_a_second_recorder_on_an_object_store_is_refused_at_its_first_file(tmp_path: Path) -> None:
    root = UPath(f"memory://{tmp_path.name}/run")
    with Archive(root, Limits()) as first:
        first.resume(LABEL)
        second = Archive(root, Limits())
        second.resume(LABEL)
        first.add(LABEL, beats(MIDNIGHT_MS, 3), 0.0)
        second.add(LABEL, beats(MIDNIGHT_MS, 5), 0.0)
        first.close()
        with pytest.raises(BadInput, match="two recorders"):
            second.close()
