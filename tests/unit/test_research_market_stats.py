"""The statistics of a market: the recorded ones are those of the table; the command says what it must."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lobflow.cli import app
from research.foretelling import HORIZONS_S, foretell, imbalance
from research.market_stats import order_flow
from research.market_targets import TARGETS
from research.measured import measure
from research.observations import OPENING_NS, recorded, synthetic
from services.venue.synthetic.market import SyntheticMarket
from shared.errors import BadInput, BadSetting


def row(bid: int, bids: int, ask: int, asks: int) -> list[int]:
    """Two sides of twenty tiers, one tick apart, with one lot behind the best."""
    behind = range(1, 20)
    return [
        *(bid, bids, *(value for i in behind for value in (bid - i, 1))),
        *(ask, asks, *(value for i in behind for value in (ask + i, 1))),
    ]


@pytest.mark.recorded
@pytest.mark.parametrize(("fixture", "place"), [("btc", 0), ("eth", 1)])
def test_a_recording_gives_the_table(fixture: str, place: int, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(fixture)
    measured = measure(recorded([path]), "recorded")
    values = measured.values
    assert all(line.passes for line in measured.lines if line.name in TARGETS)
    for name in ("level_changes_per_update", "tier5_size", "buy_size_mean", "buy_alpha", "buy_agg_size_mean"):
        target = (TARGETS[name][0], TARGETS[name][1])[place]
        assert values[name] == pytest.approx(target, rel=0.015)
    assert {f"hit_rate_{horizon}s" for horizon in HORIZONS_S} <= set(values)


def test_order_flow_and_imbalance_are_what_their_formulas_say() -> None:
    rows = np.array([row(10, 5, 11, 7), row(10, 8, 11, 4), row(12, 2, 13, 9), row(11, 6, 13, 9)], np.int32)
    assert order_flow(rows).tolist() == [3 + 3, 2 + 4, -2]
    assert imbalance(rows, 1).tolist() == [-2 / 12, 4 / 12, -7 / 11, -3 / 15]
    assert imbalance(rows, 5)[0] == -2 / 20


def test_the_command_measures_the_synthetic_market() -> None:
    arguments = [
        "market-stats",
        "--synthetic",
        "--symbol",
        "ethusdt",
        "--hours",
        "0.1",
        "--seed",
        "3",
        "--json",
    ]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["symbol"] == "ETHUSDT"
    assert told["values"]["depth_updates_per_s"] == pytest.approx(19, rel=0.02)
    assert set(TARGETS) <= set(told["lines"])
    assert "within their tolerance" in result.stderr
    best = told["best_takers"]["15"]
    assert told["values"]["taker_net_bps_15s"] == best["net_bps"] < best["gross_bps"]


def test_too_little_is_refused() -> None:
    seen = synthetic(SyntheticMarket("ETHUSDT", 3, OPENING_NS), 0.04)
    with pytest.raises(BadInput, match="ETHUSDT: 144 s is too short, 165 s are needed"):
        foretell(seen)


@pytest.mark.recorded
def test_the_command_shows_a_recording_beside_synthetic_markets(eth: Path) -> None:
    arguments = ["market-stats", str(eth), "--synthetic", "--hours", "0.06", "--seed", "3", "--seed", "4"]
    result = CliRunner().invoke(app, [*arguments, "--markdown"], catch_exceptions=False)
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        "### ETHUSDT",
        "",
        "| statistic | target | passes | recorded | synthetic, seed 3 | synthetic, seed 4 |",
    ]
    rows = {cells[0]: cells[1:] for cells in (line.strip("| ").split(" | ") for line in lines[4:])}
    assert set(TARGETS) <= set(rows)
    assert rows["change_1s_kurtosis"][:2] == ["8", "4 to 16"]
    assert rows["hit_rate_15s"][:2] == ["", "at most 0.54"]
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout.splitlines()[-1])["markets"]
    assert [each["source"] for each in told] == ["recorded", "synthetic, seed 3", "synthetic, seed 4"]
    for each, cell in zip(told, rows["change_1s_std"][2:], strict=True):
        assert cell.rstrip(" !") == f"{each['values']['change_1s_std']:.4g}"
        assert ("!" not in cell) == each["lines"]["change_1s_std"]["passes"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name a recording, or --synthetic"),
        (["--synthetic", "--symbol", "SOLUSDT"], "there is no synthetic market of SOLUSDT"),
        (["--synthetic", "--markdown", "--json"], "name one"),
    ],
)
def test_what_cannot_be_measured_is_said(arguments: list[str], told: str) -> None:
    with pytest.raises(BadSetting, match=told):
        CliRunner().invoke(app, ["market-stats", *arguments], catch_exceptions=False)
