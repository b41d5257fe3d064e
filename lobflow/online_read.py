"""What a run of the live system left: the books, what was predicted of them, and what was traded, from the
recorder's files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lobflow.online_fills import Touch, three
from research.dataset import Dataset, load
from research.report.earnings import Trips
from research.scores import Score
from research.served import served
from services.recorder.reader import files, read
from shared import codec
from shared.codec import unpack_tiers
from shared.errors import BadInput
from shared.messages import Decision, Fill, Lob, Message, Prediction
from shared.streams import Stream


@dataclass(frozen=True)
class Live:
    """One symbol's part of a run. `versions` counts predictions by model, `unmade` those that could not be
    made by reason."""

    symbol: str
    data: Dataset
    predictions: list[Prediction]
    scores: list[Score]
    pnls: list[Trips]
    fills: int
    refused: Counter[str]
    versions: Counter[str]
    unmade: Counter[str]


def read_run(root: Path, run_id: str, symbol: str, from_ns: int, threshold: float) -> Live:
    """Everything received since `from_ns`. Raises BadInput where nothing was predicted."""
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
        if isinstance(row, Decision) and row.decided_ns >= from_ns
    }
    executions = _messages(root, run_id, Stream.EXECUTIONS, symbol)
    fills = [row for _, row in executions if isinstance(row, Fill) and row.decision_id in decisions]
    wanted = {decisions[row.decision_id].market_id for row in fills}
    return Live(
        symbol=symbol,
        data=data,
        predictions=made,
        scores=served(data, made, threshold),
        pnls=three(symbol, fills, decisions, _touches(root, run_id, symbol, wanted)) if fills else [],
        fills=len(fills),
        refused=Counter(
            request.refusal for row in decisions.values() for request in row.requests if request.refusal
        ),
        versions=Counter(row.model for row in made),
        unmade=Counter(row.reason for row in predictions if not row.moves),
    )


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
