"""The feature benchmark counts what is there, does the real work, and so does the package beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.feature_tape import QUIET, Tape, hft_events, load
from bench.features import PEERS, vectors
from research.hft_events import BUY, DEPTH, LOCAL, SNAPSHOT, TRADE
from research.market import market_entries
from services.features import kernel
from services.features.batch import compute
from services.features.schema import WIDTH
from services.venue.lines import read
from shared.errors import BadInput

pytestmark = pytest.mark.recorded


@pytest.fixture(scope="module")
def tape(btc: Path) -> Tape:
    return load([btc], None, lambda what, share: None)


def test_its_vectors_are_those_of_the_service(tape: Tape, btc: Path) -> None:
    batch = compute((entry_id, message) for _, entry_id, message in market_entries([btc]))
    values = np.zeros((tape.vectors, WIDTH))
    _, book = vectors(tape, values)
    assert len(values) == tape.vectors == len(batch.ids)
    assert values.tobytes() == batch.values.tobytes()
    assert (book.best_bid[0], book.best_ask[0]) == (batch.bid_ticks[-1], batch.ask_ticks[-1])


def test_every_level_of_every_diff_is_counted_once(tape: Tape, btc: Path) -> None:
    began_ns = tape.events[0, 1]
    counted = 0
    for line in read(btc):
        if line.kind == "depth" and line.recv_ns > began_ns:
            diff = json.loads(line.data)
            counted += len(diff["b"]) + len(diff["a"])
    trades = int((tape.events[:, 0] == kernel.TRADE).sum())
    assert len(tape.levels) // 2 == counted
    assert tape.updates == counted + trades
    assert QUIET not in tape.events[:, 0]


def test_the_other_side_gets_the_same_events(tape: Tape) -> None:
    events = hft_events(tape)
    local = events[(events["ev"] & LOCAL) != 0]
    kinds = local["ev"] & 0xFF
    assert (kinds == DEPTH).sum() == len(tape.levels) // 2
    assert (kinds == TRADE).sum() == (tape.events[:, 0] == kernel.TRADE).sum()
    assert (kinds == SNAPSHOT).sum() == len(tape.bids) + len(tape.asks)
    assert (np.diff(local["local_ts"]) >= 0).all()
    sides: dict[bool, dict[int, float]] = {True: {}, False: {}}
    for row in local[kinds != TRADE]:
        side, tick = sides[bool(row["ev"] & BUY)], round(row["px"] * 10)
        if row["qty"]:
            side[tick] = row["qty"]
        else:
            side.pop(tick, None)
    _, book = vectors(tape, np.zeros((tape.vectors, WIDTH)))
    assert (max(sides[True]), min(sides[False])) == (book.best_bid[0], book.best_ask[0])


def test_a_recording_of_another_symbol_is_named(btc: Path) -> None:
    with pytest.raises(BadInput, match="BTCUSDT, not ETHUSDT"):
        load([btc], "ETHUSDT", lambda what, share: None)


def test_the_command_measures_both(btc: Path) -> None:
    if not Path(os.environ.get("LOBFLOW_PEERS_PYTHON", PEERS)).exists():
        pytest.skip("no hftbacktest: `make peers`, or set LOBFLOW_PEERS_PYTHON")
    command = [sys.executable, "-m", "lobflow.cli", "bench", "features", str(btc), "--rounds", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["same_touch_at_the_end"]
    assert figures["level_updates"] > 400_000
    assert figures["ratio"] == pytest.approx(
        figures["updates_per_second"] / figures["hftbacktest_updates_per_second"], rel=0.5
    )
    assert figures["ratio_least"] > 1.0  # a bound that noise does not reach; the figure is in the docs
