"""`lobflow verify` on recordings of other recorders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lobflow.cli import app

pytestmark = pytest.mark.recorded

NAMES = ("BINANCE_FUTURES.0", "BINANCE_FUTURES.http.0.0", "BINANCE_FUTURES.ws.1.0")


@pytest.fixture
def files(recordings: Path, tmp_path: Path) -> list[Path]:
    """A capture of cryptofeed's of four symbols."""
    return [Path(shutil.copy(recordings / "usdm-aggtrade-2021" / name, tmp_path)) for name in NAMES]


def verified(*arguments: object) -> tuple[Result, dict[str, Any]]:
    result = CliRunner().invoke(app, ["verify", *map(str, arguments), "--json"])
    return result, json.loads(result.stdout.splitlines()[-1])


def test_capture_of_four_symbols_is_whole(files: list[Path]) -> None:
    result, found = verified(*files)
    assert result.exit_code == 0, result.output
    assert found["ok"]
    assert found["files"] == [str(path) for path in files]
    assert found["book"] == {f"{name}USDT": "whole" for name in ("AKRO", "CTK", "KEEP", "SUSHI")}
    assert (found["frames"]["depth"], found["frames"]["aggTrade"]) == (764, 91)
    assert found["gaps"] == found["crossed"] == found["trade_id_gaps"] == 0
    assert found["bbo_checked"] == found["bbo_agree"] > 0
    assert [(row["reason"], row["count"]) for row in found["imported"]["skipped"]] == [
        ("kline_1m: a stream that is not used", 67)
    ]


def test_one_symbol_of_four(files: list[Path]) -> None:
    _, found = verified(*files, "--symbol", "keepusdt")
    assert list(found["symbols"]) == ["KEEPUSDT"]


def test_lost_diff_is_a_gap(files: list[Path]) -> None:
    lines = files[-1].read_bytes().splitlines(keepends=True)
    diffs = [number for number, line in enumerate(lines) if b"sushiusdt@depth" in line and b'"U"' in line]
    del lines[diffs[len(diffs) // 2]]
    files[-1].write_bytes(b"".join(lines))
    result, found = verified(*files)
    assert result.exit_code == 1
    assert not found["ok"]
    assert found["symbols"]["SUSHIUSDT"]["gaps"] == 1
    assert found["gaps"] == 1
