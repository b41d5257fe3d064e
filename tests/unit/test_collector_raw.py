"""The raw archive on the disk: files, their ends, and what happens when the disk cannot follow."""

from __future__ import annotations

import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from services.collector import notes
from services.collector.notes import Beat, Dropped, Start
from services.collector.raw import Part, RawArchive, salvage
from services.collector.rerun import rerun
from shared.compressed import opened
from shared.errors import BadInput

LOG = logging.getLogger("test")
T0 = 1_700_000_000_123_456_789


class Disk:
    """An archive in a folder, and its counts."""

    def __init__(self, folder: Path, seconds: float = 60.0, size: float = 1e9, queue: int = 1 << 20) -> None:
        self.folder = folder
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.archive = RawArchive(folder, seconds, size, LOG, self.counts, queue)

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.zst"))

    def lines(self) -> list[bytes]:
        return [line for path in self.files() for line in read(path)]


def read(path: Path) -> list[bytes]:
    with opened(path) as file:
        return file.read().splitlines()


def until(is_met: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_met():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_lines_come_back_as_they_were_put(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.archive.start()
    for number in range(1000):
        disk.archive.put("BTCUSDT", T0 + number, b'{"stream":"x","data":%d}' % number)
    disk.archive.put("ETHUSDT", T0, b'{"lastUpdateId":\n1}')
    disk.archive.close()
    btc, eth = disk.files()
    assert btc.name == "btcusdt_20231114T221320.123456789Z.zst"
    assert read(btc) == [b'%d {"stream":"x","data":%d}' % (T0 + n, n) for n in range(1000)]
    assert read(eth) == [b'%d {"lastUpdateId":1}' % T0]
    assert not list(tmp_path.glob(".*"))


def test_files_end_by_size_and_by_time(tmp_path: Path) -> None:
    disk = Disk(tmp_path, seconds=0.3, size=2000)
    disk.archive.start()
    for number in range(100):
        disk.archive.put("X", T0 + number, b"y" * 80)
    until(lambda: len(disk.files()) >= 5)
    disk.archive.put("X", T0 + 1000, b"last")
    until(lambda: len(disk.files()) >= 6)  # by time: nobody has closed the archive
    disk.archive.close()
    assert len(disk.lines()) == 101
    assert disk.counts["raw_files"] == len(disk.files())


def test_full_queue_drops_lines_counts_them_and_the_file_says_where(tmp_path: Path) -> None:
    disk = Disk(tmp_path, queue=1000)  # not started: nobody takes from the queue
    for number in range(50):
        disk.archive.put("X", T0 + number, b"y" * 80)
    dropped = disk.counts["raw_lines_dropped"]
    assert 30 < dropped < 50
    disk.archive.start()
    until(lambda: not disk.archive._queue)
    disk.archive.put("X", T0 + 100, b"after")
    disk.archive.close()
    lines = disk.lines()
    assert lines[-2:] == [b"%d %s" % (T0 + 100, notes.encode(Dropped(dropped))), b"%d after" % (T0 + 100)]
    assert len(lines) == 50 - dropped + 2


def test_failing_disk_loses_lines_aloud_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.collector.raw.RETRY_SECONDS", 0.2)
    folder = tmp_path / "gone"
    disk = Disk(folder)
    disk.archive.start()
    folder.rmdir()
    disk.archive.put("X", T0, b"lost")
    until(lambda: disk.counts["raw_failures"] >= 1)
    folder.mkdir()
    until(lambda: (disk.archive.put("X", T0 + 1, b"found"), bool(list(folder.iterdir())))[1])
    disk.archive.close()
    assert disk.counts["raw_lines_lost"] >= 1
    first, *rest = disk.lines()
    assert first.endswith(notes.encode(Dropped(-1)))
    assert set(rest) == {b"%d found" % (T0 + 1)}


def test_what_a_killed_collector_left_is_finished(tmp_path: Path) -> None:
    chance = random.Random(1)
    lines = [b"%d %d" % (T0 + number, chance.getrandbits(200)) for number in range(5000)]
    part = Part(tmp_path, "BTCUSDT", T0)
    for line in lines:
        part.write(line + b"\n")
    part.flush()
    part.write(b"%d never reached the disk" % T0)
    part.abandon()
    with part.hidden.open("ab") as file:
        file.write(b"torn" * 1000)
    empty = Part(tmp_path, "ETHUSDT", T0)
    empty.abandon()
    disk = Disk(tmp_path)
    disk.archive.start()
    disk.archive.close()
    assert disk.files() == [part.path]
    saved = disk.lines()
    assert saved == lines[: len(saved)]
    assert len(saved) > 4500  # what stands right before the damage goes with it
    assert disk.counts["raw_files_salvaged"] == 2
    assert not list(tmp_path.glob(".*"))


def test_salvage_may_itself_be_killed(tmp_path: Path) -> None:
    part = Part(tmp_path, "X", T0)
    part.write(b"%d line\n" % T0)
    part.flush()
    part.abandon()
    (tmp_path / f".{part.path.name}.saved").write_bytes(b"half")
    salvage(part.hidden)
    assert read(part.path) == [b"%d line" % T0]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([b"1 " + notes.encode(Beat())], "no note of a collector's start"),
        ([b"1 " + notes.encode(Start("X", 1, 1, None)), b"no number"], "line 2: begins"),
        ([b"1 " + notes.encode(Start("X", 1, 1, None)), b"2 {"], "line 2"),
        ([b'1 {"stream":"!lobflow","data":{"e":"new"}}'], "malformed note"),
        ([b"1 " + notes.encode(Start("X", 1, 1, None)), b'2 {"stream":"y@depth","data":{}}'], "line 2"),
    ],
)
def test_what_is_no_archive_is_named(tmp_path: Path, lines: list[bytes], says: str) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(zstandard.compress(b"\n".join(lines) + b"\n"))
    with pytest.raises(BadInput, match=says):
        list(rerun([path]))


def test_cut_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.zst"
    line = b"1 " + notes.encode(Start("X", 1, 1, None)) + b"\n"
    path.write_bytes(zstandard.compress(line * 1000)[:-5])
    with pytest.raises(BadInput, match="cut or broken"):
        list(rerun([path]))
