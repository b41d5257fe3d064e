"""Books to rows, chunk by chunk: the last valid book at or before each point of the grid.

The same rows, bit for bit, as `research.dataset.dataset` makes of all books at once; what is held between two
chunks is one book and what the next row needs to know of the row before it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.dataset import Books
from research.labels import Floats, Ints
from research.rows.layout import Rows, no_rows
from services.features import schema
from shared.units import MS


class Quoted(NamedTuple):
    """The valid books of a chunk, all (n,)."""

    recv_ns: Ints
    mid: Floats
    half_ticks: Ints
    imbalance: Floats
    spread_ticks: Ints
    breaks_before: Ints


class Grid:
    """One symbol's books, in order. `names` are the features that rows hold."""

    def __init__(self, names: tuple[str, ...], sample_ms: int, from_ns: int) -> None:
        self._columns = list(schema.indices(names))
        self._ends = list(schema.indices(("imbalance_1", "imbalance_5")))
        self._step_ns = sample_ms * MS
        self._next_ns = -(-from_ns // self._step_ns) * self._step_ns  # the first point without its row
        self._held: Books | None = None  # the last valid book, None before the first
        self._last: tuple[int, int, float] | None = None  # point, breaks before, mid of the last row

    def add(self, books: Books, known_ns: int) -> tuple[Quoted, Rows]:
        """The next books: every vector kept. Everything before `known_ns` has been seen, not all at it.

        Returns the valid ones among them, and the rows of points before `known_ns`.
        """
        valid = (books.bid_ticks > 0) & (books.ask_ticks > books.bid_ticks)
        fresh = Books._make(column[valid] for column in books)
        price = fresh.tick_e9 / 1e9
        quoted = Quoted(
            fresh.recv_ns,
            (fresh.bid_ticks + fresh.ask_ticks) * price / 2.0,
            fresh.bid_ticks + fresh.ask_ticks,
            fresh.imbalance_1,
            fresh.ask_ticks - fresh.bid_ticks,
            fresh.breaks_before,
        )
        if self._held is not None:
            fresh = Books._make(np.concatenate(pair) for pair in zip(self._held, fresh, strict=True))
        rows = self._rows(fresh, known_ns - 1)
        if len(fresh.recv_ns):
            self._held = Books._make(column[-1:] for column in fresh)
        return quoted, rows

    def end(self, until_ns: int) -> Rows:
        """The rows up to the last entry, after which nothing is known."""
        return no_rows(len(self._columns)) if self._held is None else self._rows(self._held, until_ns)

    def _rows(self, books: Books, through_ns: int) -> Rows:
        points = np.arange(
            self._next_ns, through_ns // self._step_ns * self._step_ns + 1, self._step_ns, dtype=np.int64
        )
        if len(points):
            self._next_ns = int(points[-1]) + self._step_ns
        if len(points) == 0 or len(books.recv_ns) == 0:
            return no_rows(len(self._columns))
        at = np.searchsorted(books.recv_ns, points, "right") - 1
        is_fresh = (at >= 0) & (books.recv_ns[np.maximum(at, 0)] > points - self._step_ns)
        points = points[is_fresh]
        chosen = Books._make(column[at[is_fresh]] for column in books)
        if len(points) == 0:
            return no_rows(len(self._columns))
        price = chosen.tick_e9 / 1e9
        mid = (chosen.bid_ticks + chosen.ask_ticks) * price / 2.0
        return Rows(
            recv_ns=chosen.recv_ns,
            clean_ns=chosen.clean_ns,
            breaks_before=chosen.breaks_before,
            mid=mid,
            spread=(chosen.ask_ticks - chosen.bid_ticks) * price,
            spread_ticks=chosen.ask_ticks - chosen.bid_ticks,
            imbalance_1=chosen.values[:, self._ends[0]],
            imbalance_5=chosen.values[:, self._ends[1]],
            last_return=self._returns(points, chosen.breaks_before, mid),
            values=chosen.values[:, self._columns],
        )

    def _returns(self, points: Ints, breaks_before: Ints, mid: Floats) -> Floats:
        """Change of the mid since the row before, 0 where they do not follow."""
        point, breaks, before = self._last or (int(points[0]) - 2 * self._step_ns, -1, 0.0)
        follows = np.diff(points, prepend=point) == self._step_ns
        follows &= np.diff(breaks_before, prepend=breaks) == 0
        self._last = (int(points[-1]), int(breaks_before[-1]), float(mid[-1]))
        return np.where(follows, np.diff(mid, prepend=before), 0.0)
