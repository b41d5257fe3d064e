"""`lobflow verify`: what is right is counted, what is wrong is named and fails."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lobflow.cli import app
from research.capture import verify
from shared.errors import BadInput

T0 = 1_700_000_000_000_000_000
SNAPSHOT = {"lastUpdateId": 10, "symbol": "BTCUSDT", "bids": [["100.0", "1.0"]], "asks": [["100.2", "1.5"]]}


def depth(first: int, last: int, previous: int, bids: object = (), asks: object = ()) -> dict[str, object]:
    data = {"e": "depthUpdate", "E": 1, "T": 1, "s": "BTCUSDT", "U": first, "u": last, "pu": previous}
    return {"stream": "btcusdt@depth@100ms", "data": {**data, "b": bids, "a": asks}}


def trade(number: int, price: str = "100.1") -> dict[str, object]:
    data = {"e": "trade", "E": 1, "T": 1, "s": "BTCUSDT", "t": number, "p": price, "q": "0.5", "m": True}
    return {"stream": "btcusdt@trade", "data": data}


def ticker(update_id: int, bid: str = "100.0") -> dict[str, object]:
    data = {"e": "bookTicker", "u": update_id, "s": "BTCUSDT", "b": bid, "B": "1.0", "a": "100.2", "A": "1.5"}
    return {"stream": "btcusdt@bookTicker", "data": data}


GOOD: list[object] = [
    depth(5, 8, 4), depth(9, 12, 8), SNAPSHOT, trade(1), ticker(14), depth(13, 14, 12), ticker(14), trade(2),
    depth(15, 16, 14, bids=[["20.0", "3.0"]]), ticker(16),
]  # fmt: skip


def write(path: Path, rows: list[object], start: int = T0) -> Path:
    """A recording: a row is a frame, or bytes as they are."""
    lines = [
        row if isinstance(row, bytes) else b"%d %s" % (start + n * 10**6, json.dumps(row).encode())
        for n, row in enumerate(rows)
    ]
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    return path


def found(*paths: Path) -> dict[str, Any]:
    return verify(paths, None, lambda text, lines: None)


def test_good_recording_is_counted(tmp_path: Path) -> None:
    result = found(write(tmp_path / "a.gz", GOOD))
    assert result["ok"], result["problems"]
    assert result["frames"] == {"bookTicker": 3, "depth": 4, "snapshot": 1, "trade": 2}
    expected = {
        "depth_applied": 3, "gaps": 0, "crossed": 0, "bbo_checked": 1, "bbo_agree": 1, "bbo_late_checked": 2,
        "bbo_late_agree": 2, "trade_id_gaps": 0, "parked": 0, "lobs": 3, "snapshots": 1,
    }  # fmt: skip
    assert {name: result[name] for name in expected} == expected
    assert (result["first_ns"], result["last_ns"]) == (T0, T0 + 9 * 10**6)
    assert result["book"] == {"BTCUSDT": "whole"}


def test_files_in_sequence_are_one_capture(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.gz", GOOD[:6]), write(tmp_path / "b.gz", GOOD[6:], T0 + 10**9)
    both = found(first, second)
    assert both["ok"], both["problems"]
    assert both["depth_applied"] == 3
    assert not found(second, first)["ok"]  # in the wrong order time goes back, and ids are missing


@pytest.mark.parametrize(
    ("rows", "name", "count", "said"),
    [
        ([*GOOD, depth(20, 22, 19)], "gaps", 1, "pu 19 after u 16"),
        ([*GOOD, depth(20, 22, 19), depth(30, 32, 29)], "gaps", 2, "pu 29 after u 22"),
        ([*GOOD, trade(9)], "trade_id_gaps", 1, "trade 9 after 2"),
        ([*GOOD, depth(17, 18, 16, bids=[["100.2", "1.0"]])], "crossed", 1, "crossed 1 times"),
        ([*GOOD, depth(17, 18, 16), ticker(18, "100.1")], "bbo_late_checked", 3, "1 bookTickers differ"),
        ([*GOOD, depth(17, 18, 16, bids=[["1e2", "1"]])], "parked", 1, "1e2"),
        ([*GOOD, b"1700000000100000000 {not json"], "parked", 1, "not JSON"),
        ([*GOOD, b"garbage"], "unreadable_lines", 1, "a.gz, line 11: begins b'garbage"),
        ([*GOOD, b"1600000000000000000 {}"], "times_back", 1, "line 11: time goes back"),
    ],
)
def test_what_is_wrong_is_counted_and_named(
    tmp_path: Path, rows: list[object], name: str, count: int, said: str
) -> None:
    result = found(write(tmp_path / "a.gz", rows))
    assert not result["ok"]
    assert result[name] == count
    assert any(said in problem for problem in result["problems"]), result["problems"]


def test_gap_with_a_later_snapshot_is_counted_once_and_the_book_is_whole_again(tmp_path: Path) -> None:
    rows = [*GOOD, depth(20, 22, 19), depth(23, 24, 22), {**SNAPSHOT, "lastUpdateId": 22}, depth(25, 26, 24)]
    result = found(write(tmp_path / "a.gz", rows))
    assert (result["gaps"], result["snapshots"], result["depth_applied"]) == (1, 2, 6)
    assert result["book"] == {"BTCUSDT": "whole"}


@pytest.mark.parametrize(("size", "differ"), [("1.0", 0), ("2.0", 1)])
def test_later_snapshot_of_a_whole_book_is_compared_with_it(tmp_path: Path, size: str, differ: int) -> None:
    later = {**SNAPSHOT, "lastUpdateId": 16, "bids": [["100.0", size], ["20.0", "3.0"], ["10.0", "1.0"]]}
    result = found(write(tmp_path / "a.gz", [*GOOD, later, depth(17, 18, 16)]))
    assert (result["ok"], result["snapshots_differ"], result["snapshots"]) == (not differ, differ, 2)
    assert any("later snapshots differ" in problem for problem in result["problems"]) == bool(differ)


def test_diff_that_cannot_be_used_is_not_applied(tmp_path: Path) -> None:
    rows = [*GOOD, depth(17, 18, 16, bids=[["1e2", "1"]])]
    assert (
        found(write(tmp_path / "a.gz", rows))["depth_applied"]
        == found(write(tmp_path / "b.gz", GOOD))["lobs"]
    )


def test_duplicates_are_dropped_not_wrong(tmp_path: Path) -> None:
    result = found(write(tmp_path / "a.gz", [*GOOD, GOOD[-2], GOOD[3]]))
    assert result["ok"]
    assert (result["depth_duplicates"], result["trade_duplicates"]) == (1, 1)


def test_without_a_snapshot_ids_are_checked_and_the_rest_is_said(tmp_path: Path) -> None:
    rows = [row for row in GOOD if row is not SNAPSHOT]
    result = found(write(tmp_path / "a.gz", rows))
    assert result["ok"]
    assert result["depth_applied"] == 0
    assert "no depth snapshot" in result["book"]["BTCUSDT"]
    assert found(write(tmp_path / "b.gz", [*rows, depth(99, 99, 98), trade(7)]))["gaps"] == 1


def test_frames_of_single_streams_and_partial_books(tmp_path: Path) -> None:
    bare = [row["data"] if isinstance(row, dict) and "data" in row else row for row in GOOD]
    assert found(write(tmp_path / "a.gz", bare))["depth_applied"] == 3
    partial = {**depth(1, 2, 0, bids=[["99.0", "1.0"]]), "stream": "btcusdt@depth20@100ms"}
    result = found(write(tmp_path / "b.gz", [partial, *GOOD, partial]))
    assert result["ok"]
    assert result["frames"]["other"] == 2


def test_frames_as_other_recorders_write_them(tmp_path: Path) -> None:
    of_all = {"stream": "!markPrice@arr@1s", "data": [{"e": "markPriceUpdate", "s": "BTCUSDT"}]}
    unnamed = {name: value for name, value in SNAPSHOT.items() if name != "symbol"}
    put_under = {"stream": "btcusdt@depthSnapshot", "data": unnamed}
    tickers = [  # as spot sends them: no event is named
        {name: value for name, value in row["data"].items() if name != "e"}
        if isinstance(row, dict) and row.get("stream") == "btcusdt@bookTicker" else row
        for row in GOOD
    ]  # fmt: skip
    for name, snapshot in (("a.gz", unnamed), ("b.gz", put_under)):
        rows = [snapshot if row is SNAPSHOT else row for row in tickers]
        result = found(write(tmp_path / name, [of_all, *rows, b"", of_all]))
        assert result["ok"], result["problems"]
        assert (result["depth_applied"], result["bbo_checked"], result["bbo_late_checked"]) == (3, 1, 2)
        assert result["frames"]["other"] == 2
        assert list(result["symbols"]) == ["BTCUSDT"]


@pytest.mark.parametrize(("digits", "rest"), [(13, 10**6), (16, 10**3), (19, 1)])
def test_times_in_coarser_units_are_told_by_their_length(tmp_path: Path, digits: int, rest: int) -> None:
    rows: list[object] = [
        b"%d %s" % ((T0 + n * 10**6) // rest, json.dumps(row).encode()) for n, row in enumerate(GOOD)
    ]
    path = write(tmp_path / "a.gz", rows)
    assert len(gzip.decompress(path.read_bytes()).split(b" ")[0]) == digits
    result = found(path)
    assert (result["ok"], result["first_ns"], result["last_ns"]) == (True, T0, T0 + 9 * 10**6)


def test_snapshot_that_may_be_of_two_symbols_is_left_out_and_the_rest_is_checked(tmp_path: Path) -> None:
    other = json.loads(json.dumps(depth(1, 2, 0)).replace("BTCUSDT", "ETHUSDT").replace("btc", "eth"))
    other["data"]["b"] = [["10", "1"]]
    unnamed = {name: value for name, value in SNAPSHOT.items() if name != "symbol"}
    result = found(
        write(tmp_path / "a.gz", [GOOD[0], other, *(unnamed if row is SNAPSHOT else row for row in GOOD[1:])])
    )
    assert not result["ok"]
    assert (result["unreadable_lines"], result["frames"]["depth"], result["depth_applied"]) == (1, 5, 0)
    assert any("line 4: a depth snapshot without `symbol`" in problem for problem in result["problems"])


def test_file_without_frames_is_named_with_its_first_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no frame of any stream; line 1 begins b'time,price"):
        found(write(tmp_path / "a.gz", [b"time,price", b"1,2"]))


def test_cut_file_is_one_message_beside_what_could_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gz", GOOD * 1)
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(
        gzip.compress(plain + b"".join(b"%d {}\n" % (T0 + 10**9 + n) for n in range(50_000)))[:-40]
    )
    result = CliRunner().invoke(app, ["verify", str(path), "--json"])
    assert result.exit_code == 1
    (message,) = [line for line in result.stderr.splitlines() if line.startswith("lobflow:")]
    assert "a.gz, after line" in message
    assert "cut or broken" in message
    assert json.loads(result.stdout)["depth_applied"] == 3


def test_file_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no frame"):
        found(write(tmp_path / "a.gz", [b"1626992741.06217: {}"]))


@pytest.mark.recorded
def test_recording_is_right_to_the_last_bookticker(btc: Path) -> None:
    result = found(btc)
    assert result["ok"], result["problems"]
    assert (result["gaps"], result["crossed"], result["trade_id_gaps"]) == (0, 0, 0)
    assert (result["bbo_checked"], result["bbo_agree"]) == (503, 503)


@pytest.mark.recorded
@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "checked"),
    [
        (("usdm-raw/ethusdt_20240808.gz",), 471),
        (("spot-raw/btcusdt_20240808.gz", "spot-raw/btcusdt_20240809.gz"), 1072),
        (("spot-raw/ethusdt_20240808.gz", "spot-raw/ethusdt_20240809.gz"), 1056),
        (("coinm-raw/btcusd_perp_20240808.gz", "coinm-raw/btcusd_perp_20240809.gz"), 1885),
    ],
)
def test_the_other_recordings_are_right_too(recordings: Path, names: tuple[str, ...], checked: int) -> None:
    result = found(*(recordings / name for name in names))
    assert result["ok"], result["problems"]
    assert (result["bbo_checked"], result["bbo_agree"]) == (checked, checked)


@pytest.mark.recorded
def test_speed_of_the_book_is_measured_beside_msgspec(btc: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "book", str(btc), "--rounds", "3", "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout.splitlines()[-1])
    assert figures["entries"] == figures["frames"] == 6545
    assert figures["ratio"] > 0.5  # above 1 on a quiet machine; what falls below this is another algorithm
