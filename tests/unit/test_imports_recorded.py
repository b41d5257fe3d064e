"""Real files of other recorders."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from import_data import TARDIS_L2, books, entries, run, written

from research.market import market_entries
from services.venue.lines import read
from shared.messages import AggTrade, FeedStatus

pytestmark = pytest.mark.recorded


def test_an_hftbacktest_capture_gives_what_its_replay_gives(recordings: Path, tmp_path: Path) -> None:
    path = recordings / "spot-raw" / "ethusdt_20240808.gz"
    report, _ = run([path], tmp_path / "out")
    (row,) = report.symbols
    found = entries(tmp_path / "out", "ETHUSDT")
    expected = [(entry_id, message) for _, entry_id, message in market_entries([path])]
    assert found == expected[: len(found)]
    assert {type(message).__name__ for _, message in expected[len(found) :]} <= {"Heartbeat"}
    assert row.counts.get("gaps", 0) == 0
    assert row.counts["bbo_checked"] == row.counts["bbo_agree"]
    assert report.skipped == []
    assert row.entries["Lob"] > 1000


def test_cryptofeed_captures_of_four_symbols(recordings: Path, tmp_path: Path) -> None:
    names = ("BINANCE_FUTURES.0", "BINANCE_FUTURES.http.0.0", "BINANCE_FUTURES.ws.1.0")
    report, _ = run([recordings / "usdm-aggtrade-2021" / name for name in names], tmp_path / "out")
    assert [row.symbol for row in report.symbols] == ["AKROUSDT", "CTKUSDT", "KEEPUSDT", "SUSHIUSDT"]
    assert sum(row.frames["depth"] for row in report.symbols) == 764
    assert sum(row.entries["AggTrade"] for row in report.symbols) == 91
    for row in report.symbols:
        assert row.has_book
        assert row.counts.get("gaps", 0) == 0
        assert row.counts["bbo_checked"] == row.counts["bbo_agree"] > 0
        # What the venue said then of CTK is coarser than what it sent.
        assert row.scale_source == ("data" if row.symbol == "CTKUSDT" else "exchangeInfo")
    assert [(row["reason"], row["count"]) for row in report.skipped] == [
        ("kline_1m: a stream that is not used", 67)
    ]


def test_flattened_diffs_without_snapshot_are_trades_without_a_book(recordings: Path, tmp_path: Path) -> None:
    files = sorted((recordings / "usdm-trxusdt-2025").glob("*_04-03-2025.csv"))
    report, found = run(files, tmp_path / "out")
    (row,) = report.symbols
    assert row.frames == {"depth": 600, "trade": 10_000}
    assert not row.has_book
    assert row.counts["trades_left_out"] == 1  # of price 0 and quantity 0
    messages = found["TRXUSDT"]
    assert [m.state for m in messages if isinstance(m, FeedStatus)] == ["syncing"]
    taken = [m for m in messages if isinstance(m, AggTrade)]
    assert taken[0].first_id == 548321769
    assert all(m.price_ticks > 0 and m.size_lots > 0 for m in taken)


def test_a_flattened_capture_with_a_depth_answer_has_a_book(recordings: Path, tmp_path: Path) -> None:
    (path,) = (recordings / "usdm-trxusdt-2025").glob("merged*.csv")
    report, found = run([path], tmp_path / "out")
    (row,) = report.symbols
    assert (row.entries["Lob"], row.counts.get("gaps", 0), row.counts.get("crossed", 0)) == (155, 0, 0)
    assert [m.state for m in found["TRXUSDT"] if isinstance(m, FeedStatus)] == ["syncing", "live"]


def test_a_sample_of_tardis_snapshots(recordings: Path, tmp_path: Path) -> None:
    path = recordings / "format-samples" / "binance-futures_book_snapshot_25_BTCUSDT.csv"
    report, found = run([path], tmp_path / "out")
    assert report.files[0]["format"] == "tardis-snapshot"
    rows = books(found["BTCUSDT"])
    assert [at_ns for at_ns, _, _ in rows][:2] == [1598918403810979000, 1598918403819763000]
    assert len(rows) == 10
    assert rows[0][1][:4] == [1165707, 10896, 1165697, 200]
    assert rows[0][2][:2] == [1165708, 1714]


def test_parquet_samples_of_quotes_and_trades(recordings: Path, tmp_path: Path) -> None:
    files = [recordings / "format-samples" / f"btcusdt-{name}.parquet" for name in ("quotes", "trades")]
    report, found = run(files, tmp_path / "out")
    (row,) = report.symbols
    assert (row.entries["Lob"], row.frames["trade"], row.counts.get("gaps", 0)) == (451, 2001, 0)
    assert (row.scale.tick_e9, row.scale.lot_e9) == (10_000_000, 1_000)
    assert report.skipped == []
    assert books(found["BTCUSDT"])[0][1:] == ([3943299, 3100], [3943362, 66851])


def test_the_recorded_book_by_way_of_tardis(btc: Path, tmp_path: Path) -> None:
    """The recorded frames, written as Tardis would have: the same books at the same times."""
    rows, until_ns = tardis_of(btc, 20_000)
    report, found = run([written(tmp_path / "BTCUSDT.csv.gz", rows)], tmp_path / "out")
    assert report.symbols[0].counts.get("gaps", 0) == 0
    recorded = takewhile(lambda entry: entry[2].recv_ns <= until_ns, market_entries([btc]))
    truth = {at_ns // 1000: rest for at_ns, *rest in books(message for _, _, message in recorded)}
    again = {at_ns // 1000: rest for at_ns, *rest in books(found["BTCUSDT"])}
    both = truth.keys() & again.keys()
    assert len(both) >= len(truth) - 1 > 200
    assert {at: truth[at] for at in both} == {at: again[at] for at in both}


def tardis_of(path: Path, count: int) -> tuple[list[str], int]:
    """The first rows of a raw capture as `incremental_book_L2` from the snapshot on, and the last time.
    Diffs that came before the snapshot and follow it are sent with it."""
    rows, before, last_id = [TARDIS_L2], [], 0
    for line in read(path):
        if line.kind not in ("depth", "snapshot"):
            continue
        body: dict[str, Any] = msgspec.json.decode(line.data)
        at = f"{body['T']}000,{line.recv_ns // 1000}"
        if line.kind == "snapshot":
            last_id = body["lastUpdateId"]
            rows += _rows(at, "true", body["bids"], body["asks"])
            for diff in before:
                if diff["u"] >= last_id:
                    rows += _rows(at, "false", diff["b"], diff["a"])
        elif last_id:
            rows += _rows(at, "false", body["b"], body["a"])
        else:
            before.append(body)
        if len(rows) > count:
            return rows, line.recv_ns
    raise AssertionError(f"{path} holds fewer than {count} levels")


def _rows(at: str, flag: str, bids: list[list[str]], asks: list[list[str]]) -> list[str]:
    levels = [("bid", *level) for level in bids] + [("ask", *level) for level in asks]
    return [f"binance-futures,BTCUSDT,{at},{flag},{','.join(level)}" for level in levels]
