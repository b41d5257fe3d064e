from __future__ import annotations

from services.recorder.core import Extent, Limits, Row, date_of, to_row
from services.recorder.layout import first_id_of, folder_of, in_order, label_of, part_name
from shared import codec
from shared.messages import Halt, Heartbeat
from shared.streams import Stream, health_key, key


def test_a_row_keeps_the_bytes_and_names_kind_and_receive_time() -> None:
    data = codec.encode(Heartbeat(1, 1, 5, 7))
    assert to_row(b"12-3", data) == Row(12, 3, "Heartbeat", 7, data)


def test_a_message_without_receive_time_has_none() -> None:
    assert to_row(b"12-0", codec.encode(Halt(9, "me", "because"))).recv_ns is None


def test_bytes_that_are_no_message_are_a_row_too() -> None:
    assert to_row(b"1-0", b"\xff\x00") == Row(1, 0, "", None, b"\xff\x00")


def test_an_extent_ends_at_midnight_at_its_size_and_at_its_time() -> None:
    midnight_ms = 1723161600000
    limits = Limits(seconds=10, file_bytes=100)
    late = Row(midnight_ms - 1, 0, "", None, b"x" * 60)
    extent = Extent(late, 5.0)
    extent.add(late)
    assert extent.takes(late, limits)
    assert not extent.takes(late._replace(id_ms=midnight_ms), limits)
    assert not extent.is_due(14.9, limits)
    assert extent.is_due(15.0, limits)
    extent.add(late)
    assert not extent.takes(late, limits)
    assert (date_of(midnight_ms - 1), date_of(midnight_ms)) == ("2024-08-08", "2024-08-09")


def test_labels_are_keys_without_the_run_id() -> None:
    for stream in Stream:
        symbol = "ETHUSDT" if stream.value.is_per_symbol else ""
        assert key("r1", stream, symbol) == f"r1:{label_of(stream, symbol)}"
    assert health_key("r1", "model", "b") == "r1:health:model:b"


def test_folders() -> None:
    assert str(folder_of("control")) == "stream=control/symbol=_"
    assert str(folder_of("market:{币安人生USDT}")) == "stream=market/symbol=币安人生USDT"
    assert str(folder_of("health:model:b")) == "stream=health/service=model/instance=b"


def test_finished_files_sort_by_number_and_others_are_passed_by() -> None:
    folder = folder_of("account")
    names = [part_name("5-10"), part_name("5-9"), ".part-1-0.tmp", "notes.txt"]
    found = in_order(folder / name for name in names)
    assert [first_id_of(path.name) for path in found] == ["5-9", "5-10"]
