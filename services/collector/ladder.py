"""One symbol's book as compiled code keeps it, and the step from a diff's bytes to the best tiers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import numpy as np
from numba import int64, types

from services.collector.compiled import compiled
from services.collector.levels import I1, I2, far_move, set_levels, write_tiers
from services.collector.scanner import BYTES, scan
from services.collector.state import (
    BASE,
    ENGINE_MS,
    FAR,
    FAR_START,
    FIRST,
    LAST,
    MARKS,
    MARKS_AT,
    N_ASKS,
    N_BIDS,
    NEAR,
    PREVIOUS,
    ROWS_AT,
    SIDE_SIZE,
    SIDES_AT,
    TIERS,
    TIERS_AT,
    USED,
    WINDOW,
    Array,
    clear,
    new_state,
    new_table,
)
from shared.units import E9, Scale

Level = tuple[int, int]  # (price_ticks, size_lots)
Result = tuple[int, int, int, int, int]

# What `_take` did: the frame has an unknown shape, was only scanned (its `pu` is not the id expected, or
# there is no room in the table of far levels), or was applied, and crossed the book or not.
UNKNOWN, SCANNED, APPLIED, CROSSED = 0, 1, 2, 3
ONE = Scale(E9, E9)
NO_ID = -2  # no `pu` equals it (spot's `U - 1` may be -1)
_RESULT = types.UniTuple(int64, 5)  # type: ignore[no-untyped-call]
_COUNTS = types.UniTuple(int64, 2)  # type: ignore[no-untyped-call]


@compiled(_COUNTS(I1, I2, I1, int64, int64, int64))
def apply_rows(state: Array, far: Array, rows: Array, at: int, n_bids: int, n_asks: int) -> tuple[int, int]:
    """Set the levels in `rows[at:]`, write the tiers, and return how many there are of bids and of asks;
    (-1, -1), with nothing changed, where the table of far levels is too small."""
    room = far.shape[1] >> 2  # half of the slots; every level may have to go there
    bids, asks = MARKS_AT, MARKS_AT + MARKS
    if (
        state[bids + USED] + state[bids + NEAR] + n_bids > room
        or state[asks + USED] + state[asks + NEAR] + n_asks > room
    ):
        return -1, -1
    row, asks_row = np.uint64(at), np.uint64(at + 2 * n_bids)
    set_levels(state, far, 0, rows, row, asks_row)
    set_levels(state, far, 1, rows, asks_row, asks_row + np.uint64(2 * n_asks))
    return write_tiers(state, far, 0), write_tiers(state, far, 1)


@compiled(_RESULT(BYTES, I1, I2, int64))
def _take(data: bytes, state: Array, far: Array, expected: int) -> Result:
    """Scan a diff, and apply it where its `pu` is `expected`. Returns what was done, its `u`, its time in ms,
    and how many tiers of bids and of asks there are then."""
    if not scan(data, state):
        return UNKNOWN, 0, 0, 0, 0
    last, ms = state[LAST], state[ENGINE_MS]
    if state[PREVIOUS] != expected:
        return SCANNED, last, ms, 0, 0
    bids, asks = apply_rows(state, far, state, ROWS_AT, state[N_BIDS], state[N_ASKS])
    if bids < 0:
        return SCANNED, last, ms, 0, 0
    is_crossed = bids > 0 and asks > 0 and state[TIERS_AT] >= state[TIERS_AT + 2 * TIERS]
    return (CROSSED if is_crossed else APPLIED), last, ms, bids, asks


class Ladder:
    """Both sides of one symbol's book; the surface of `shared.book.Book`, and what frames need."""

    def __init__(self, symbol: str = "", scale: Scale = ONE) -> None:
        self.n_bids = self.n_asks = 0  # tiers, at most `TIERS`
        self.is_crossed = False  # the best bid is at or above the best ask
        self._symbol, self._scale = symbol, scale
        self._state = new_state(symbol, scale)
        self._far = new_table(FAR_START)
        tiers = memoryview(self._state.data)[TIERS_AT:SIDES_AT]
        self._bids, self._asks = tiers[: 2 * TIERS], tiers[2 * TIERS :]

    def fresh(self) -> Ladder:
        """An empty book of the same symbol."""
        return Ladder(self._symbol, self._scale)

    def take(self, data: bytes, expected: int) -> tuple[int, int, int]:
        """(what was done, `u`, time in ms) with a diff's bytes: UNKNOWN, SCANNED, or, where its `pu` is
        `expected`, APPLIED. `scanned` gives what was not applied."""
        done, last, ms, n_bids, n_asks = _take(data, self._state, self._far, expected)
        if done >= APPLIED:
            self.n_bids, self.n_asks = n_bids, n_asks
            self.is_crossed = done == CROSSED
            return APPLIED, last, ms
        return done, last, ms

    def scanned(self) -> tuple[int, int, int, int, list[Level], list[Level]]:
        """(U, u, pu, time in ms, bids, asks) of the frame taken last."""
        first, last, previous, ms, n_bids, n_asks = self._state[FIRST : N_ASKS + 1].tolist()
        flat = self._state[ROWS_AT : ROWS_AT + 2 * (n_bids + n_asks)].tolist()
        rows = list(zip(flat[::2], flat[1::2], strict=True))
        return first, last, previous, ms, rows[:n_bids], rows[n_bids:]

    def clear(self) -> None:
        """Forget every level."""
        clear(self._state)
        self._far = new_table(FAR_START)
        self.n_bids = self.n_asks = 0
        self.is_crossed = False

    def load(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Replace the whole book by a snapshot."""
        self.clear()
        self.apply([one for one in bids if one[1]], [one for one in asks if one[1]])

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set absolute sizes at levels; a size of 0 removes the level."""
        both = [list(bids), list(asks)]
        rows = np.fromiter(chain.from_iterable(chain(*both)), dtype=np.int64)
        n_bids, n_asks = len(both[0]), len(both[1])
        counts = apply_rows(self._state, self._far, rows, 0, n_bids, n_asks)
        if counts[0] < 0:
            self.make_room(max(n_bids, n_asks))
            counts = apply_rows(self._state, self._far, rows, 0, n_bids, n_asks)
        self.n_bids, self.n_asks = counts
        self.is_crossed = min(counts) > 0 and self._bids[0] >= self._asks[0]

    def make_room(self, more: int) -> None:
        """A new table of far levels, without the keys of those that are gone, with room for `more`."""
        marks = self._state[MARKS_AT : MARKS_AT + 2 * MARKS].reshape(2, MARKS)
        old, live = self._far, int((marks[:, NEAR] + marks[:, FAR]).max())
        self._far = new_table(max(FAR_START, 1 << (4 * (live + more)).bit_length()))
        marks[:, [FAR, USED]] = 0
        far_move(self._state, old, self._far)

    def arrays(self) -> tuple[Array, Array]:
        """Book and table of far levels, for a compiled loop that calls `apply_rows` itself; until `make_room`
        or `clear` they are these. Afterwards it calls `refresh`."""
        return self._state, self._far

    def refresh(self) -> None:
        """Learn from the arrays what the book is: no levels are applied."""
        self.apply([], [])

    @property
    def best_bid(self) -> Level | None:
        """(price_ticks, size_lots) of the best bid, or None where there is none."""
        return (self._bids[0], self._bids[1]) if self.n_bids else None

    @property
    def best_ask(self) -> Level | None:
        """(price_ticks, size_lots) of the best ask, or None where there is none."""
        return (self._asks[0], self._asks[1]) if self.n_asks else None

    def packed(self) -> tuple[bytes, bytes]:
        """The best `TIERS` bids and asks, each as `codec.pack_tiers` packs them."""
        if self.n_bids == self.n_asks == TIERS:
            return self._bids.tobytes(), self._asks.tobytes()
        return self._bids[: 2 * self.n_bids].tobytes(), self._asks[: 2 * self.n_asks].tobytes()

    def bids(self, depth: int) -> list[int]:
        """[price_ticks, size_lots, ...] of the best `depth` bids, best first."""
        return [number for level in sorted(self.bid_sizes.items(), reverse=True)[:depth] for number in level]

    def asks(self, depth: int) -> list[int]:
        """[price_ticks, size_lots, ...] of the best `depth` asks, best first."""
        return [number for level in sorted(self.ask_sizes.items())[:depth] for number in level]

    @property
    def bid_sizes(self) -> dict[int, int]:
        """Every bid, price_ticks to size_lots."""
        return {-key: lots for key, lots in self._levels(0)}

    @property
    def ask_sizes(self) -> dict[int, int]:
        """Every ask, price_ticks to size_lots."""
        return dict(self._levels(1))

    def _levels(self, side: int) -> list[tuple[int, int]]:
        at = SIDES_AT + side * SIDE_SIZE
        sizes = self._state[at : at + WINDOW]
        places = np.flatnonzero(sizes)
        keys = places + self._state[MARKS_AT + side * MARKS + BASE]
        far_keys, lots = self._far[side, ::2], self._far[side, 1::2]
        near = zip(keys.tolist(), sizes[places].tolist(), strict=True)
        return [*near, *zip(far_keys[lots > 0].tolist(), lots[lots > 0].tolist(), strict=True)]
