"""Where an import goes: whole or not at all, and on from where the folder ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from import_data import T0_MS, TARDIS_L2, books, entries, run, tardis_rows, written
from typer.testing import CliRunner

from lobflow.cli import app
from research.dataset import load
from research.imports.target import Target
from shared.errors import BadInput, BadSetting
from shared.messages import FeedStatus, Lob, Market
from shared.streams import parse_id
from shared.units import e9

US = T0_MS * 1000


def day(path: Path, at_us: int, count: int = 5) -> Path:
    """A file that begins at `at_us`: a book ten times a second."""
    rows = [TARDIS_L2, *tardis_rows(at_us, True, [("100.0", "1.0")], [("100.1", "1.0")])]
    for number in range(1, count):
        rows += tardis_rows(at_us + 100_000 * number, False, [("99.9", f"{number}.5")], [])
    return written(path, rows)


def data_import(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["data", "import", *arguments], catch_exceptions=False)


def test_a_second_import_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run([day(tmp_path / "a.csv", US)], out)
    first = entries(out, "BTCUSDT")
    run([day(tmp_path / "b.csv", US + 86_400_000_000)], out)
    both = entries(out, "BTCUSDT")
    assert both[: len(first)] == first
    messages = [message for _, message in both if isinstance(message, Market)]
    assert [message.seq for message in messages] == list(range(len(both)))
    assert [parse_id(entry_id) for entry_id, _ in both] == sorted(
        {parse_id(entry_id) for entry_id, _ in both}
    )
    begun = messages[len(first)]
    assert isinstance(begun, FeedStatus)
    assert (begun.state, begun.epoch) == ("syncing", messages[len(first) - 1].epoch + 1)
    assert len(books(messages)) == 10
    assert len(list((out / "raw").iterdir())) == 2
    assert len(json.loads((out / "imports.json").read_text())) == 2
    assert load([out]).symbol == "BTCUSDT"


def test_what_is_there_is_not_imported_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = day(tmp_path / "a.csv", US)
    run([path], out)
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    with pytest.raises(BadInput, match=r"holds BTCUSDT up to 2023-11-14 22:13:20\.400000 already"):
        run([path], out)
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before


def test_what_a_killed_import_left_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / ".importing" / "raw").mkdir(parents=True)
    (out / ".importing" / "raw" / "btcusdt.gz").write_text("half")
    run([day(tmp_path / "a.csv", US)], out)
    assert not (out / ".importing").exists()
    assert len(entries(out, "BTCUSDT")) > 5


def test_one_import_at_a_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Target(out), pytest.raises(BadSetting, match="another import is writing it"):
        run([day(tmp_path / "a.csv", US)], out)
    run([day(tmp_path / "a.csv", US)], out)


def test_a_failed_import_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(BadInput, match="no multiple of the tick 1 "):
        run([day(tmp_path / "a.csv", US)], out, units=(e9("1"), None))
    assert not list(out.iterdir())


def test_given_units_are_kept(tmp_path: Path) -> None:
    report, found = run([day(tmp_path / "a.csv", US)], tmp_path / "out", units=(e9("0.01"), e9("0.001")))
    (row,) = report.symbols
    assert (row.scale.tick_e9, row.scale.lot_e9, row.scale_source) == (10_000_000, 1_000_000, "given")
    first = next(message for message in found["BTCUSDT"] if isinstance(message, Lob))
    assert (first.tick_e9, first.lot_e9) == (10_000_000, 1_000_000)


def test_one_symbol_of_several(tmp_path: Path) -> None:
    rows = [TARDIS_L2]
    for symbol in ("BTCUSDT", "ETHUSDT"):
        rows += tardis_rows(US, True, [("100", "1")], [("101", "1")], symbol)
    path = written(tmp_path / "PERPETUALS.csv", rows)
    report, _ = run([path], tmp_path / "both")
    assert [row.symbol for row in report.symbols] == ["BTCUSDT", "ETHUSDT"]
    report, _ = run([path], tmp_path / "one", symbol="ETHUSDT")
    assert [row.symbol for row in report.symbols] == ["ETHUSDT"]
    with pytest.raises(BadInput, match="nothing of SOLUSDT to import"):
        run([path], tmp_path / "none", symbol="SOLUSDT")


def test_the_command_prints_tables_and_json(tmp_path: Path) -> None:
    path, out = day(tmp_path / "BTCUSDT.csv", US), tmp_path / "out"
    answer = data_import("tardis", str(path), "-o", str(out), "--json")
    assert answer.exit_code == 0
    summary = json.loads(answer.stdout.splitlines()[-1])
    (row,) = summary["symbols"]
    assert (row["symbol"], row["entries"]["Lob"], row["gaps"], row["tick"], row["lot"]) == (
        "BTCUSDT",
        5,
        0,
        "0.1",
        "0.5",
    )
    assert summary["files"][0]["rows"] == 6
    assert f"lobflow replay {row['capture']}" in answer.stderr


def test_the_command_says_what_was_left_out(tmp_path: Path) -> None:
    rows = [
        "id,price,qty,quote_qty,time,is_buyer_maker",
        f"1,100,1,100,{T0_MS},true",
        f"2,100,1,100,{T0_MS},maybe",
    ]
    path = written(tmp_path / "BTCUSDT-trades.csv", rows)
    answer = data_import("auto", str(path), "-o", str(tmp_path / "out"))
    assert answer.exit_code == 0
    for text in ("a flag is neither true nor false", "line 3", "trades only, without a book", "and 10 ms"):
        assert text in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("excel",), "format 'excel': one of auto, binance"),
        (("auto", "--tick", "abc"), "--tick: 'abc' is not a decimal number"),
        (("auto", "--lot", "0"), "--lot: 0 is not above 0"),
        (("auto", "--symbol", "a b"), "symbol 'A B'"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    kind, *options = arguments
    path = day(tmp_path / "a.csv", US)
    with pytest.raises(BadSetting, match=text):
        data_import(kind, str(path), "-o", str(tmp_path / "out"), *options)
    assert not (tmp_path / "out").exists()
