"""What a run of the live system left: the books, what was predicted of them, and what was traded, from the
recorder's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from lobflow.online_fills import Touch, three
from research.dataset import Dataset, load
from research.labels import Floats
from research.report.earnings import Trips
from research.report.judgement import Trading, traded
from research.scores import Score
from research.served import served
from services.recorder.reader import files, read
from shared import codec
from shared.codec import unpack_tiers
from shared.errors import BadInput
from shared.messages import Decision, Fill, Lob, Message, Prediction
from shared.streams import Stream


class Told:
    """What was predicted live, asked like a model."""

    def __init__(self, predictions: Iterable[Prediction]) -> None:
        self._by_ns = {row.recv_ns: row for row in predictions}

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        """Expected moves, (n,), of the rows of `data`; NaN where nothing was predicted."""
        return np.array([self._move(int(at_ns), horizon_s) for at_ns in data.recv_ns], dtype=np.float64)

    def _move(self, at_ns: int, horizon_s: int) -> float:
        row = self._by_ns.get(at_ns)
        return (
            nan
            if row is None or horizon_s not in row.horizons_s
            else row.moves[row.horizons_s.index(horizon_s)]
        )


@dataclass(frozen=True)
class Ended:
    """How a run ended: trades count from its start, predictions from when everything was ready. `pnl` and
    `results` are the monitor's answers; `venue_net` is the venue's own word, None where it has none."""

    started_ns: int
    from_ns: int
    until_ns: int
    seconds: float
    has_orders: bool
    pnl: dict[str, Any]
    results: dict[str, Any]
    venue_net: str | None
    restarts: int


@dataclass(frozen=True)
class Live:
    """One symbol's part of a run. `versions` counts predictions by model, `unmade` those that could not be
    made by reason."""

    symbol: str
    data: Dataset
    predictions: list[Prediction]
    scores: list[Score]
    pnls: list[Trips]
    simulated: list[Trips]
    remark: str
    fills: int
    refused: Counter[str]
    versions: Counter[str]
    unmade: Counter[str]


def read_run(root: Path, run_id: str, symbol: str, ended: Ended, threshold: float, trading: Trading) -> Live:
    """Everything of one symbol. Raises BadInput where nothing was predicted."""
    from_ns = ended.from_ns
    data = load([root / run_id], symbol)
    data = data.rows(data.recv_ns >= from_ns)
    found = _messages(root, run_id, Stream.PREDICTIONS, symbol)
    predictions = [row for _, row in found if isinstance(row, Prediction) and row.recv_ns >= from_ns]
    made = [row for row in predictions if row.moves]
    if not made or not len(data.recv_ns):
        raise BadInput(
            f"{symbol}: nothing was predicted in the {len(data.recv_ns)} seconds that were recorded"
        )
    decisions = {
        entry_id: row
        for entry_id, row in _messages(root, run_id, Stream.DECISIONS, symbol)
        if isinstance(row, Decision) and row.decided_ns >= ended.started_ns
    }
    executions = _messages(root, run_id, Stream.EXECUTIONS, symbol)
    fills = [row for _, row in executions if isinstance(row, Fill) and row.decision_id in decisions]
    wanted = {decisions[row.decision_id].market_id for row in fills}
    simulated, remark = _simulated(made, data, trading)
    return Live(
        symbol=symbol,
        data=data,
        predictions=made,
        scores=served(data, made, threshold),
        pnls=three(symbol, fills, decisions, _touches(root, run_id, symbol, wanted)) if fills else [],
        simulated=simulated,
        remark=remark,
        fills=len(fills),
        refused=Counter(
            request.refusal for row in decisions.values() for request in row.requests if request.refusal
        ),
        versions=Counter(row.model for row in made),
        unmade=Counter(row.reason for row in predictions if not row.moves),
    )


def _simulated(made: list[Prediction], data: Dataset, trading: Trading) -> tuple[list[Trips], str]:
    """Nothing where the horizon that is traded was not predicted."""
    told = Told(made)
    if not np.isfinite(told.moves(data, trading.period)).any():
        return [], f"{trading.period} s ahead, which is traded, was not predicted."
    last = next(row for row in reversed(made) if trading.period in row.horizons_s)
    own = last.thresholds[last.horizons_s.index(trading.period)]
    return traded(told, data, trading, own if own > 0.0 else None)


def _messages(root: Path, run_id: str, stream: Stream, symbol: str) -> list[tuple[str, Message]]:
    return [(entry_id, codec.decode(data)) for entry_id, data in read(files(root, run_id, stream, symbol))]


def _touches(root: Path, run_id: str, symbol: str, market_ids: set[str]) -> dict[str, Touch]:
    """The last book at or before each of `market_ids`."""
    touches: dict[str, Touch] = {}
    last: Touch | None = None
    for entry_id, data in read(files(root, run_id, Stream.MARKET, symbol)):
        message = codec.decode(data)
        if isinstance(message, Lob):
            bids, asks = unpack_tiers(message.bids), unpack_tiers(message.asks)
            last = Touch(bids[0], asks[0]) if len(bids) and len(asks) else None
        if entry_id in market_ids and last is not None:
            touches[entry_id] = last
    return touches
