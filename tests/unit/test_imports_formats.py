"""Each format, built in code: what it becomes, and what is left out with its reason."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from import_data import T0_MS, TARDIS_L2, books, entries, run, tardis_rows, written

from research.imports.detect import detect
from research.market import market_entries
from shared.errors import BadInput
from shared.messages import AggTrade, FeedStatus, Message
from shared.units import MS

US = T0_MS * 1000
SNAPSHOT_25 = "exchange,symbol,timestamp,local_timestamp," + ",".join(
    f"{side}[{tier}].{what}"
    for tier in range(25)
    for side in ("asks", "bids")
    for what in ("price", "amount")
)
AGG_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


def states(messages: list[Message]) -> list[str]:
    return [row.state for row in messages if isinstance(row, FeedStatus)]


def trades(messages: list[Message]) -> list[AggTrade]:
    return [row for row in messages if isinstance(row, AggTrade)]


def zipped(path: Path, rows: list[str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.csv", "".join(f"{row}\n" for row in rows))
    return path


def test_tardis_l2_with_a_reconnect(tmp_path: Path) -> None:
    rows = [
        TARDIS_L2,
        *tardis_rows(US, False, [("9", "1")], []),
        *tardis_rows(US + 1000, True, [("100", "1.5"), ("99.5", "2")], [("100.5", "1")]),
        *tardis_rows(US + 2000, False, [("100", "0"), ("99.5", "2.5")], [("100.5", "1.0")]),
        *tardis_rows(US + 9000, True, [("101", "1")], [("101.5", "3"), ("102", "1")]),
        *tardis_rows(US + 9500, False, [], [("102", "0")]),
    ]
    report, found = run([written(tmp_path / "BTCUSDT.csv.gz", rows)], tmp_path / "out")
    scale = report.symbols[0].scale
    assert (scale.tick_e9, scale.lot_e9) == (500_000_000, 500_000_000)
    assert [row[1:] for row in books(found["BTCUSDT"])] == [
        ([200, 3, 199, 4], [201, 2]),
        ([199, 5], [201, 2]),
        ([202, 2], [203, 6, 204, 2]),
        ([202, 2], [203, 6]),
    ]
    assert [row[0] for row in books(found["BTCUSDT"])] == [
        (US + at) * 1000 for at in (1000, 2000, 9000, 9500)
    ]
    assert states(found["BTCUSDT"]) == ["syncing", "live", "gap", "live"]
    assert [(row["reason"], row["count"], row["line"]) for row in report.skipped] == [
        ("before the first snapshot", 1, 2),
    ]
    assert report.arrival_ns is None


def test_an_unreadable_level_is_a_gap_until_the_next_snapshot(tmp_path: Path) -> None:
    rows = [
        TARDIS_L2,
        *tardis_rows(US, True, [("100", "1")], [("101", "1")]),
        *tardis_rows(US + 1000, False, [("100", "2")], []),
        *tardis_rows(US + 2000, False, [("100", "oops"), ("99", "1")], []),
        *tardis_rows(US + 3000, False, [("100", "4")], []),
        *tardis_rows(US + 4000, True, [("100", "5")], [("101", "1")]),
    ]
    report, found = run([written(tmp_path / "x.csv", rows)], tmp_path / "out")
    assert [row[1] for row in books(found["BTCUSDT"])] == [[100, 1], [100, 5]]
    assert states(found["BTCUSDT"]) == ["syncing", "live", "gap", "live"]
    assert {row["reason"]: row["line"] for row in report.skipped} == {
        "a price or quantity is no number": 5,
        "beside a row that cannot be read": 4,
        "until the next snapshot": 6,
    }


def test_what_lies_in_parquet_is_what_the_capture_replays_to(tmp_path: Path) -> None:
    rows = [TARDIS_L2, *tardis_rows(US, True, [("100", "1")], [("101", "1")])]
    for number in range(1, 40):
        rows += tardis_rows(US + 250_000 * number, False, [("99", str(number))], [])
    taken = ["exchange,symbol,timestamp,local_timestamp,id,side,price,amount"]
    for number in range(30):
        at = US + 300_000 * number
        taken.append(
            f"binance-futures,BTCUSDT,{at},{at + 900},{number + 7},{'buy' if number % 3 else 'sell'},101,2"
        )
    files = [written(tmp_path / "book.csv", rows), written(tmp_path / "trades.csv.gz", taken)]
    report, _ = run(files, tmp_path / "out")
    capture = report.symbols[0].capture
    assert capture is not None
    replayed = [(entry_id, message) for _, entry_id, message in market_entries([capture])]
    imported = entries(tmp_path / "out", "BTCUSDT")
    assert imported == replayed[: len(imported)]
    assert {type(message).__name__ for _, message in replayed[len(imported) :]} <= {"Heartbeat"}
    assert len(replayed) - len(imported) <= 11
    assert report.symbols[0].entries["AggTrade"] == 30


def test_tardis_trades_know_the_taker(tmp_path: Path) -> None:
    rows = [
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
        f"binance-futures,BTCUSDT,{US},{US + 700},11,buy,100.5,1e-3",
        f"binance-futures,BTCUSDT,{US + 100},{US + 800},12,sell,100,0.25",
        f"binance-futures,BTCUSDT,{US + 100},{US + 800},13,unknown,100,0.25",
    ]
    report, found = run([written(tmp_path / "x.csv", rows)], tmp_path / "out")
    assert [(t.side, t.first_id, t.size_lots * t.lot_e9) for t in trades(found["BTCUSDT"])] == [
        (1, 11, 1_000_000),
        (-1, 12, 250_000_000),
    ]
    assert states(found["BTCUSDT"]) == ["syncing"]
    assert report.files[0]["format"] == "tardis-trades"
    assert not report.symbols[0].has_book
    assert report.skipped[0]["reason"] == "the side is none"


def test_tardis_snapshots_come_back_row_by_row(tmp_path: Path) -> None:
    rows, expected = [SNAPSHOT_25], []
    for number in range(6):
        asks = [(1010 + number % 2 + tier, 5 + tier + number) for tier in range(25)]
        bids = [(1000 - tier - number // 2, 3 + tier) for tier in range(25)]
        levels = [f"{part}" for pair in zip(asks, bids, strict=True) for level in pair for part in level]
        at = US + number * 70_000
        if number == 3:  # crossed: left out, and a gap
            levels[0] = "900"
        else:
            flat = (
                [part for level in bids[:20] for part in level],
                [part for level in asks[:20] for part in level],
            )
            expected.append((at * 1000, *flat))
        rows.append(f"binance-futures,BTCUSDT,{at - 900},{at}," + ",".join(levels))
    report, found = run([written(tmp_path / "x.csv.gz", rows)], tmp_path / "out")
    assert books(found["BTCUSDT"]) == expected
    assert states(found["BTCUSDT"]) == ["syncing", "live", "gap", "live"]
    assert [(row["reason"], row["line"]) for row in report.skipped] == [("the book is crossed", 5)]


@pytest.mark.parametrize("has_header", [True, False])
@pytest.mark.parametrize(("factor", "tail"), [(1, ""), (1000, ",true")])
def test_vision_agg_trades_in_both_units(tmp_path: Path, has_header: bool, factor: int, tail: str) -> None:
    at = [T0_MS * factor + number * 50 * factor for number in range(3)]
    rows = [
        f"7,100.10,0.500,70,72,{at[0]},true{tail}",
        f"9,100.30,0.250,74,74,{at[2]},false{tail}",
        f"8,100.20,0.125,73,73,{at[1]},False{tail}",
        f"8,100.20,0.125,73,73,{at[1]},False{tail}",
    ]
    header = [AGG_HEADER + (",is_best_match" if tail else "")] if has_header else []
    path = zipped(tmp_path / "BTCUSDT-aggTrades-2023-11-14.zip", header + rows)
    report, found = run([path], tmp_path / "out", wanted="binance", arrival_ns=30 * MS)
    taken = trades(found["BTCUSDT"])
    assert [(t.agg_id, t.first_id, t.last_id, t.side) for t in taken] == [
        (7, 70, 72, -1),
        (8, 73, 73, 1),
        (9, 74, 74, 1),
    ]
    assert [t.exchange_ns // MS - T0_MS for t in taken] == [0, 50, 100]
    assert [t.recv_ns // MS - T0_MS for t in taken] == [30, 80, 130]
    assert report.arrival_ns == 30 * MS
    assert [(row["reason"], row["count"]) for row in report.skipped] == [("the same id again", 1)]
    assert states(found["BTCUSDT"]) == ["syncing"]


def test_vision_agg_trades_with_a_lost_id_are_a_gap(tmp_path: Path) -> None:
    rows = [f"{own},100,1,{own},{own},{T0_MS + own},true" for own in (1, 2, 5)]
    _, found = run([written(tmp_path / "BTCUSDT-aggTrades-x.csv", rows)], tmp_path / "out")
    reasons = [row.reason for row in found["BTCUSDT"] if isinstance(row, FeedStatus) and row.state == "gap"]
    assert reasons == ["aggTrade: id 5 after 2"]


def test_vision_trades_without_header(tmp_path: Path) -> None:
    rows = [f"{own},100,1,100,{T0_MS + own * 200},true" for own in (1, 2, 3)]
    report, found = run([written(tmp_path / "ETHUSDT-trades-2023-11-14.csv", rows)], tmp_path / "out")
    assert report.files[0]["format"] == "binance-trades"
    assert [(t.first_id, t.last_id) for t in trades(found["ETHUSDT"])] == [(1, 1), (2, 2), (3, 3)]


def test_vision_book_tickers_out_of_order_are_a_book_of_one_tier(tmp_path: Path) -> None:
    rows = ["update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"]
    for own in (1, 3, 2, 5):
        rows.append(f"{own},{100 + own}.0,{own},{200 - own}.0,1,{T0_MS + own},{T0_MS + own + 1}")
    path = zipped(tmp_path / "BTCUSDT-bookTicker-2023-11-14.zip", rows)
    report, found = run([path], tmp_path / "out", arrival_ns=0)
    assert books(found["BTCUSDT"]) == [
        ((T0_MS + own) * MS, [100 + own, own], [200 - own, 1]) for own in (1, 2, 3, 5)
    ]
    assert report.symbols[0].counts.get("gaps", 0) == 0


def test_parquet_of_snapshots_with_trades(tmp_path: Path) -> None:
    tiers = 20
    columns: dict[str, object] = {
        "timestamp": pa.array([T0_MS + at for at in (0, 100, 200)], pa.timestamp("ms", "UTC"))
    }
    for tier in range(1, tiers + 1):
        columns[f"bid_price_{tier}"] = [100.0 - 0.1 * tier] * 3
        columns[f"bid_size_{tier}"] = [0.1 + 0.2] * 3
        columns[f"ask_price_{tier}"] = pa.array([100.0 + 0.1 * tier] * 3, pa.float32())
        columns[f"ask_size_{tier}"] = [1.5, 1.5, 2.0]
    pq.write_table(pa.table(columns), tmp_path / "btcusdt_depth.parquet")
    taken = {
        "time": [T0_MS + 50, T0_MS + 150],
        "price": [100.1, 99.9],
        "quantity": [0.25, 0.5],
        "is_buyer_maker": [False, True],
    }
    pq.write_table(pa.table(taken), tmp_path / "btcusdt_trades.parquet")
    files = [tmp_path / "btcusdt_depth.parquet", tmp_path / "btcusdt_trades.parquet"]
    report, found = run(files, tmp_path / "out", units=(100_000_000, None))
    assert [row["format"] for row in report.files] == ["snapshots", "trades"]
    first = books(found["BTCUSDT"])[0]
    assert first[1][::2] == [1000 - tier for tier in range(1, 21)]
    assert first[2][::2] == [1000 + tier for tier in range(1, 21)]
    lot = report.symbols[0].scale.lot_e9
    assert {size * lot for size in first[1][1::2]} == {300_000_000}
    assert [row[0] - T0_MS * MS for row in books(found["BTCUSDT"])] == [10 * MS, 110 * MS, 210 * MS]
    assert [(t.side, t.price_ticks) for t in trades(found["BTCUSDT"])] == [(1, 1001), (-1, 999)]


def test_lists_of_levels_in_parquet_and_in_csv(tmp_path: Path) -> None:
    bids, asks = [[100.0, 1.0], [99.0, 2.0]], [[101.0, 3.0], [102.0, 4.0]]
    table = pa.table(
        {"local_timestamp": [US, US + 5], "symbol": ["BTC/USDT"] * 2, "bids": [bids] * 2, "asks": [asks] * 2}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    quoted = ['"' + json.dumps(side) + '"' for side in (bids, asks)]
    rows = ["recv_ns,symbol,bids,asks", f"{US * 1000},BTC/USDT,{','.join(quoted)}"]
    expected = ([100, 1, 99, 2], [101, 3, 102, 4])
    for number, path in enumerate((tmp_path / "a.parquet", written(tmp_path / "b.csv", rows))):
        _, found = run([path], tmp_path / f"out{number}")
        assert books(found["BTCUSDT"])[0][1:] == expected


def raw_rows() -> list[str]:
    diff = '{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":%d,"u":%d,"pu":%d,"b":[["100.0","%d"]],"a":[]}'
    rows = ['{"lastUpdateId":5,"bids":[["100.0","1"]],"asks":[["100.5","1"]]}']
    rows += ['{"stream":"btcusdt@depth@0ms","data":%s}' % (diff % (u, u, u - 1, u)) for u in (5, 6, 7)]
    rows += ['{"stream":"btcusdt@kline_1m","data":{"e":"kline"}}', "no json"]
    return [f"{T0_MS * MS + at} {row}" for at, row in enumerate(rows)]


@pytest.mark.parametrize("packing", ["plain", "gz", "zst"])
def test_raw_captures_in_any_packing(tmp_path: Path, packing: str) -> None:
    text = "".join(f"{row}\n" for row in [*raw_rows(), "and no time"]).encode()
    path = tmp_path / f"btcusdt_20231114.{packing}"
    if packing == "zst":
        with pa.output_stream(str(path), compression="zstd") as file:
            file.write(text)
    else:
        path.write_bytes(gzip.compress(text) if packing == "gz" else text)
    report, found = run([path], tmp_path / "out", wanted="hftbacktest")
    # The snapshot precedes the first diff here: whoever plays the capture still gets it.
    assert [row[1] for row in books(found["BTCUSDT"])] == [[200, size] for size in (5, 6, 7)]
    assert {row["reason"]: row["line"] for row in report.skipped} == {
        "kline_1m: a stream that is not used": 5,
        "no JSON of a frame": 6,
        "does not begin with nanoseconds and a blank": 7,
    }


def test_the_best_levels_of_a_partial_book_are_no_diff(tmp_path: Path) -> None:
    partial = [row.replace("@depth@0ms", "@depth20@100ms") for row in raw_rows()[1:4]]
    report, found = run([written(tmp_path / "btcusdt.txt", [*raw_rows()[:4], *partial])], tmp_path / "out")
    assert [row[1] for row in books(found["BTCUSDT"])] == [[200, size] for size in (5, 6, 7)]
    assert {row["reason"]: row["count"] for row in report.skipped} == {
        "depth20@100ms: a stream that is not used": 3
    }
    with pytest.raises(BadInput, match="depth20@100ms: a stream that is not used"):
        run([written(tmp_path / "alone.txt", partial)], tmp_path / "none")


def test_a_cut_file_is_one_line_that_says_where(tmp_path: Path) -> None:
    whole = gzip.compress("".join(f"{row}\n" for row in raw_rows()).encode())
    path = tmp_path / "btcusdt.gz"
    path.write_bytes(whole[:-12])
    with pytest.raises(BadInput, match=r"btcusdt\.gz, after line \d+: the compressed data are cut or broken"):
        run([path], tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_flattened_depth_download(tmp_path: Path) -> None:
    header = "symbol,timestamp,first_update_id,last_update_id,side,update_type,price,qty,pu"
    snap = [header] + [
        f"BTCUSDT,{T0_MS},5,5,{side},snap,{price},1.0,-1" for side, price in (("b", 100), ("a", 101))
    ]
    diffs = [header] + [f"BTCUSDT,{T0_MS + u},{u},{u},b,set,99,{u}.0,{u - 1}" for u in (5, 6, 7)]
    files = [written(tmp_path / "depth-snap.csv", snap), written(tmp_path / "depth-update.csv", diffs)]
    report, found = run(files, tmp_path / "out")
    assert {row["format"] for row in report.files} == {"binance-depth"}
    assert [row[1] for row in books(found["BTCUSDT"])] == [[100, 1, 99, u] for u in (5, 6, 7)]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (["a,b,c", "1,2,3"], "of no known format; its columns are a, b, c"),
        ([], "is empty"),
        (["# nothing"], "holds nothing but comments"),
        (["time,price,amount", "1700000000000,1,1"], "no column tells who took"),
        (["time,price,amount,side", "1700000000000,1,1,buy"], "give --symbol"),
        (["price,amount,side,symbol", "1,1,buy,BTCUSDT"], "no column of time"),
        (["symbol,time,price,amount,side", "BTCUSDT,x,1,1,buy"], "line 2: the time is none"),
    ],
)
def test_what_cannot_be_imported_says_why(tmp_path: Path, rows: list[str], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        run([written(tmp_path / "file.csv", rows)], tmp_path / "out")


def test_a_zip_of_several_files_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("b.csv", "1")
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    with pytest.raises(BadInput, match="holds 2 files, not one"):
        run([tmp_path / "x.zip"], tmp_path / "out")


def test_the_named_format_is_checked(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", [TARDIS_L2, *tardis_rows(US, True, [("1", "1")], [("2", "1")])])
    assert detect(path).kind == "tardis-l2"
    with pytest.raises(BadInput, match=r"is tardis-l2 \(Tardis incremental_book_L2\), not cryptofeed"):
        run([path], tmp_path / "out", wanted="cryptofeed")


def test_two_books_of_one_symbol_are_refused(tmp_path: Path) -> None:
    one = written(tmp_path / "l2.csv", [TARDIS_L2, *tardis_rows(US, True, [("1", "1")], [("2", "1")])])
    other = written(tmp_path / "s.csv", [SNAPSHOT_25, "binance-futures,BTCUSDT,1,1," + ",".join(["1"] * 100)])
    with pytest.raises(BadInput, match="both make a book"):
        run([one, other], tmp_path / "out")


def test_files_out_of_order_are_refused(tmp_path: Path) -> None:
    files = []
    for name, at in (("b", US + 300_000_000), ("a", US)):
        rows = [TARDIS_L2, *tardis_rows(at, True, [("1", "1")], [("2", "1")])]
        files.append(written(tmp_path / f"{name}.csv", rows))
    with pytest.raises(BadInput, match="time goes back by 300 s; give the files in order"):
        run(files, tmp_path / "out")
