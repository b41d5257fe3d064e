"""The report on a real recording, looked at by a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.recorded, pytest.mark.slow]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LOOK = """<script>
addEventListener("load", () => {
  const body = document.body.dataset;
  body.pictures = document.images.length;
  body.broken = [...document.images].filter(one => !one.complete || one.naturalWidth === 0).length;
  body.requests = performance.getEntriesByType("resource").filter(one =>
  !one.name.startsWith("data:")).length; body.wide = document.documentElement.scrollWidth >
  document.documentElement.clientWidth; body.over = [...document.images].filter(one =>
one.getBoundingClientRect().right > innerWidth).length; });
</script>"""


@pytest.fixture(scope="module")
def folder(btc: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    command = [sys.executable, "-m", "lobflow.cli", "report", "--data", str(btc), "-o", str(out), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.mark.timeout(320)
def test_the_recorded_market_is_told_as_it_is(folder: Path) -> None:
    told = json.loads((folder / "report.json").read_text())
    assert (told["source"], told["symbol"], told["gaps"]) == ("recorded", "BTCUSDT", 0)
    assert told["verdict"][0].startswith("Edge after costs: NO, it loses")
    profile = dict(
        line.split(",")[:2] for line in (folder / "tables" / "profile.csv").read_text().splitlines()[1:]
    )
    assert float(profile["standard deviation of 1 s changes"]) == pytest.approx(7.7, abs=0.2)
    laws = (folder / "tables" / "flow-laws.csv").read_text().splitlines()
    orders = {tuple(line.split(",")[:3]): line.split(",") for line in laws}
    assert int(orders["aggTrades", "buy", "one order"][3]) == pytest.approx(1531, abs=3)
    assert float(orders["aggTrades", "buy", "one order"][5]) == pytest.approx(0.817, abs=0.002)
    assert int(orders["single trades", "buy", "one order"][3]) == pytest.approx(2751, abs=3)
    assert float(orders["single trades", "buy", "one order"][5]) == pytest.approx(0.455, abs=0.002)
    optimum = (folder / "tables" / "flow-optimum.csv").read_text()
    assert "aggTrades,buy,code,article" in optimum
    assert "no interior optimum" in optimum


@pytest.mark.timeout(320)
def test_a_browser_shows_the_page_and_asks_nobody(folder: Path, tmp_path: Path) -> None:
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"no {', '.join(BROWSERS)} to look with")
    page = tmp_path / "page.html"
    page.write_text((folder / "report.html").read_text().replace("</head>", f"{LOOK}</head>"))
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
    done = subprocess.run(
        [browser, *options, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    body = re.search(r"<body [^>]*>", done.stdout)
    assert body is not None, done.stderr[-2000:]
    found = dict(re.findall(r'data-(\w+)="(\w+)"', body[0]))
    assert found == {"pictures": "17", "broken": "0", "requests": "0", "wide": "false", "over": "0"}
