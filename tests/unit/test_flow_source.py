"""What `lobflow flow` reads, and what it refuses in one line."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lobflow.cli import app
from research.flow.source import AGGREGATED, SINGLE, read
from shared.errors import BadInput, LobflowError

HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
START_MS = 1_674_777_600_000


def rows(count: int = 3_000, seed: int = 1) -> list[str]:
    """A tape of two sides whose price wanders by the volume taken."""
    draws = np.random.default_rng(seed)
    out, at_ms, price = [], START_MS, 2_900
    for number in range(count):
        at_ms += int(draws.exponential(400.0)) + 1
        is_maker = bool(draws.uniform() < 0.5)
        lots = int(draws.pareto(2.5) * 3_000) + 1
        out.append(
            f"{number},{price / 1000:.3f},{lots / 10:.1f},{number},{number},{at_ms},{str(is_maker).lower()}"
        )
        if lots > 2_000:  # a large order walks on: a second row of the same time
            price += -1 if is_maker else 1
            out.append(f"{number},{price / 1000:.3f},5.0,{number},{number},{at_ms},{str(is_maker).lower()}")
    return out


def write(
    folder: Path, lines: list[str], header: str = HEADER, name: str = "HOOKUSDT-aggTrades-2023.csv"
) -> Path:
    path = folder / name
    path.write_text(header + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("header", [HEADER, ""])
@pytest.mark.parametrize("is_zipped", [False, True])
def test_aggtrades_are_read_with_and_without_header_and_zipped(
    tmp_path: Path, header: str, is_zipped: bool
) -> None:
    path = write(tmp_path, rows(300), header)
    if is_zipped:
        with zipfile.ZipFile(tmp_path / "HOOKUSDT-aggTrades-2023.zip", "w") as archive:
            archive.write(path, path.name)
        path = tmp_path / "HOOKUSDT-aggTrades-2023.zip"
    source = read([path])
    assert source.symbol == "HOOKUSDT"
    assert (source.scale.tick_e9, source.scale.lot_e9) == (1_000_000, 100_000_000)
    (tape,) = source.tapes.values()
    assert list(source.tapes) == [AGGREGATED]
    assert tape.prices_ticks[0] == 2_900
    assert tape.times_ms[0] > START_MS
    assert set(tape.sides.tolist()) == {-1, 1}
    assert source.entries is None


def test_files_follow_each_other(tmp_path: Path) -> None:
    lines = rows(300)
    first = write(tmp_path, lines[:100], name="HOOKUSDT-aggTrades-1.csv")
    second = write(tmp_path, lines[100:], name="HOOKUSDT-aggTrades-2.csv")
    assert len(read([first, second]).tapes[AGGREGATED].times_ms) == len(lines)
    with pytest.raises(BadInput, match=r"aggTrades-1\.csv, line 2: time goes back"):
        read([second, first])


def test_a_day_that_is_missing_between_two_files_is_no_day_without_trades(tmp_path: Path) -> None:
    lines = rows(2_000)
    day_ms = 86_400_000
    second = [
        _with(_with(line, 0, str(int(line.split(",")[0]) + 9_000)), 5, str(_time(line) + day_ms))
        for line in lines
    ]
    paths = [
        write(tmp_path, lines, name="HOOKUSDT-aggTrades-1.csv"),
        write(tmp_path, second, name="HOOKUSDT-aggTrades-2.csv"),
    ]
    one, both = _told(paths[:1]), _told(paths)
    assert (one["holes"], both["holes"]) == ({AGGREGATED: 0}, {AGGREGATED: 1})
    for alone, together in zip(one["flows"], both["flows"], strict=True):
        assert together["orders"] == 2 * alone["orders"]
        assert together["interval_ms"] == pytest.approx(alone["interval_ms"], rel=0.01)
        for first, again in zip(alone["windows"], together["windows"], strict=True):
            assert again["filled_share"] == pytest.approx(first["filled_share"], abs=0.02)
        for first, again in zip(alone["counts"], together["counts"], strict=True):
            assert _rate(again) == pytest.approx(_rate(first), rel=0.05)


def _rate(law: dict[str, Any]) -> float:
    """Orders that a law of counts expects."""
    found = law["parameters"]
    return float(found["mean"] if "mean" in found else found["base"] / (1.0 - found["branching"]))


def _told(paths: list[Path]) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["flow", *map(str, paths), "--json"], catch_exceptions=False)
    return dict(json.loads(result.stdout.strip().splitlines()[-1]))


def test_ids_that_do_not_count_up_say_nothing_of_holes(tmp_path: Path) -> None:
    lines = [_with(line, 0, str(7 * int(line.split(",")[0]))) for line in rows(300)]
    assert not len(read([write(tmp_path, lines)]).tapes[AGGREGATED].holes_ms)


@pytest.mark.recorded
def test_a_recording_has_both_aggregations(btc: Path) -> None:
    source = read([btc])
    counted = {
        name: (len(set(tape.times_ms[tape.sides > 0].tolist())), tape.sizes_lots[tape.sides > 0].sum())
        for name, tape in source.tapes.items()
    }
    assert counted[SINGLE][0] == 2_751  # as the specification says
    assert counted[AGGREGATED][0] == 1_533
    assert counted[SINGLE][1] == counted[AGGREGATED][1]
    assert source.entries is not None


def refusal(paths: list[Path], *options: str) -> str:
    """The one line of a run that must fail."""
    result = CliRunner().invoke(app, ["flow", *map(str, paths), *options])
    assert isinstance(result.exception, LobflowError), result.output
    text = str(result.exception)
    assert "\n" not in text
    return text


def test_refusals_name_what_and_where(tmp_path: Path) -> None:
    lines = rows()
    assert "too few" in refusal([write(tmp_path, lines[:40])])
    buys = [line for line in lines if line.endswith("false")]
    assert "takers only bought: a one-sided tape" in refusal([write(tmp_path, buys)])
    nearly = buys + [line.replace("false", "true") for line in buys[-5:]]
    assert "orders of takers who sold: each side needs 30" in refusal(
        [write(tmp_path, sorted(nearly, key=_time))]
    )
    still = [_with(line, 1, "2.900") for line in lines]
    assert "the price is the same" in refusal([write(tmp_path, still)])
    same = [_with(line, 2, "5.0") for line in {_time(line): line for line in lines}.values()]
    assert "no law of sizes" in refusal([write(tmp_path, same)])
    assert "line 52: time goes back" in refusal([write(tmp_path, [*lines[:50], lines[3], *lines[50:]])])
    assert "line 3: a price or quantity is no number" in refusal(
        [write(tmp_path, [lines[0], _with(lines[1], 1, "x"), *lines[2:]])]
    )
    assert "no such file" in refusal([tmp_path / "nothing.csv"])


def _time(line: str) -> int:
    return int(line.split(",")[5])


def _with(line: str, place: int, text: str) -> str:
    parts = line.split(",")
    parts[place] = text
    return ",".join(parts)


def test_what_is_no_aggtrades_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("this,is,no\ntape,at,all\n")
    assert "notes.csv: of no known format" in refusal([tmp_path / "notes.csv"])
    (tmp_path / "empty.csv").write_text("")
    assert "is empty" in refusal([tmp_path / "empty.csv"])
    book = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n"
    (tmp_path / "BTCUSDT-bookTicker.csv").write_text(book + "1,2.0,3.0,2.1,4.0,1674777600161,1674777600162\n")
    assert "is binance-bookticker; the flow needs aggTrades" in refusal([tmp_path / "BTCUSDT-bookTicker.csv"])


def test_the_command_tells_everything_of_a_tape_without_books(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["flow", str(write(tmp_path, rows())), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    told = json.loads(result.stdout.strip().splitlines()[-1])
    assert (told["symbol"], told["rested"]) == ("HOOKUSDT", [])
    assert [(flow["aggregation"], flow["side"]) for flow in told["flows"]] == [
        ("aggTrades", "buy"),
        ("aggTrades", "sell"),
    ]
    for flow in told["flows"]:
        assert [window["seconds"] for window in flow["windows"]] == [1.0, 2.0, 5.0, 30.0]
        assert [each["seconds"] for each in flow["durations"]] == [1.0, 2.0, 5.0, 30.0]
        assert {fit["law"] for fit in flow["size_fits"]} >= {"article", "Lomax", "log-normal"}
        assert flow["shocks"][0]["ticks"] == 0
        assert flow["impact"]["code"]["intercept"] > flow["impact"]["table"]["intercept"]
        assert flow["impact"]["code"]["optimum"]["article"]["answer"] in ("optimum", "no interior optimum")
        assert sum(flow["impact"]["groups"][place][1] for place in range(len(flow["impact"]["groups"]))) > 0


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--lifetime", "400"), "rests 400 s and is judged 5 s later, but there are 346 s of data"),
        (("--lifetime", "338", "--horizon", "8"), "but there are 346 s of data"),
        (("--size", "100000"), "--size: 100000 is more than half of the books hold in 20 tiers of asks"),
    ],
)
def test_an_order_of_which_the_data_say_nothing_is_refused(
    btc: Path, options: tuple[str, ...], says: str
) -> None:
    assert says in refusal([btc], *options)


@pytest.mark.slow
@pytest.mark.recorded
def test_a_recording_is_not_quoted_at_retail_fees_and_is_without_any(btc: Path) -> None:
    """The measured figures of the specification: the best ask filled 0.58, edge -4.6 +- 2.6 USDT;
    risk-averse."""
    result = CliRunner().invoke(app, ["flow", str(btc), "--json"], catch_exceptions=False)
    told = json.loads(result.stdout.strip().splitlines()[-1])
    buys = next(
        flow for flow in told["flows"] if flow["side"] == "buy" and flow["aggregation"] == "single trades"
    )
    assert buys["sizes"]["article"]["mean"] == pytest.approx(0.455, abs=0.001)
    fitted = {each["seconds"]: each["fitted_ms"] for each in buys["durations"]}
    assert 650 < fitted[1.0] < 1_300
    assert 2_000 < fitted[2.0] < 3_300
    assert 7_500 < fitted[5.0] < 13_000
    line = buys["impact"]["code"]
    assert line["intercept"] > 0  # and so no optimum
    assert line["optimum"]["article"]["answer"] == "no interior optimum"
    asks = next(side for side in told["rested"] if side["side"] == "ask")
    best = asks["depths"][0]
    assert best["fill_rate"] == pytest.approx(0.58, abs=0.06)
    assert best["edge"] == pytest.approx(-4.6, abs=2.6)
    assert {side["answer"] for side in told["rested"]} == {"do not quote"}
    prices = [str(depth["price"]) for side in told["rested"] for depth in side["depths"]]
    assert all(len(price.partition(".")[2]) == 1 for price in prices), prices
    assert told["probes"]["size"] == 0.01
    for side in told["rested"]:
        rates = [depth["fill_rate"] for depth in side["depths"]]
        assert rates == sorted(rates, reverse=True)
        assert side["calibration"]["brier_predicted"] < side["calibration"]["brier_depth_share"]
        assert 0.5 < side["replenishment"] < 2.0
