"""Somebody else's data through everything: imported, trained on, and replayed through the whole system."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from import_data import entries
from typer.testing import CliRunner

from lobflow.cli import app
from lobflow.replay import Options, run
from lobflow.report import build
from research.market import market_entries
from services.recorder.reader import files, read
from services.venue import lines
from shared import codec
from shared.messages import Lob
from shared.streams import Stream
from shared.units import E9, MS, SECOND

pytestmark = [pytest.mark.recorded, pytest.mark.redis, pytest.mark.timeout(400)]

TIERS = 20
SPAN_NS = 150 * SECOND


def call(*arguments: str) -> dict[str, Any]:
    """One command, and its line of JSON."""
    answer = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def snapshots(source: Path, target: Path) -> int:
    """The recorded books as a table of time and 20 tiers a side, in binary floats. Returns their number."""
    times, rows = [], []
    for _, _, message in market_entries([source]):
        if not isinstance(message, Lob):
            continue
        if times and message.exchange_ns > times[0] + SPAN_NS:
            break
        bids, asks = codec.unpack_tiers(message.bids), codec.unpack_tiers(message.asks)
        units = message.tick_e9 / E9, message.lot_e9 / E9
        times.append(message.exchange_ns)
        rows.append([value * units[at % 2] for at, value in enumerate(bids + asks)])
    names = [
        f"{side}_{what}_{tier}"
        for side in ("bid", "ask")
        for tier in range(TIERS)
        for what in ("price", "size")
    ]
    columns = {
        name: pa.array(list(values)) for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    stamps = pa.array([at_ns // MS for at_ns in times], pa.timestamp("ms", "UTC"))
    pq.write_table(pa.table({"timestamp": stamps, **columns}), target)
    return len(times)


def trades(source: Path, target: Path) -> None:
    """The recorded single trades as a table."""
    rows: list[dict[str, Any]] = []
    for line in lines.read(source):
        if line.kind == "trade":
            body = msgspec.json.decode(line.data)
            if rows and body["T"] > rows[0]["time"] + SPAN_NS // MS:
                break
            rows.append(
                {"time": body["T"], "trade_id": body["t"], "price": float(body["p"]),
                 "quantity": float(body["q"]), "is_buyer_maker": body["m"]}
            )  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), target)


def test_parquet_of_snapshots_and_trades_trains_and_replays(btc: Path, tmp_path: Path) -> None:
    book, tape, out = tmp_path / "btcusdt_book.parquet", tmp_path / "btcusdt_trades.parquet", tmp_path / "out"
    count = snapshots(btc, book)
    trades(btc, tape)
    (imported,) = call("data", "import", "auto", str(book), str(tape), "-o", str(out))["symbols"]
    assert (imported["entries"]["Lob"], imported["gaps"], imported["parked"]) == (count, 0, 0)
    assert (imported["tick"], imported["lot"]) == ("0.1", "0.001")

    model = tmp_path / "model"
    trained = call("train", "--data", str(out), "-o", str(model), "--to-share", "0.5")
    assert trained["symbol"] == "BTCUSDT"
    assert trained["trained_rows"] > 60

    options = Options(files=(Path(imported["capture"]),), model=model, out=tmp_path / "replay")
    result = asyncio.run(run(options))
    summary = build(options, result).summary
    assert summary["pnl_equal"]
    assert (summary["gaps"], summary["crossed"], summary["parked"], summary["restarts"]) == (0, 0, 0, 0)
    assert summary["predictions_valid"] > 0
    assert summary["market"]["Lob"] == count
    served = list(read(files(options.out / "data", result.run_id, Stream.MARKET, "BTCUSDT")))
    stored = [(entry_id, codec.encode(message)) for entry_id, message in entries(out, "BTCUSDT")]
    assert served[: len(stored)] == stored
