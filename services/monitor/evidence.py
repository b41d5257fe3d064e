"""The trades that each version would have made, as the trader's threshold strategy makes them: what the gate
rests on. Pure.

A trade opens 100 ms after a prediction whose move at the traded horizon reaches the threshold, closes one
horizon later, and until then no other opens. It earns the change of the mid in its direction, less the half
spread at both ends and two taker fees. A version predicts nothing on what it was fitted on, so all of it is
out of sample. What a gap lies in does not count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from services.monitor.path import Path
from shared.messages import Gate, TradedDay
from shared.units import MS, SECOND

LATENCY_NS = 100 * MS
DAY_NS = 86_400 * SECOND
KEPT_DAYS = 90  # the newest of each version
KEPT_VERSIONS = 100  # those with the newest trades


class Plan(NamedTuple):
    """How it is traded. `threshold` is in quote currency; None takes each version's own."""

    period_s: int
    threshold: float | None
    fee_bps: float


class Opened(NamedTuple):
    """A trade that is not closed yet."""

    asked_ns: int
    side: int


class Evidence:
    """Of one symbol, by version."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.voids = 0  # trades that a gap lay in
        self._days: dict[str, dict[int, TradedDay]] = {}
        self._open: dict[str, deque[Opened]] = {}
        self._free_ns: dict[str, int] = {}  # version -> when its last trade closes
        self._tried: set[str] = set()
        self._told_tried = 0

    @property
    def tried(self) -> int:
        """How many versions were looked at, at least."""
        return max(len(self._tried), self._told_tried)

    def versions(self) -> list[str]:
        """Those that have traded."""
        return sorted(self._days)

    def days(self, version: str) -> tuple[TradedDay, ...]:
        """What a version has earned, by day, oldest first."""
        return tuple(day for _, day in sorted(self._days.get(version, {}).items()))

    def restore(self, gate: Gate) -> None:
        """Go on from what an earlier process has told."""
        self._tried.add(gate.version)
        self._told_tried = max(self._told_tried, gate.tried)
        self._days[gate.version] = {day.day: day for day in gate.days}
        # What it had read may be read again: nothing of it counts twice.
        self._free_ns[gate.version] = max(self._free_ns.get(gate.version, 0), gate.at_ns)
        self._forget()

    def ask(
        self,
        version: str,
        recv_ns: int,
        horizons_s: Sequence[int],
        moves: Sequence[float],
        thresholds: Sequence[float],
    ) -> None:
        """One prediction, in order of receive time for each version."""
        if not version:
            return
        self._tried.add(version)
        if not moves or self.plan.period_s not in horizons_s or recv_ns < self._free_ns.get(version, 0):
            return
        place = horizons_s.index(self.plan.period_s)
        move, least = moves[place], thresholds[place]
        if self.plan.threshold is not None:
            least = self.plan.threshold
        if abs(move) >= least:  # False for NaN on either side
            self._free_ns[version] = self._close_ns(recv_ns)
            self._open.setdefault(version, deque()).append(Opened(recv_ns, 1 if move > 0 else -1))

    def settle(self, path: Path) -> None:
        """Close what is due by the newest prices."""
        for version, opened in list(self._open.items()):  # counting may drop one
            while opened and self._close_ns(opened[0].asked_ns) < path.last_ns:
                trade = opened.popleft()
                net = self._net_bps(trade, path)
                if net is None:
                    self.voids += 1
                else:
                    self._count(version, trade.asked_ns // DAY_NS, net)

    def _close_ns(self, asked_ns: int) -> int:
        return asked_ns + LATENCY_NS + self.plan.period_s * SECOND

    def _net_bps(self, trade: Opened, path: Path) -> float | None:
        close_ns = self._close_ns(trade.asked_ns)
        entry, leave = path.at(trade.asked_ns + LATENCY_NS), path.at(close_ns)
        if entry is None or leave is None or not path.is_whole(trade.asked_ns, close_ns):
            return None
        earned = trade.side * (leave.mid - entry.mid) - (entry.spread + leave.spread) / 2.0
        fees = self.plan.fee_bps * (entry.mid + leave.mid) / entry.mid
        return 1e4 * earned / entry.mid - fees

    def _count(self, version: str, day: int, net_bps: float) -> None:
        days = self._days.setdefault(version, {})
        was = days.get(day, TradedDay(day, 0, 0.0, 0.0))
        days[day] = TradedDay(day, was.trades + 1, was.sum_bps + net_bps, was.squares + net_bps**2)
        while len(days) > KEPT_DAYS:
            del days[min(days)]
        self._forget()

    def _forget(self) -> None:
        while len(self._days) > KEPT_VERSIONS:
            oldest = min(self._days, key=lambda version: max(self._days[version], default=0))
            del self._days[oldest]
            self._open.pop(oldest, None)
            self._free_ns.pop(oldest, None)
