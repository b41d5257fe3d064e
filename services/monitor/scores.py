"""How often a prediction had the direction right. Pure; it needs the predictions alone.

Each prediction carries the book's best prices at its `Lob`, and there is one for each `Lob`: so they hold
the path of the mid too. What happened after `h` seconds is the mid of the last `Lob` at or before `t + h`. A
label that a gap lies in is void. An unchanged mid is neither hit nor miss and is counted.
"""

from __future__ import annotations

from collections import deque
from math import isnan
from typing import NamedTuple

from shared.messages import Prediction
from shared.units import SECOND

REMEMBERED_GAPS = 1000
REMEMBERED_HORIZONS = 4  # a gap older than so many of the longest horizon touches no label that waits


class Asked(NamedTuple):
    """One prediction that waits for its outcome."""

    recv_ns: int
    twice_mid_ticks: int
    move: float
    is_signal: bool  # at or above the model's own threshold


class Tally:
    """Outcomes of one horizon: over all predictions, and over those at or above the threshold."""

    def __init__(self, horizon_s: int) -> None:
        self.horizon_s = horizon_s
        self.hits = self.misses = self.unchanged = self.no_direction = self.void = 0
        self.signal_hits = self.signal_misses = self.signal_unchanged = 0
        self.waiting: deque[Asked] = deque()

    def count(self, asked: Asked, twice_mid_ticks: int) -> None:
        """Count one outcome."""
        change = twice_mid_ticks - asked.twice_mid_ticks
        if asked.move == 0:
            self.no_direction += 1
            return
        is_hit = change * asked.move > 0
        if change == 0:
            self.unchanged += 1
            self.signal_unchanged += asked.is_signal
        elif is_hit:
            self.hits += 1
            self.signal_hits += asked.is_signal
        else:
            self.misses += 1
            self.signal_misses += asked.is_signal


def share(part: int, other: int) -> float | None:
    """part / (part + other), None where both are 0."""
    return part / (part + other) if part + other else None


class Scores:
    """The tallies of one symbol."""

    def __init__(self) -> None:
        self.tallies: dict[int, Tally] = {}  # by horizon in seconds
        self.predictions = 0
        self.unmade: dict[str, int] = {}  # predictions that could not be made, by reason
        self._twice_mid_ticks: int | None = None  # of the last Lob
        self._gaps: deque[int] = deque(maxlen=REMEMBERED_GAPS)

    def note_gap(self, recv_ns: int) -> None:
        """The feed was broken at this time."""
        self._gaps.append(recv_ns)

    def handle(self, prediction: Prediction) -> None:
        """Settle what is due before this prediction, then ask its own questions."""
        longest_ns = max(self.tallies, default=0) * SECOND
        while self._gaps and self._gaps[0] < prediction.recv_ns - REMEMBERED_HORIZONS * longest_ns:
            self._gaps.popleft()
        if self._twice_mid_ticks is not None:
            for tally in self.tallies.values():
                self._settle(tally, prediction.recv_ns, self._twice_mid_ticks)
        self.predictions += 1
        if prediction.bid_ticks > 0 and prediction.ask_ticks > 0:
            self._twice_mid_ticks = prediction.bid_ticks + prediction.ask_ticks
        if prediction.reason or self._twice_mid_ticks is None:
            reason = prediction.reason or "no price"
            self.unmade[reason] = self.unmade.get(reason, 0) + 1
            return
        for horizon_s, move, threshold in zip(
            prediction.horizons_s, prediction.moves, prediction.thresholds, strict=True
        ):
            if not isnan(move):
                tally = self.tallies.setdefault(horizon_s, Tally(horizon_s))
                is_signal = abs(move) >= threshold
                tally.waiting.append(Asked(prediction.recv_ns, self._twice_mid_ticks, move, is_signal))

    def _settle(self, tally: Tally, now_ns: int, twice_mid_ticks: int) -> None:
        horizon_ns = tally.horizon_s * SECOND
        while tally.waiting and tally.waiting[0].recv_ns + horizon_ns < now_ns:
            asked = tally.waiting.popleft()
            if any(asked.recv_ns <= gap_ns <= asked.recv_ns + horizon_ns for gap_ns in self._gaps):
                tally.void += 1
            else:
                tally.count(asked, twice_mid_ticks)
