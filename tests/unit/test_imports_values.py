"""Times, numbers, flags, sides and symbols as other people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from research.imports.columns import find, plain
from research.imports.detect import detect
from research.imports.reading import symbol_of
from research.imports.reorder import in_order
from research.imports.skips import Skips
from research.imports.tiers import Tiers
from research.imports.values import flag, identity, is_sold, number, time_ns
from shared.errors import BadFrame, BadInput

AT_NS = 1_610_064_000_278_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1610064000", AT_NS - 278_000_000),
        ("1610064000278", AT_NS),
        ("1610064000278000", AT_NS),
        ("1610064000278000000", AT_NS),
        ("1610064000.278", AT_NS),
        ("1610064000278.0", AT_NS),
        ("1610064000278.25", AT_NS + 250_000),
        ("2021-01-08T00:00:00.278Z", AT_NS),
        ("2021-01-08 00:00:00.278", AT_NS),
        ("2021-01-08 01:00:00.278+01:00", AT_NS),
        ("2021-01-08", AT_NS - 278_000_000),
        ("99999999999999", 99_999_999_999_999 * 10**6),
        ("100000000000001", 100_000_000_000_001 * 10**3),
    ],
)
def test_times(text: str, expected: int) -> None:
    assert time_ns(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1e12", "-5", "2021-13-01", "1.2.3"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(BadFrame, match="the time is none"):
        time_ns(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.10", "0.1"),
        ("5", "5"),
        ("5.", "5"),
        ("1E-8", "0.00000001"),
        ("39432.480000000003", "39432.48"),
        ("0.0", "0"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert number(text) == expected


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-1", "1,5"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(BadFrame, match="a price or quantity is"):
        number(text)


def test_flags_sides_ids_and_symbols() -> None:
    assert [flag(text) for text in ("true", "False", "1", "0")] == [True, False, True, False]
    assert [is_sold(text) for text in ("buy", "SELL", "-1")] == [False, True, True]
    assert identity("12.0") == 12
    assert symbol_of(" btc/usdt") == "BTCUSDT"
    for call, text in ((flag, "2"), (is_sold, "ask"), (identity, "1.5"), (symbol_of, "{}")):
        with pytest.raises(BadFrame):
            call(text)


@pytest.mark.parametrize(
    "form",
    ["{side}s[{tier}].{what}", "{side}_{what}_{tier}", "{side}{what}{tier:02d}", "{what}_{side}_{tier}",
     "{side}_level_{tier}_{what}"],
)  # fmt: skip
@pytest.mark.parametrize("what", ["price/amount", "px/qty", "p/q"])
@pytest.mark.parametrize("first", [0, 1])
def test_tiers_by_any_name(form: str, what: str, first: int) -> None:
    columns, row = ["time"], ["0"]
    for side, sign in (("ask", 1), ("bid", -1)):
        for tier in reversed(range(20)):
            for name, value in zip(what.split("/"), (100 + sign * (tier + 1), tier + 1), strict=True):
                columns.append(form.format(side=side, tier=tier + first, what=name))
                row.append(str(value))
    bids, asks = Tiers(columns, Path("x")).book(row)
    assert bids == [(str(99 - tier), str(tier + 1)) for tier in range(20)]
    assert asks == [(str(101 + tier), str(tier + 1)) for tier in range(20)]


def test_tiers_of_one_side_are_no_book() -> None:
    with pytest.raises(BadInput, match="no tiers of both sides"):
        Tiers(["time", "bid_price_0", "bid_size_0"], Path("x"))
    with pytest.raises(BadInput, match="2 tiers of bids but 1 of asks"):
        Tiers(["bp0", "bq0", "bp1", "bq1", "ap0", "aq0"], Path("x"))


def test_columns_are_found_by_plain_names() -> None:
    assert plain("Is_Buyer Maker") == "isbuyermaker"
    assert find(["Time", "isBuyerMaker"], ("buyermaker", "isbuyermaker")) == 1
    assert find(["Time"], ("price",)) is None


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("btcusdt_20240808.gz", "BTCUSDT"),
        ("btcusd_perp_20240809.gz", "BTCUSD_PERP"),
        ("ETHUSDT_240927-trades-2024-09-01.csv", "ETHUSDT_240927"),
        ("1000PEPEUSDT-aggTrades-2024-01-01.csv", "1000PEPEUSDT"),
        ("BTCUSDT.csv.gz", "BTCUSDT"),
        ("recording.gz", None),
        ("trades.csv", None),
    ],
)
def test_symbols_in_names_of_files(tmp_path: Path, name: str, symbol: str | None) -> None:
    path = tmp_path / name
    path.write_text("1,100,1,100,1700000000000,true\n")
    assert detect(path).symbol == symbol


def test_rows_are_sorted_within_the_window_and_counted_beyond() -> None:
    skips = Skips()
    keys = [3, 1, 2, 2, 9, 8, 4, 7, 1]
    rows = ((key, line, [str(key)]) for line, key in enumerate(keys, 1))
    found = [row[0] for row in in_order(rows, skips, Path("x"), is_unique=True, window=3)]
    assert found == [1, 2, 3, 4, 7, 8, 9]
    assert {skip.reason: (skip.count, skip.line) for skip in skips} == {
        "the same id again": (1, 4),
        "out of order by more than 3 rows": (1, 9),
    }
    assert skips.total == 2
