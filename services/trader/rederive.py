"""Decisions derived again from the recorded streams, and compared with those that were made.

`by_cursors` works for every run: each decision says how far its inputs had been folded. `in_order` is for
lockstep runs, whose order of folding is canonical: there the streams give the decisions, none less or more.
`rebuild` is the same folding of the ledger alone, at the start of a trader.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from services.trader.core import Config, TraderCore
from shared.messages import Control, Decision, Execution, Flow, Lob, Market, Prediction
from shared.streams import parse_id

T = TypeVar("T")
Rows = Sequence[tuple[str, T]]  # (entry id, message), in the order of the stream


class Recorded(msgspec.Struct, frozen=True):
    """The streams of one symbol and `control`, whole or from a common start."""

    market: Rows[Market]
    predictions: Rows[Prediction | Flow]
    executions: Rows[Execution]
    control: Rows[Control]
    decisions: Rows[Decision]


class _Tape(msgspec.Struct):
    """A stream read up to one id after another."""

    rows: Rows[object]
    place: int = 0

    def until(self, last: str) -> Iterable[tuple[str, object]]:
        """The rows not yet given, up to and with id `last`."""
        bound = parse_id(last)
        while self.place < len(self.rows) and parse_id(self.rows[self.place][0]) <= bound:
            self.place += 1
            yield self.rows[self.place - 1]


def rebuild(
    core: TraderCore, decisions: Rows[Decision], executions: Rows[Execution], control: Rows[Control]
) -> None:
    """Fold the whole ledger into a new core."""
    tape = _Tape(executions)
    for entry_id, decision in decisions:
        for row in tape.until(decision.execution_id):
            core.take_execution(*row)  # type: ignore[arg-type]
        core.take_decision(entry_id, decision)
    for execution_id, execution in executions[tape.place :]:
        core.take_execution(execution_id, execution)
    for control_id, order in control:
        core.take_control(control_id, order)


def by_cursors(config: Config, recorded: Recorded) -> list[str]:
    """Derive each recorded decision from what its cursors name. Returns one line per difference."""
    core = TraderCore(config)
    market, predictions = _Tape(recorded.market), _Tape(recorded.predictions)
    executions, control = _Tape(recorded.executions), _Tape(recorded.control)
    differences = []
    for entry_id, decision in recorded.decisions:
        for row in market.until(decision.market_id):
            core.take_market(*row)  # type: ignore[arg-type]
        for row in predictions.until(decision.prediction_id):
            core.take_prediction(*row)  # type: ignore[arg-type]
        for row in executions.until(decision.execution_id):
            core.take_execution(*row)  # type: ignore[arg-type]
        for row in control.until(decision.control_id):
            core.take_control(*row)  # type: ignore[arg-type]
        stream, _, cause = decision.cause.partition("/")
        derived = core.evaluate(stream, cause)
        if derived is None:
            differences.append(f"{entry_id}: decided {decision}, derived nothing")
        elif (derived.entry_id, derived.decision) != (entry_id, decision):
            differences.append(
                f"{entry_id}: decided {decision}, derived {derived.entry_id} {derived.decision}"
            )
        core.take_decision(entry_id, decision)  # as it was, so that one difference does not make more
    return differences


def in_order(config: Config, recorded: Recorded) -> list[str]:
    """Derive all decisions of a lockstep run in its canonical order. Returns one line per difference.

    An execution is folded before the market entry that follows the one it is stamped with, and after that
    one's prediction. Control comes from people, at no canonical place: a run with control entries raises
    ValueError (`by_cursors` can do it).
    """
    if recorded.control:
        raise ValueError("a run with control entries has no canonical order; use by_cursors")
    core = TraderCore(config)
    derived: list[tuple[str, Decision]] = []
    executions = 0
    predictions = {row[0] for row in recorded.predictions if isinstance(row[1], Prediction)}
    foretold = _Tape(recorded.predictions)  # flows come with the prediction behind them

    def fold_executions(as_of: str) -> None:
        nonlocal executions
        while executions < len(recorded.executions) and recorded.executions[executions][1].as_of == as_of:
            entry_id, message = recorded.executions[executions]
            executions += 1
            derived.extend((made.entry_id, made.decision) for made in core.fold_execution(entry_id, message))

    for entry_id, message in recorded.market:
        fold_executions(core.market_id)
        decided = core.fold_market(entry_id, message)
        if isinstance(message, Lob) and entry_id in predictions:
            for row in foretold.until(entry_id):
                decided += core.fold_prediction(*row)  # type: ignore[arg-type]
        derived.extend((made.entry_id, made.decision) for made in decided)
    fold_executions(core.market_id)
    made = [row for row in recorded.decisions if not row[1].cause.startswith("shutdown/")]
    differences = [
        f"{was[0]}: decided {was[1]}, derived {now[0]} {now[1]}"
        for was, now in zip(made, derived, strict=False)
        if was != now
    ]
    if len(made) != len(derived):
        differences.append(f"{len(made)} decisions were made, {len(derived)} derived")
    return differences
