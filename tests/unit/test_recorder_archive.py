from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.recorder.archive import Archive
from services.recorder.core import Limits
from services.recorder.reader import files, files_of, last_id, read
from shared import codec
from shared.errors import BadInput, BadSetting
from shared.messages import Halt, Heartbeat
from shared.streams import Stream

LABEL = "market:{BTCUSDT}"
START_MS = 1723161255030


def beats(first: int, count: int) -> list[tuple[bytes, bytes]]:
    """Heartbeats under rising ids, several within one millisecond."""
    return [
        (f"{START_MS + n // 20}-{n % 20}".encode(), codec.encode(Heartbeat(n, 1, n, n)))
        for n in range(first, first + count)
    ]


def as_read(entries: list[tuple[bytes, bytes]]) -> list[tuple[str, bytes]]:
    return [(entry_id.decode(), data) for entry_id, data in entries]


def test_what_goes_in_comes_out_in_order(tmp_path: Path) -> None:
    entries = beats(0, 500)
    limits = Limits(group_bytes=300, file_bytes=2000)
    with Archive(tmp_path / "r", limits) as archive:
        assert archive.resume(LABEL) == b"0-0"
        archive.add(LABEL, entries[:123], 0.0)
        archive.add(LABEL, entries[123:], 1.0)
    found = files(tmp_path, "r", Stream.MARKET, "BTCUSDT")
    assert len(found) > 2
    assert list(read(found)) == as_read(entries)
    assert last_id(found[-1]) == as_read(entries)[-1][0]
    table = pq.read_table(found[0])
    assert table.column("kind")[0].as_py() == "Heartbeat"
    assert table.column("recv_ns").to_pylist()[:3] == [0, 1, 2]


def test_positions_move_only_when_a_file_has_its_final_name(tmp_path: Path) -> None:
    with Archive(tmp_path, Limits(seconds=10)) as archive:
        archive.resume(LABEL)
        archive.add(LABEL, beats(0, 5), 100.0)
        end = beats(0, 5)[-1][0].decode()
        assert archive.positions() == {LABEL: "0-0", f"seen {LABEL}": end}
        assert not files_of(tmp_path, LABEL)
        archive.end_due(109.9)
        assert not files_of(tmp_path, LABEL)
        archive.end_due(110.0)
        assert archive.positions() == {LABEL: end, f"seen {LABEL}": end}
        assert len(files_of(tmp_path, LABEL)) == 1


def test_a_crash_leaves_nothing_half_written_and_the_next_goes_on(tmp_path: Path) -> None:
    entries = beats(0, 60)
    archive = Archive(tmp_path, Limits(group_bytes=100))
    archive.resume(LABEL)
    archive.add(LABEL, entries[:20], 0.0)
    archive.end_due(60.0)
    archive.add(LABEL, entries[20:40], 61.0)
    crash = RuntimeError("crash")
    archive.__exit__(RuntimeError, crash, None)
    assert list(tmp_path.rglob(".part-*.tmp"))
    with Archive(tmp_path, Limits()) as archive:
        assert not list(tmp_path.rglob(".part-*.tmp"))
        cursor = archive.resume(LABEL)
        assert cursor == entries[19][0]
        archive.add(LABEL, entries[20:], 0.0)
    assert list(read(files_of(tmp_path, LABEL))) == as_read(entries)


def test_bytes_that_are_no_message_are_archived_and_counted(tmp_path: Path) -> None:
    with Archive(tmp_path, Limits()) as archive:
        archive.resume("account")
        archive.add("account", [(b"1-0", b"\xff")], 0.0)
        assert archive.unreadable == 1
    assert list(read(files_of(tmp_path, "account"))) == [("1-0", b"\xff")]


def test_receive_times_may_be_absent_and_kinds_may_change_within_a_file(tmp_path: Path) -> None:
    messages = [Heartbeat(1, 1, 5, 7), Halt(9, "me", "because"), Heartbeat(2, 1, 6, 8)] * 7
    with Archive(tmp_path, Limits()) as archive:
        archive.resume(LABEL)
        rows = [(f"{n + 1}-0".encode(), codec.encode(each)) for n, each in enumerate(messages)]
        archive.add(LABEL, rows, 0.0)
    (found,) = files_of(tmp_path, LABEL)
    table = pq.read_table(found)
    table.validate(full=True)
    assert table.column("recv_ns").to_pylist() == [7, None, 8] * 7
    assert table.column("kind").to_pylist() == ["Heartbeat", "Halt", "Heartbeat"] * 7
    assert table.column("id_ms").to_pylist() == list(range(1, 22))


def test_recording_does_not_import_pandas(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; import services.recorder.__main__\n"
        "from services.recorder.archive import Archive; from services.recorder.core import Limits\n"
        "for n in range(2):\n"
        "    with Archive(Path(sys.argv[1]), Limits()) as archive:\n"
        "        archive.resume('account'); archive.add('account', [(b'%d-1' % n, b'x')], 0.0)\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)


def test_two_recorders_of_one_run_are_refused(tmp_path: Path) -> None:
    with Archive(tmp_path, Limits()), pytest.raises(BadSetting, match="another recorder"):
        Archive(tmp_path, Limits())


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match="LOBFLOW_RECORD_DIR"):
        Archive(tmp_path / "file" / "r", Limits())


def test_reading_refuses_an_entry_that_comes_twice(tmp_path: Path) -> None:
    with Archive(tmp_path, Limits()) as archive:
        archive.resume(LABEL)
        archive.add(LABEL, beats(0, 3), 0.0)
    (found,) = files_of(tmp_path, LABEL)
    with pytest.raises(BadInput, match="does not follow"):
        list(read([found, found]))
