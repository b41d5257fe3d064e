"""Half a minute of the live system with orders, judged against what its model promised."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@pytest.mark.timeout(240)
def test_a_short_online_test_compares_promise_and_outcome(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "lobflow.cli",
        "online-test",
        "--minutes",
        "0.5",
        "-o",
        str(out),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=220, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["with_orders"]
    assert found["restarts"] == 0, done.stderr[-2000:]
    assert found["minutes"] >= 0.5
    assert Decimal(found["pnl"]["net"]) == Decimal(found["venue_net_pnl"])
    (symbol,) = found["symbols"]
    assert symbol["predictions"] > 100
    assert {row["horizon_s"] for row in symbol["promised"]} == {5, 10, 15}
    whole = [row for row in symbol["promised"] if row["selection"] == "100 %"]
    assert all(row["promised_hit"] is not None and row["promised_ic"] is not None for row in whole)
    assert any(row["hit"] is not None for row in whole)
    assert {row["name"] for row in symbol["rows"]} >= {"served", "imbalance 1", "imbalance 5", "last return"}
    # Where there were trades, all three PnLs are of the same ones, and the venue's is the ledger's.
    assert bool(symbol["pnls"]) == (symbol["fills"] > 0)
    if symbol["pnls"]:
        ideal, touch, paid = symbol["pnls"]
        assert ideal["trades"] == touch["trades"] == paid["trades"] == found["results"]["round_trips"]
        assert ideal["fees"] == 0.0
        assert ideal["gross"] > touch["gross"]
        assert paid["net"] == pytest.approx(float(found["pnl"]["net"]))
    html = (out / "online-test.html").read_text()
    assert "SYNTHETIC data" in html[: html.index("</p>")]
    assert json.loads((out / "online-test.json").read_text())["symbols"][0]["model"] == symbol["model"]
    assert (out / "tables" / "btcusdt-promised-and-seen.csv").read_text().count("\n") == len(
        symbol["promised"]
    ) + 1
