"""Recordings: what is read from them, in which order, and what cannot be replayed."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from research.market import market_entries
from services.venue import market as venue_market
from services.venue.recording import scan, timeline
from services.venue.snapshots import Place, find
from services.venue.tape import Tape, Trade
from shared.errors import BadInput
from shared.messages import FeedStatus, Lob
from shared.units import MS, Scale

T0 = 1_700_000_000_000 * MS
SNAPSHOT = '{"lastUpdateId":5,"bids":[["100.0","1.000"]],"asks":[["100.1","1.000"]]}'


def frame(kind: str, symbol: str = "BTCUSDT", **data: Any) -> str:
    events = {"depth": "depthUpdate", "markPrice": "markPriceUpdate"}
    body = {"e": events.get(kind, kind), "s": symbol, **data}
    return msgspec.json.encode({"stream": f"{symbol.lower()}@{kind}", "data": body}).decode()


def diff(u: int = 9, pu: int = 0, price: str = "100.0") -> str:
    return frame("depth", U=1, u=u, pu=pu, b=[[price, "2.000"]], a=[])


def trade(
    ms: int,
    price: str,
    quantity: str,
    is_buyer_maker: bool = False,
    kind: str = "MARKET",
    number: int | None = None,
) -> str:
    return frame(
        "trade",
        E=ms,
        T=ms,
        t=ms // 10 if number is None else number,
        p=price,
        q=quantity,
        X=kind,
        m=is_buyer_maker,
    )


def written(path: Path, rows: list[tuple[int, str]]) -> Path:
    path.write_text("".join(f"{T0 + at_ms * MS} {text}\n" for at_ms, text in rows))
    return path


def test_tick_lot_and_bounds_are_read_from_the_frames(tmp_path: Path) -> None:
    path = written(tmp_path / "r", [(0, diff(price="100.5")), (3, SNAPSHOT), (9, trade(1, "100.7", "0.025"))])
    row = scan([path])["BTCUSDT"]
    assert row.scale == Scale(100_000_000, 25_000_000)
    assert (row.first_ns, row.last_ns, row.frames) == (T0, T0 + 9 * MS, 3)
    assert row.snapshots == (T0 + 3 * MS,)


def books_of(path: Path) -> list[tuple[int, bytes]]:
    return [(one.recv_ns, one.bids) for _, _, one in market_entries([path]) if isinstance(one, Lob)]


def update(first: int, last: int, previous: int) -> str:
    ms = T0 // MS
    return frame("depth", E=ms, T=ms, U=first, u=last, pu=previous, b=[["100.0", "2.000"]], a=[])


def test_a_snapshot_just_before_the_first_diff_answers_it(tmp_path: Path) -> None:
    rows = [(0, SNAPSHOT), (10, trade(10, "100.1", "0.5")), (20, update(1, 9, 0)), (30, update(10, 12, 9))]
    early = written(tmp_path / "early", rows)
    usual = written(tmp_path / "usual", [rows[1], rows[2], (20, SNAPSHOT), rows[3]])
    assert books_of(early) == books_of(usual)
    assert len(books_of(early)) == 2
    # In lockstep the venue gives the collector the same, at the same place.
    instruments = scan([early])
    asked = next(event.seq for event in timeline([early], instruments) if event.kind == "depth")
    found = find([early], instruments, "BTCUSDT", asked)
    assert found == Place(asked, T0 + 20 * MS, SNAPSHOT.encode())


def test_a_snapshot_after_a_gap_and_before_a_diff_answers_that(tmp_path: Path) -> None:
    again = SNAPSHOT.replace("5", "105", 1)
    rows = [
        (0, update(1, 9, 0)),
        (5, SNAPSHOT),
        (20, update(10, 12, 9)),
        (30, again),
        (40, update(104, 110, 103)),
    ]
    assert [at_ns - T0 for at_ns, _ in books_of(written(tmp_path / "r", rows))] == [5 * MS, 20 * MS, 40 * MS]


def test_an_early_snapshot_that_is_too_old_answers_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "r", [(0, SNAPSHOT), (20, update(7, 9, 6)), (30, update(10, 12, 9))])
    assert books_of(path) == []
    instruments = scan([path])
    assert find([path], instruments, "BTCUSDT", 2) is None


def test_trades_close_into_aggregates_by_price_side_and_time(tmp_path: Path) -> None:
    rows = [
        (0, SNAPSHOT),
        (10, trade(10, "100.1", "0.5")),
        (20, trade(20, "100.1", "0.25")),
        (30, trade(30, "100.1", "9", kind="INSURANCE_FUND")),
        (40, trade(40, "0", "0")),
        (50, trade(50, "100.2", "1")),
        (55, diff()),
        (150, diff(10, 9)),
        (500, trade(500, "100.2", "2", True, number=6)),
    ]
    path = written(tmp_path / "r", rows)
    left_out: dict[str, int] = {}
    events = list(timeline([path], scan([path]), left_out))
    assert left_out == {"BTCUSDT": 2}
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    found = [(event.kind, (event.recv_ns - T0) // MS) for event in events]
    assert found == [
        ("snapshot", 0), ("depth", 55), ("aggTrade", 110),
        ("aggTrade", 150), ("depth", 150), ("aggTrade", 600),
    ]  # fmt: skip
    first, second, third = (msgspec.json.decode(event.data) for event in events if event.kind == "aggTrade")
    assert (first["q"], first["f"], first["l"], first["T"], first["E"]) == ("0.75", 1, 2, 10, 110)
    assert (second["a"], second["E"], third["a"], third["m"]) == (2, 150, 3, True)


def test_a_missing_trade_is_a_missing_aggregate_id(tmp_path: Path) -> None:
    rows = [(0, SNAPSHOT), (1, diff())]
    rows += [(at, trade(at, "100.1", "1", number=number)) for at, number in ((10, 7), (500, 8), (900, 10))]
    path = written(tmp_path / "r", rows)
    found = [msgspec.json.decode(event.data) for event in timeline([path], scan([path]))
             if event.kind == "aggTrade"]  # fmt: skip
    assert [row["a"] for row in found] == [1, 2, 4]
    counts: dict[str, int] = defaultdict(int)
    states = [m.reason for _, _, m in market_entries([path], counts) if isinstance(m, FeedStatus)]
    assert counts["gaps"] == 1
    assert "aggTrade: id 4 after 2" in states


def test_tape_splits_at_the_window() -> None:
    tape = Tape("S")
    rows = [Trade(ms, ms, ms, "1", "1", False) for ms in (0, 100, 101)]
    closed = [tape.add(row, row.T * MS) for row in rows]
    assert [one is not None for one in closed] == [False, True, False]
    assert tape.left_out == 0


def test_prices_and_sides_between_do_not_close_an_aggregate() -> None:
    tape = Tape("S")
    for n, (price, is_sell) in enumerate([("1", False), ("2", False), ("1", True), ("1", False)]):
        assert tape.add(Trade(n, n, n, price, "1", is_sell), n * MS) is None
    first, second, third = (msgspec.json.decode(tape.close()) for _ in range(3))
    assert (first["p"], first["q"], first["l"], first["m"]) == ("1", "2", 3, False)
    assert (second["p"], third["m"]) == ("2", True)
    assert tape.due_ns is None


@pytest.mark.recorded
@pytest.mark.parametrize(("name", "orders", "mean"), [("btc", 1531, 0.817), ("eth", 1206, 4.11)])
def test_taker_buys_of_the_recordings_are_those_that_were_measured(
    request: pytest.FixtureRequest, name: str, orders: int, mean: float
) -> None:
    path = request.getfixturevalue(name)
    buys: dict[int, float] = {}
    for event in timeline([path], scan([path])):
        if event.kind == "aggTrade" and not (row := msgspec.json.decode(event.data))["m"]:
            buys[row["T"]] = buys.get(row["T"], 0.0) + float(row["q"])
    assert len(buys) == pytest.approx(orders, rel=0.002)
    assert sum(buys.values()) / len(buys) == pytest.approx(mean, rel=0.002)


def test_files_merge_by_time_and_ties_by_order_of_files(tmp_path: Path) -> None:
    eth = '{"lastUpdateId":1,"bids":[["10","1"]],"asks":[["11","1"]]}'
    one = written(tmp_path / "1", [(0, SNAPSHOT), (5, diff()), (9, diff(10, 9))])
    two = written(tmp_path / "2", [(5, eth), (6, frame("bookTicker", "ETHUSDT", b="1", B="1", a="2", A="1"))])
    instruments = scan([two, one])
    order = [(event.symbol, event.kind) for event in timeline([two, one], instruments)]
    assert order == [
        ("BTCUSDT", "snapshot"), ("ETHUSDT", "snapshot"), ("BTCUSDT", "depth"), ("ETHUSDT", "bookTicker"),
        ("BTCUSDT", "depth"),
    ]  # fmt: skip


def test_what_is_not_understood_is_passed_on(tmp_path: Path) -> None:
    rows = [(0, SNAPSHOT), (1, diff()), (2, '{"stream":"btcusdt@dep'), (3, frame("novelty")), (4, "5")]
    path = written(tmp_path / "r", [*rows, (5, frame("trade", p=1))])
    events = list(timeline([path], scan([path])))
    assert [event.kind for event in events] == ["snapshot", "depth", "other", "other", "other", "other"]
    assert events[2].data == b'{"stream":"btcusdt@dep'


def cut(path: Path) -> None:
    whole = gzip.compress(path.read_bytes() * 50)
    path.write_bytes(whole[: len(whole) - 12])


@pytest.mark.parametrize(
    ("rows", "damage", "words"),
    [
        ([], None, "empty"),
        ([(0, diff())], None, "no depth snapshot for BTCUSDT in .*r: the book cannot be built"),
        ([(0, SNAPSHOT)], None, "no frame of any stream"),
        ([(5, SNAPSHOT), (4, diff())], None, "line 2: time goes back"),
        ([(0, diff())], lambda path: path.write_text("x y\n"), "line 1: begins"),
        ([(0, SNAPSHOT), (0, diff())], cut, "gzip data is cut or broken"),
        ([(0, diff())], Path.unlink, "cannot be read"),
        ([(0, SNAPSHOT), (0, diff()), (1, frame("depth", "ETHUSDT"))], None, "line 1: .* several symbols"),
    ],
)
def test_file_that_cannot_be_replayed_is_named(
    tmp_path: Path, rows: list[tuple[int, str]], damage: Callable[[Path], object] | None, words: str
) -> None:
    path = written(tmp_path / "r", rows)
    if damage is not None:
        damage(path)
    with pytest.raises(BadInput, match=words):
        scan([path])


def test_no_file_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(BadInput, match="LOBFLOW_VENUE_FILES"):
        scan([])


@pytest.mark.recorded
def test_real_book_is_whole_to_the_end_and_never_crossed(eth: Path) -> None:
    instruments = scan([eth])
    assert instruments["ETHUSDT"].scale == Scale(10_000_000, 1_000_000)
    market = venue_market.Market(instruments["ETHUSDT"])
    depths = 0
    for event in timeline([eth], instruments):
        if event.kind == "snapshot":
            assert market.on_snapshot(event.data)
        elif event.kind == "depth":
            touched = market.on_depth(event.data)
            depths += touched is not None
            assert not market.book.is_crossed
    assert market.is_whole
    assert depths > 6_500


def test_files_of_one_symbol_that_overlap_are_refused(tmp_path: Path) -> None:
    rows = [(0, SNAPSHOT), (5, diff()), (9, diff(10, 9))]
    one, two = written(tmp_path / "1", rows), written(tmp_path / "2", rows)
    with pytest.raises(BadInput, match=r"2: overlaps an earlier file of BTCUSDT"):
        scan([one, two])


@pytest.mark.recorded
def test_spot_and_coin_margined_recordings_are_understood(recordings: Path) -> None:
    for folder, name in (("spot-raw", "btcusdt"), ("spot-raw", "ethusdt"), ("coinm-raw", "btcusd_perp")):
        counts: defaultdict[str, int] = defaultdict(int)
        files = [recordings / folder / f"{name}_{day}.gz" for day in ("20240808", "20240809")]
        books = sum(isinstance(message, Lob) for _, _, message in market_entries(files, counts))
        assert books > 6000
        assert counts["bbo_checked"] == counts["bbo_agree"] > 0
        assert (counts["gaps"], counts["crossed"], counts["parked"]) == (0, 0, 0)
