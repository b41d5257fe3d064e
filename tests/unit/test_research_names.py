"""What sizes and money of a symbol are called, on the page too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lobflow.cli import app
from research.names import Names, names_of


@pytest.mark.parametrize(
    ("symbol", "quote", "size"),
    [
        ("BTCUSDT", "USDT", "coins"),
        ("ETHUSDC", "USDC", "coins"),
        ("BTCUSDT_240927", "USDT", "coins"),
        ("BTCUSD_PERP", "USD", "contracts"),
        ("ETHUSD_240927", "USD", "contracts"),
    ],
)
def test_names_follow_the_symbol(symbol: str, quote: str, size: str) -> None:
    assert names_of(symbol) == Names(quote, size)


@pytest.mark.slow
@pytest.mark.recorded
def test_a_report_of_inverse_contracts_calls_them_so(tmp_path: Path, recordings: Path) -> None:
    data = recordings / "coinm-raw" / "btcusd_perp_20240808.gz"
    args = ["report", "--data", str(data), "-o", str(tmp_path)]
    result = CliRunner().invoke(app, args, catch_exceptions=False)
    assert result.exit_code == 0
    page = (tmp_path / "report.html").read_text()
    own = (
        re.sub(r"data:image/png;base64,[^\"]*", "", page)
        .replace("BTCUSDT perpetual at about 66,000 USDT", "")
        .replace("HOOKUSDT", "")
    )
    assert "USDT" not in own
    assert "inverse" in own
    profile = (tmp_path / "tables" / "profile.csv").read_text()
    assert "coins" not in profile
    assert "contracts" in profile
