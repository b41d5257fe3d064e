"""What a replay came to: counted from the recorded streams, beside the monitor's and the venue's figures."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from lobflow.replay import Options, Result
from research.dataset import load
from research.scores import Score
from research.served import served
from services.recorder.reader import files, read
from shared import codec
from shared.messages import AnyMessage, Decision, Flow, Prediction
from shared.streams import Stream


@dataclass(frozen=True)
class Report:
    """The summary (what `--json` prints), the round trips in order of time, and the hit-rate tables."""

    TRADE_COLUMNS: ClassVar = (
        "time", "symbol", "side", "size", "entry_price", "exit_price", "gross", "fees", "pnl", "win",
    )  # fmt: skip

    summary: dict[str, Any]
    trades: list[dict[str, Any]]
    scores: dict[str, list[Score]]


def build(options: Options, result: Result) -> Report:
    """Read what was recorded, write `report.json` and `trades.csv` into the replay's folder."""
    symbols = tuple(result.instruments)
    data = options.out / "data"
    kinds: dict[str, Counter[str]] = {}
    digests: dict[str, str] = {}
    requests: Counter[str] = Counter()
    valid = 0
    for stream in Stream:
        kinds[stream.label] = Counter()
        digest = hashlib.sha256()
        for symbol in symbols if stream.value.is_per_symbol else ("",):
            for entry_id, entry in read(files(data, result.run_id, stream, symbol)):
                digest.update(f"{symbol} {entry_id} {len(entry)}\n".encode() + entry)
                message = codec.decode(entry)
                kinds[stream.label][type(message).__name__] += 1
                valid += isinstance(message, Prediction) and bool(message.moves)
                if isinstance(message, Decision):
                    requests.update("refused" if row.refusal else "sent" for row in message.requests)
        digests[stream.label] = digest.hexdigest()
    scores = {
        symbol: served(load([data / result.run_id], symbol), _predictions(data, result, symbol))
        for symbol in symbols
    }
    trades = [_flat(trade) for trade in reversed(result.trades)]
    collector = result.health["collector"].counters if "collector" in result.health else {}
    total = result.pnl["total"]
    results = result.stats["results"]
    net, venue_net = Decimal(total["net"] or "0"), Decimal(result.venue["net_pnl"])
    summary: dict[str, Any] = {
        "run_id": result.run_id,
        "symbols": list(symbols),
        "files": [path.name for path in options.files],
        "frames": sum(row.frames for row in result.instruments.values()),
        "market": dict(sorted(kinds["market"].items())),
        "features": kinds["features"]["FeatureVector"],
        "predictions": kinds["predictions"]["Prediction"],
        "flows": kinds["features"]["Flow"],
        "predictions_valid": valid,
        "decisions": kinds["decisions"].total(),
        "requests_sent": requests["sent"],
        "requests_refused": requests["refused"],
        "executions": dict(sorted(kinds["executions"].items())),
        "fills": kinds["executions"]["Fill"],
        "round_trips": results["round_trips"],
        "win_rate": results["win_rate"],
        "gaps": collector.get("gaps", 0),
        "crossed": collector.get("crossed", 0),
        "bbo_checked": collector.get("bbo_checked", 0),
        "bbo_agree": collector.get("bbo_agree", 0),
        "parked": collector.get("parked", 0),
        "gross": _number(total["gross"]),
        "unrealized": _number(total["unrealized"]),
        "fees": _number(total["fees"]),
        "net_pnl": float(net),
        "venue_net_pnl": float(venue_net),
        "pnl_equal": net == venue_net,
        "hit_rates": [{"symbol": symbol, **row.plain()} for symbol, rows in scores.items() for row in rows],
        "digests": digests,
        "restarts": result.restarts,
        "max_rss_mb": round(result.max_rss_bytes / 2**20, 1),
        "rss_mb": {name: round(size / 2**20, 1) for name, size in sorted(result.rss_by_service.items())},
        "seconds": round(result.seconds, 3),
        "out": str(options.out),
    }
    report = Report(summary, trades, scores)
    _write(options.out, report)
    return report


def _predictions(data: Path, result: Result, symbol: str) -> Iterator[Prediction]:
    for _, entry in read(files(data, result.run_id, Stream.PREDICTIONS, symbol)):
        message: AnyMessage = codec.decode(entry)
        if not isinstance(message, Flow):
            assert isinstance(message, Prediction)
            yield message


def _flat(trade: dict[str, Any]) -> dict[str, Any]:
    """A round trip with its times as texts: what the table and the CSV show."""
    return {name: value["iso"] if isinstance(value, dict) else value for name, value in trade.items()}


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _write(folder: Path, report: Report) -> None:
    (folder / "report.json").write_text(json.dumps(report.summary, indent=1, default=str) + "\n")
    names = list(report.trades[0]) if report.trades else list(Report.TRADE_COLUMNS)
    with (folder / "trades.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(report.trades)
