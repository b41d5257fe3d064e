"""The scoreboard of a symbol: every version and every baseline on the same rows of the last hour. Pure.

A row is the first prediction of a second of receive time; what the shadows say of it comes later, under the
same time. Each horizon is settled once the prices beyond it are known: y(t) = mid(t + h) - mid(t), and after
100 ms of latency for the edge. A label that a gap lies in is none. The figures are made when they are asked
for (`standing.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.monitor.evidence import LATENCY_NS
from services.monitor.path import Path
from shared.units import SECOND

ROWS = 3600
KEPT_VERSIONS = 12  # beyond, the one heard of longest ago is dropped
RETURN_NS = 2 * SECOND  # a row before that counts as the last one

Floats = npt.NDArray[np.float64]


class Labels(NamedTuple):
    """Of one horizon, each (ROWS,), NaN where not known."""

    moves: Floats  # quote currency
    delayed: Floats
    majority: Floats  # the sign of most moves known when the row was made


class Board:
    """A ring of rows."""

    def __init__(self, rows: int = ROWS) -> None:
        self.rows = rows
        self.count = 0  # rows ever made
        self.times = np.zeros(rows, dtype=np.int64)
        self.mid, self.spread = np.full(rows, nan), np.full(rows, nan)
        self.imbalance, self.last_return = np.full(rows, nan), np.full(rows, nan)
        self.labels: dict[int, Labels] = {}  # by horizon in seconds
        self.moves: dict[str, dict[int, Floats]] = {}  # version -> horizon -> (ROWS,)
        self._heard: dict[str, int] = {}  # version -> newest row
        self._next: dict[int, int] = {}  # horizon -> first row not settled
        self._signs: dict[int, float] = {}  # horizon -> sum of the signs of its moves
        self._row_at: dict[int, int] = {}  # receive time -> row
        self._books: dict[int, float] = {}  # receive time of a second's first Lob -> its imbalance

    def note_book(self, recv_ns: int, bid_lots: int, ask_lots: int) -> None:
        """One `Lob`'s best sizes. Only a second's first is kept, until its prediction comes."""
        last = next(reversed(self._books), None)
        if (last is not None and last // SECOND == recv_ns // SECOND) or bid_lots + ask_lots <= 0:
            return
        self._books[recv_ns] = (bid_lots - ask_lots) / (bid_lots + ask_lots)
        if len(self._books) > self.rows:
            del self._books[next(iter(self._books))]

    def sample(self, recv_ns: int, path: Path) -> None:
        """Make a row where a second begins; `path` ends with this time's prices."""
        if self.count and self.times[(self.count - 1) % self.rows] // SECOND == recv_ns // SECOND:
            return
        touch = path.at(recv_ns)
        if touch is None:
            return
        at, before = self.count % self.rows, (self.count - 1) % self.rows
        if self.count >= self.rows:
            self._row_at.pop(int(self.times[at]), None)
        follows = self.count > 0 and recv_ns - self.times[before] <= RETURN_NS
        self.last_return[at] = touch.mid - self.mid[before] if follows else 0.0
        self.times[at], self.mid[at], self.spread[at] = recv_ns, touch.mid, touch.spread
        self.imbalance[at] = self._books.get(recv_ns, nan)
        for horizon_s, labels in self.labels.items():
            if not np.isnan(labels.moves[at]):
                self._signs[horizon_s] -= float(np.sign(labels.moves[at]))
            labels.moves[at] = labels.delayed[at] = nan
            labels.majority[at] = np.sign(self._signs[horizon_s])
        for columns in self.moves.values():
            for column in columns.values():
                column[at] = nan
        self._row_at[recv_ns] = self.count
        self.count += 1

    def tell(self, version: str, recv_ns: int, horizons_s: Sequence[int], moves: Sequence[float]) -> None:
        """What a version said of the row at this time; of a time that is no row, nothing is kept."""
        row = self._row_at.get(recv_ns)
        if row is None or not version or not moves:
            return
        columns = self.moves.setdefault(version, {})
        for horizon_s, move in zip(horizons_s, moves, strict=True):
            if horizon_s not in self.labels:
                self._begin(horizon_s)
            columns.setdefault(horizon_s, np.full(self.rows, nan))[row % self.rows] = move
        self._heard[version] = max(self._heard.get(version, 0), row)
        if len(self.moves) > KEPT_VERSIONS:
            silent = min(self._heard, key=self._heard.__getitem__)
            del self.moves[silent], self._heard[silent]

    def settle(self, path: Path) -> None:
        """Label what is due by the newest prices."""
        for horizon_s, labels in self.labels.items():
            row = max(self._next[horizon_s], self.count - self.rows)
            while row < self.count:
                at = row % self.rows
                asked_ns = int(self.times[at])
                if asked_ns + horizon_s * SECOND + LATENCY_NS >= path.last_ns:
                    break
                self._label(labels, at, asked_ns, horizon_s, path)
                row += 1
            self._next[horizon_s] = row

    def is_heard(self, version: str) -> bool:
        """Whether it has said anything of the rows that are kept."""
        return self._heard.get(version, -1) >= self.count - self.rows

    def _begin(self, horizon_s: int) -> None:
        self.labels[horizon_s] = Labels(*(np.full(self.rows, nan) for _ in Labels._fields))
        self._next[horizon_s] = max(0, self.count - 1)
        self._signs[horizon_s] = 0.0

    def _label(self, labels: Labels, at: int, asked_ns: int, horizon_s: int, path: Path) -> None:
        end_ns = asked_ns + horizon_s * SECOND
        after = path.at(end_ns)
        if after is None or not path.is_whole(asked_ns, end_ns):
            return
        labels.moves[at] = after.mid - self.mid[at]
        self._signs[horizon_s] += float(np.sign(labels.moves[at]))
        late, later = path.at(asked_ns + LATENCY_NS), path.at(end_ns + LATENCY_NS)
        if late is not None and later is not None and path.is_whole(asked_ns, end_ns + LATENCY_NS):
            labels.delayed[at] = later.mid - late.mid
