"""Everything that is known of the models of one symbol: their scores, their evidence, their drift. Pure."""

from __future__ import annotations

from typing import NamedTuple

from services.monitor.board import Board
from services.monitor.evidence import Evidence, Plan
from services.monitor.gate import Verdict, judge
from services.monitor.path import Path
from services.monitor.standing import Standing, standings
from shared.messages import Drift, Gate, Prediction, Shadows
from shared.units import SECOND

CONFIDENCE = 0.95
FRESH_NS = 10 * SECOND  # standings are made anew after so much time of the market
STALE_NS = 600 * SECOND  # drift is told once a minute; what is older is of versions no longer followed


class Terms(NamedTuple):
    """How models are judged: what is traded, and how sure the gate must be."""

    plan: Plan = Plan(10, None, 5.0)
    confidence: float = CONFIDENCE


class Models:
    """Of one symbol."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.path = Path()
        self.board = Board()
        self.evidence = Evidence(terms.plan)
        self.champion = ""  # the version of the newest prediction
        self.gates: dict[str, Gate] = {}  # version -> newest entry of control
        self._drift: dict[tuple[str, str], tuple[int, Drift]] = {}
        self._made: tuple[int, str, list[Standing]] = (-1, "", [])

    def predict(self, prediction: Prediction) -> None:
        """One prediction of the version that serves."""
        at_ns, version = prediction.recv_ns, prediction.model
        self.champion = version
        self.path.add(at_ns, prediction.bid_ticks, prediction.ask_ticks, prediction.tick_e9)
        self.board.sample(at_ns, self.path)
        self.board.tell(version, at_ns, prediction.horizons_s, prediction.moves)
        self.evidence.ask(version, at_ns, prediction.horizons_s, prediction.moves, prediction.thresholds)
        self.board.settle(self.path)
        self.evidence.settle(self.path)

    def shadow(self, message: Shadows) -> None:
        """One entry of the shadows, which may come long after its prediction."""
        at_ns = message.recv_ns
        for one in message.shadows:
            self.board.tell(one.model, at_ns, one.horizons_s, one.moves)
            self.evidence.ask(one.model, at_ns, one.horizons_s, one.moves, one.thresholds)
        self.evidence.settle(self.path)
        for drift in message.drift:
            self._drift[drift.model, drift.name] = (at_ns, drift)
        if message.drift:
            self._drift = {key: row for key, row in self._drift.items() if row[0] > at_ns - STALE_NS}

    def tell(self, gate: Gate, is_earlier: bool) -> None:
        """One entry of the gate; `is_earlier` where an earlier process wrote it."""
        self.gates[gate.version] = gate
        if is_earlier:
            self.evidence.restore(gate)

    def verdict(self, version: str) -> Verdict:
        """What the gate would say now."""
        return judge(self.evidence.days(version), self.evidence.tried, self.terms.confidence)

    def standings(self) -> list[Standing]:
        """Of the last hour; made anew every ten seconds of market time."""
        now = self.path.last_ns // FRESH_NS
        if self._made[:2] != (now, self.champion):
            rows = standings(self.board, self.champion, self.terms.plan.fee_bps)
            self._made = (now, self.champion, rows)
        return self._made[2]

    def drift(self) -> list[Drift]:
        """The newest of each version and quantity."""
        return [row for _, (_, row) in sorted(self._drift.items())]
