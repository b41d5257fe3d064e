"""`lobflow data`: what is told of recordings, what is found wrong with them, and how they leave."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lobflow.data import app
from research.hft_events import BUY, EVENT, EXCHANGE, LOCAL
from services.recorder.archive import Archive
from services.recorder.core import Limits
from services.recorder.reader import files_of
from shared import codec
from shared.errors import LobflowError
from shared.messages import AggTrade, FeedStatus, Lob, Message
from shared.units import MS

LABEL = "market:{BTCUSDT}"
MIDNIGHT_MS = 1723161600000  # 2024-08-09
TICK_E9, LOT_E9 = 10**8, 10**6


def book(seq: int, at_ms: int, bids: list[int], asks: list[int], epoch: int = 0, behind_ms: int = 3) -> Lob:
    recv_ns = at_ms * MS
    return Lob(
        seq, epoch, recv_ns - behind_ms * MS, recv_ns, seq, TICK_E9, LOT_E9,
        codec.pack_tiers(bids), codec.pack_tiers(asks),
    )  # fmt: skip


def market() -> list[Message]:
    """Books around a gap, a trade, and a midnight between them."""
    at = MIDNIGHT_MS - 500
    return [
        FeedStatus(0, 0, 0, at * MS, "syncing", "no book yet"),
        FeedStatus(1, 0, 0, (at + 100) * MS, "live", "whole"),
        book(2, at + 100, [600, 5, 599, 7], [601, 2, 602, 9]),
        book(3, at + 200, [600, 6, 598, 1], [601, 2, 602, 9]),
        AggTrade(4, 0, (at + 245) * MS, (at + 250) * MS, 77, 1, 2, 601, 2, 1, TICK_E9, LOT_E9),
        FeedStatus(5, 1, 0, (at + 300) * MS, "gap", "depth: pu 7 after u 5"),
        FeedStatus(6, 1, 0, (at + 400) * MS, "live", "whole"),
        book(7, at + 400, [590, 1], [591, 1], 1),
        book(8, at + 450, [590, 2], [591, 1], 1, behind_ms=-4),
        book(9, at + 600, [590, 2], [592, 3], 1),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two days of one run under a recorder's folder."""
    rows = []
    for message in market():
        recv_ns: int = message.recv_ns  # type: ignore[attr-defined]
        rows.append((f"{recv_ns // MS}-{len(rows)}".encode(), codec.encode(message)))
    with Archive(tmp_path / "data" / "live", Limits(group_bytes=1, file_bytes=120)) as archive:
        archive.resume(LABEL)
        archive.add(LABEL, rows, 0.0)
    return tmp_path / "data"


def run(*arguments: object) -> Any:
    """The JSON line of a command that ends well."""
    result = CliRunner().invoke(app, [str(each) for each in arguments] + ["--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.strip().splitlines()[-1])


def failed(*arguments: object) -> str:
    """What `check` says where something is wrong."""
    result = CliRunner().invoke(app, ["check", *map(str, arguments)])
    assert result.exit_code == 1, result.output
    return result.output


def parts(folder: Path) -> list[Path]:
    return [path for path in files_of(folder / "live", LABEL) if isinstance(path, Path)]


def test_ls_tells_days_files_entries_and_bytes(folder: Path) -> None:
    told = run("ls", folder)
    assert [(day["stream"], day["symbol"], day["date"], day["entries"]) for day in told["days"]] == [
        ("market", "BTCUSDT", "2024-08-08", 9),
        ("market", "BTCUSDT", "2024-08-09", 1),
    ]
    assert told["files"] == len(parts(folder))
    assert told["bytes"] == sum(path.stat().st_size for path in parts(folder))
    assert run("ls", folder / "live", "--symbol", "ethusdt")["days"] == []


def test_coverage_tells_shares_and_gaps(folder: Path) -> None:
    first, second = run("coverage", folder)["days"]
    assert first["covered_ns"] == 250 * MS
    assert first["share_of_span"] == pytest.approx(250 / 450)
    assert first["share_of_day"] == pytest.approx(0.25 / 86400)
    assert [(gap["seconds"], gap["reason"]) for gap in first["gap_list"]] == [
        (0.1, "syncing: no book yet"),
        (0.1, "gap: depth: pu 7 after u 5"),
    ]
    assert (second["gap_list"], second["entries"]) == ([], {"Lob": 1})
    shown = CliRunner().invoke(app, ["coverage", str(folder)]).output
    assert "0.100 s  gap: depth: pu 7 after u 5" in shown
    assert "55.556%" in shown


def test_check_passes_what_was_recorded(folder: Path) -> None:
    told = run("check", folder)
    assert (told["entries"], told["problems"], told["behind"]) == (10, [], [])


def test_check_names_a_file_that_cannot_be_read(folder: Path) -> None:
    broken = parts(folder)[1]
    broken.write_bytes(broken.read_bytes()[:-9])
    said = failed(folder)
    assert f"{broken}: not readable as Parquet" in said
    assert said.count("live") == 1


def test_check_finds_damage_inside_a_file(folder: Path) -> None:
    broken = parts(folder)[1]
    data = bytearray(broken.read_bytes())
    data[60:90] = bytes(30)
    broken.write_bytes(bytes(data))
    assert str(broken) in failed(folder)


def test_check_finds_entries_that_come_twice(folder: Path) -> None:
    one = parts(folder)[0]
    twin = one.with_name("part-1723161599950-99.parquet")
    twin.write_bytes(one.read_bytes())
    said = failed(folder)
    assert f"{twin}: begins with id" in said
    assert "does not follow" in said


def test_check_finds_a_file_that_is_gone(folder: Path) -> None:
    parts(folder)[1].unlink()
    said = failed(folder)
    assert "date=2024-08-08.json: entries is" in said
    assert "seq_jumps is 0, the files say 1" in said


def test_check_finds_a_whole_day_gone_and_a_file_in_the_wrong_day(folder: Path) -> None:
    last = parts(folder)[-1]
    moved = parts(folder)[0].parent / last.name
    last.rename(moved)
    assert f"{moved}: id 1723161600100-9 is of 2024-08-09" in failed(folder)
    moved.unlink()
    assert "the files of this day are gone" in failed(folder)


def test_check_finds_a_ledger_that_says_otherwise_and_repairs_it(folder: Path) -> None:
    page = folder / "live" / "ledger" / "symbol=BTCUSDT" / "date=2024-08-08.json"
    whole = page.read_bytes()
    page.write_bytes(whole.replace(b'"covered_ns": 250000000', b'"covered_ns": 450000000'))
    assert f"{page}: covered_ns is 450000000, the files say 250000000" in failed(folder)
    assert run("check", folder, "--repair")["repaired"] == 1
    assert page.read_bytes() == whole
    page.unlink()
    assert "no ledger of this day" in failed(folder)
    assert run("check", folder, "--repair")["repaired"] == 1
    assert page.read_bytes() == whole


def test_check_finds_files_that_nobody_reads(folder: Path) -> None:
    stranger = parts(folder)[0].with_name("copy.parquet")
    stranger.write_bytes(b"x")
    assert f"{stranger}: no file of the recorder" in failed(folder)


def test_a_folder_without_recordings_is_named(tmp_path: Path) -> None:
    for name in ("ls", "check", "coverage"):
        with pytest.raises(LobflowError, match="no recording there"):
            CliRunner().invoke(app, [name, str(tmp_path)], catch_exceptions=False)
        with pytest.raises(LobflowError, match="no such folder"):
            CliRunner().invoke(app, [name, str(tmp_path / "none")], catch_exceptions=False)


def test_export_for_hftbacktest_replays_the_book_tier_by_tier(folder: Path, tmp_path: Path) -> None:
    told = run("export", folder, "-o", tmp_path / "out", "--date", "2024-08-08")
    (day,) = told["days"]
    assert day["local_moved_ms"] == 4.0  # one frame came "before" it was sent
    events = np.load(day["files"][0])["data"]
    assert events.dtype == EVENT
    assert EVENT.itemsize == 64
    books = [message for message in market()[:-1] if isinstance(message, Lob)]
    for clock, time in ((EXCHANGE, "exch_ts"), (LOCAL, "local_ts")):
        mine = events[events["ev"] & clock > 0]
        assert (np.diff(mine[time]) >= 0).all()
    assert (events["local_ts"] >= events["exch_ts"]).all()
    local = events[events["ev"] & LOCAL > 0]
    sides: dict[bool, dict[int, int]] = {True: {}, False: {}}
    seen = []
    for at_ns in np.unique(local["local_ts"]):
        for event in local[local["local_ts"] == at_ns]:
            fold(sides, event)
        seen.append(([*sides[True].items()], [*sides[False].items()]))
    for lob in books:
        wanted = [sorted(pairs(lob.bids)), sorted(pairs(lob.asks))]
        assert wanted in [[sorted(bids), sorted(asks)] for bids, asks in seen]
    (trade,) = local[local["ev"] & 0xFF == 2]
    assert (trade["ev"] & BUY > 0, trade["px"], trade["qty"]) == (True, 60.1, 0.002)


def fold(sides: dict[bool, dict[int, int]], event: Any) -> None:
    """One event on a book, by the rules of hftbacktest."""
    kind, is_bid = int(event["ev"]) & 0xFF, bool(int(event["ev"]) & BUY)
    ticks, lots = round(float(event["px"]) * 10), round(float(event["qty"]) * 1000)
    side = sides[is_bid]
    if kind == 3:
        for other in [at for at in side if (at >= ticks if is_bid else at <= ticks)]:
            del side[other]
    elif kind in (1, 4):
        side.pop(ticks, None)
        if lots:
            side[ticks] = lots


def pairs(packed: bytes) -> list[tuple[int, int]]:
    flat = codec.unpack_tiers(packed)
    return list(zip(flat[::2], flat[1::2], strict=True))


def test_export_as_csv(folder: Path, tmp_path: Path) -> None:
    told = run("export", folder, "-o", tmp_path / "out", "--format", "csv", "--date", "2024-08-08")
    books, trades = (
        list(csv.DictReader(Path(name).read_text().splitlines())) for name in told["days"][0]["files"]
    )
    assert [row["bids[1].price"] for row in books] == ["59.9", "59.8", "", ""]
    assert books[0]["asks[1].amount"] == "0.009"
    assert books[0]["local_timestamp"] == str((MIDNIGHT_MS - 400) * 1000)
    assert trades == [
        {
            "exchange": "binance-futures", "symbol": "BTCUSDT", "timestamp": str((MIDNIGHT_MS - 255) * 1000),
            "local_timestamp": str((MIDNIGHT_MS - 250) * 1000), "id": "77", "side": "buy",
            "price": "60.1", "amount": "0.002",
        }
    ]  # fmt: skip


def test_export_of_nothing_names_what_is_missing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LobflowError, match="no market entries of ETHUSDT"):
        CliRunner().invoke(
            app, ["export", str(folder), "-o", str(tmp_path), "--symbol", "ETHUSDT"], catch_exceptions=False
        )
