"""Rows wait for their labels: `research.labels` over the part of the track that open rows still need."""

from __future__ import annotations

import numpy as np

from research.labels import Floats, Ints, Track, labels
from research.rows.layout import Labels, Plan, Rows, no_rows
from shared.units import MS, SECOND


class Labelling:
    """Rows of one symbol in order, given back with labels for every horizon of the plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._reach_ns = max(plan.horizons_s) * SECOND + plan.latency_ns
        self._waiting = no_rows(len(plan.names))
        self._recv_ns: Ints = np.empty(0, np.int64)  # valid books since the first row that waits
        self._mid: Floats = np.empty(0)
        self._breaks_ns: Ints = np.empty(0, np.int64)  # breaks since then
        self._passed = 0  # breaks before those

    def add(
        self, rows: Rows, recv_ns: Ints, mid: Floats, breaks_ns: Ints, known_ns: int
    ) -> tuple[Rows, Labels]:
        """New rows, the valid books and the breaks of the same time; everything before `known_ns` has been
        seen. Returns the rows whose labels no later entry can change."""
        self._take(rows, recv_ns, mid, breaks_ns)
        done = int(np.searchsorted(self._waiting.recv_ns + self._reach_ns, known_ns, "left"))
        return self._give(done, known_ns)

    def end(self, rows: Rows, until_ns: int) -> tuple[Rows, Labels]:
        """The last rows, and all that wait: nothing is known beyond `until_ns`."""
        self._take(rows, np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
        return self._give(len(self._waiting.recv_ns), until_ns)

    def _take(self, rows: Rows, recv_ns: Ints, mid: Floats, breaks_ns: Ints) -> None:
        self._waiting = self._waiting.join(rows)
        self._recv_ns = np.concatenate([self._recv_ns, recv_ns])
        self._mid = np.concatenate([self._mid, mid])
        self._breaks_ns = np.concatenate([self._breaks_ns, breaks_ns])

    def _give(self, done: int, end_ns: int) -> tuple[Rows, Labels]:
        given, self._waiting = self._waiting.part(slice(0, done)), self._waiting.part(slice(done, None))
        found = Labels({}, {}, {})
        track = Track(self._recv_ns, self._mid, self._breaks_ns, end_ns)
        before = given.breaks_before - self._passed
        for h in self._plan.horizons_s:
            found.y[h], found.known[h] = labels(track, given.recv_ns, before, h * SECOND)
            late, is_known = labels(track, given.recv_ns, before, h * SECOND, self._plan.latency_ns)
            found.late[h] = np.where(is_known, late, np.nan)
        # A row to come is of a book within a step before a point that has not been reached.
        open_ns = end_ns - 2 * self._plan.sample_ms * MS
        if len(self._waiting.recv_ns):
            open_ns = min(open_ns, int(self._waiting.recv_ns[0]))
        kept = max(int(np.searchsorted(self._recv_ns, open_ns, "left")) - 1, 0)
        self._recv_ns, self._mid = self._recv_ns[kept:], self._mid[kept:]
        gone = int(np.searchsorted(self._breaks_ns, open_ns, "left"))
        self._breaks_ns, self._passed = self._breaks_ns[gone:], self._passed + gone
        return given, found
