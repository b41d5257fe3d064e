"""A limit order book as compiled code: what `shared.book.Book` does, on flat arrays.

Each side is a window of `WINDOW` ticks around the market, one size per tick with a bitmap of the occupied
ones, and a hash table of the levels beyond. So a level costs one store wherever it is, one far from the market
costs no memory but its own, and the best 20 are read off the bitmap. Where the market leaves its part of the
window, the window is laid anew around it.

Inside, a level is known by its `key`: the price of an ask, minus the price of a bid. The best key of a side
is its lowest; all keys of the table lie above the window.

numba's cache looks at the age of this file only: everything compiled in is written in this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, TypeVar, cast

import numpy as np
from numba import int64, njit, types, uint64, void
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Level = tuple[int, int]  # (price_ticks, size_lots)
Array = NDArray[np.int64]

TIERS = 20
WINDOW = 16_384  # ticks of each side: 1,638 USDT of BTC, 163 of ETH
AHEAD = WINDOW // 4  # ticks kept free before the best
DEEP = WINDOW // 2  # where the best lies deeper than this, the window is laid anew
WORDS = WINDOW // 64
FAR_START = 4_096  # slots a side of the table at first
NONE = -(2**63)  # the key of a slot that was never used

# Places in the state: per side its marks, then the tiers of both, then per side sizes and bitmap.
BASE = 0  # the key at which the window begins
FIRST_WORD = 1  # no word of the bitmap below it has a bit
NEAR, FAR = 2, 3  # levels in the window, in the table
USED = 4  # slots of the table that hold a key, also of levels that are gone
MARKS = 5
TIERS_AT = 2 * MARKS
SIDES_AT = TIERS_AT + 4 * TIERS
SIDE_SIZE = WINDOW + WORDS
STATE_SIZE = SIDES_AT + 2 * SIDE_SIZE

_GOLDEN = 0x9E3779B97F4A7C15
_BRUIJN = 0x03F79D71B4CB0A89
_PLACES = np.zeros(64, dtype=np.int64)  # of the lowest bit, by the top six bits of its product
for _place in range(64):
    _PLACES[((_BRUIJN << _place) & 0xFFFFFFFFFFFFFFFF) >> 58] = _place

_I1, _I2 = int64[::1], int64[:, ::1]
_TOP = types.UniTuple(int64, 7)  # type: ignore[no-untyped-call]


def _compiled(signature: object) -> Callable[[F], F]:
    """`njit` with types for the checker; the explicit signature compiles, or loads, at import."""
    return cast(Callable[[F], F], njit(signature, cache=True))


@_compiled(int64(uint64))
def _lowest(bits: int) -> int:
    """The place of the lowest bit that is set; `bits` is not zero."""
    low = bits & (~bits + np.uint64(1))
    return _PLACES[int64((low * np.uint64(_BRUIJN)) >> np.uint64(58))]  # type: ignore[no-any-return]


@_compiled(void(_I1, int64, int64, int64))
def _near_set(state: Array, side: int, place: int, lots: int) -> None:
    """Set the size at a place of the window."""
    at = SIDES_AT + side * SIDE_SIZE
    before = state[at + place]
    state[at + place] = lots
    if (before == 0) == (lots == 0):
        return
    word = place >> 6
    state[at + WINDOW + word] ^= 1 << (place & 63)
    if lots == 0:
        state[side * MARKS + NEAR] -= 1
        return
    state[side * MARKS + NEAR] += 1
    if word < state[side * MARKS + FIRST_WORD]:
        state[side * MARKS + FIRST_WORD] = word


@_compiled(void(_I1, _I2, int64, int64, int64))
def _far_set(state: Array, far: Array, side: int, key: int, lots: int) -> None:
    """Set the size of a level beyond the window; the table has room for it."""
    mask = (far.shape[1] >> 1) - 1
    slot = int64((np.uint64(key) * np.uint64(_GOLDEN)) >> np.uint64(32)) & mask
    while far[side, 2 * slot] != key and far[side, 2 * slot] != NONE:
        slot = (slot + 1) & mask
    before = far[side, 2 * slot + 1]
    if far[side, 2 * slot] == NONE:
        if lots == 0:
            return
        far[side, 2 * slot] = key
        state[side * MARKS + USED] += 1
    far[side, 2 * slot + 1] = lots
    state[side * MARKS + FAR] += (lots != 0) - (before != 0)


@_compiled(void(_I1, _I2, int64, int64))
def _lay(state: Array, far: Array, side: int, best: int) -> None:
    """Lay the window anew so that key `best` is AHEAD ticks inside: all levels out, then the near ones in."""
    marks, at = side * MARKS, SIDES_AT + side * SIDE_SIZE
    if state[marks + NEAR] > 0:
        for place in range(WINDOW):
            if state[at + place] != 0:
                _far_set(state, far, side, state[marks + BASE] + place, state[at + place])
        state[at : at + SIDE_SIZE] = 0
    base = best - AHEAD
    state[marks + BASE], state[marks + NEAR], state[marks + FIRST_WORD] = base, 0, WORDS
    levels = far[side]
    for slot in range(far.shape[1] >> 1):
        place = levels[2 * slot] - base
        if levels[2 * slot + 1] != 0 and 0 <= place < WINDOW:
            _near_set(state, side, place, levels[2 * slot + 1])
            levels[2 * slot + 1] = 0
            state[marks + FAR] -= 1


@_compiled(int64(_I1, _I2, int64, int64, int64))
def _nearest(state: Array, far: Array, side: int, out: int, end: int) -> int:
    """The best levels of the table into `state[out:end]` as (key, size), best first; returns where they end."""
    levels, begin = far[side], out
    for slot in range(far.shape[1] >> 1):
        key, lots = levels[2 * slot], levels[2 * slot + 1]
        if lots == 0 or (out == end and key > state[end - 2]):
            continue
        if out < end:
            out += 2
        at = out - 2
        while at > begin and state[at - 2] > key:
            state[at], state[at + 1] = state[at - 2], state[at - 1]
            at -= 2
        state[at], state[at + 1] = key, lots
    return out


@_compiled(void(_I1, _I2, int64, int64, int64))
def _set(state: Array, far: Array, side: int, key: int, lots: int) -> None:
    """Set the size of one level. Deleting an unknown one changes nothing."""
    marks = side * MARKS
    place = key - state[marks + BASE]
    if lots > 0 and (place < 0 or state[marks + NEAR] + state[marks + FAR] == 0):
        _lay(state, far, side, key)
        place = AHEAD
    if 0 <= place < WINDOW:
        _near_set(state, side, place, lots)
    elif place >= WINDOW:
        _far_set(state, far, side, key, lots)


@_compiled(int64(_I1, _I2, int64))
def _first_word(state: Array, far: Array, side: int) -> int:
    """The first word of the bitmap that is not empty; lays the window anew where the best lies deep in it or
    beyond. WORDS where the side is empty."""
    marks, at = side * MARKS, SIDES_AT + side * SIDE_SIZE + WINDOW
    if state[marks + NEAR] + state[marks + FAR] == 0:
        return WORDS
    word = state[marks + FIRST_WORD]
    if state[marks + NEAR] == 0:
        out = TIERS_AT + side * 2 * TIERS
        _nearest(state, far, side, out, out + 2)
        _lay(state, far, side, state[out])
        word = state[marks + FIRST_WORD]
    while state[at + word] == 0:
        word += 1
    if word > DEEP // 64 and state[marks + FAR] > 0:
        _lay(state, far, side, state[marks + BASE] + 64 * word)
        word = state[marks + FIRST_WORD]
    state[marks + FIRST_WORD] = word
    return word  # type: ignore[no-any-return]


@_compiled(int64(_I1, _I2, int64))
def _write_tiers(state: Array, far: Array, side: int) -> int:
    """Write the best levels of a side into the state, (price, size) each, and return how many."""
    marks, at = side * MARKS, SIDES_AT + side * SIDE_SIZE
    sign = 1 if side else -1
    out = TIERS_AT + side * 2 * TIERS
    begin, end = out, out + 2 * TIERS
    for word in range(_first_word(state, far, side), WORDS):
        bits = np.uint64(state[at + WINDOW + word])
        while bits != np.uint64(0) and out < end:
            place = 64 * word + _lowest(bits)
            bits &= bits - np.uint64(1)
            state[out], state[out + 1] = sign * (state[marks + BASE] + place), state[at + place]
            out += 2
        if out == end:
            return TIERS
    if state[marks + FAR] > 0:
        near_end = out
        out = _nearest(state, far, side, out, end)
        for at in range(near_end, out, 2):
            state[at] *= sign
    return (out - begin) >> 1


@_compiled(_TOP(_I1, _I2, _I1, int64, int64, int64))
def _apply(state: Array, far: Array, rows: Array, start: int, n_bids: int, n_asks: int) -> Top:
    """Set levels and write the tiers. Returns whether it was done (0: `far` is too small, and nothing was
    changed), how many tiers there are of bids and of asks, and the best level of each, zeros for none."""
    room = far.shape[1] >> 2  # half of the slots: every level may have to go into the table
    if (
        state[USED] + state[NEAR] + n_bids > room
        or state[MARKS + USED] + state[MARKS + NEAR] + n_asks > room
    ):
        return 0, 0, 0, 0, 0, 0, 0
    at = start
    for _ in range(n_bids):
        _set(state, far, 0, -rows[at], rows[at + 1])
        at += 2
    for _ in range(n_asks):
        _set(state, far, 1, rows[at], rows[at + 1])
        at += 2
    bids, asks = _write_tiers(state, far, 0), _write_tiers(state, far, 1)
    bid, ask = TIERS_AT, TIERS_AT + 2 * TIERS
    bid_ticks = state[bid] if bids > 0 else 0
    bid_lots = state[bid + 1] if bids > 0 else 0
    ask_ticks = state[ask] if asks > 0 else 0
    ask_lots = state[ask + 1] if asks > 0 else 0
    return 1, bids, asks, bid_ticks, bid_lots, ask_ticks, ask_lots


def _table(slots: int) -> Array:
    """Empty slots a side, (key, size) each."""
    table = np.zeros((2, 2 * slots), dtype=np.int64)
    table[:, ::2] = NONE
    return table


Top = tuple[int, int, int, int, int, int, int]
EMPTY: Top = (1, 0, 0, 0, 0, 0, 0)


class Ladder:
    """Both sides of one symbol's book; the surface of `shared.book.Book`, and `top` and packed tiers.

    `top` is (1, tiers of bids, tiers of asks, bid_ticks, bid_lots, ask_ticks, ask_lots): of at most `TIERS`
    tiers, and the best level of each side, zeros where there is none.
    """

    def __init__(self) -> None:
        self.top = EMPTY
        self._state: Array = np.zeros(STATE_SIZE, dtype=np.int64)
        self._far = _table(FAR_START)
        tiers = memoryview(self._state)[TIERS_AT:SIDES_AT]
        self._bids, self._asks = tiers[: 2 * TIERS], tiers[2 * TIERS :]

    def clear(self) -> None:
        """Forget everything."""
        self._state[:] = 0
        self._far = _table(FAR_START)
        self.top = EMPTY

    def load(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Replace the whole book by a snapshot."""
        self.clear()
        self.apply(bids, asks)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set absolute sizes at levels; a size of 0 removes the level."""
        both = [list(bids), list(asks)]
        rows = np.fromiter(chain.from_iterable(chain(*both)), dtype=np.int64)
        self.apply_rows(rows, 0, len(both[0]), len(both[1]))

    def apply_rows(self, rows: Array, start: int, n_bids: int, n_asks: int) -> None:
        """As `apply`, of flat (price_ticks, size_lots) from `rows[start]` on: first bids, then asks."""
        top = _apply(self._state, self._far, rows, start, n_bids, n_asks)
        if not top[0]:
            self._make_room(n_bids, n_asks)
            top = _apply(self._state, self._far, rows, start, n_bids, n_asks)
        self.top = top

    def _make_room(self, n_bids: int, n_asks: int) -> None:
        """A new table, without the keys of levels that are gone, in which `_apply` finds room."""
        state, old = self._state, self._far
        live = max(
            int(state[NEAR] + state[FAR]) + n_bids, int(state[MARKS + NEAR] + state[MARKS + FAR]) + n_asks
        )
        self._far = _table(max(FAR_START, 1 << (4 * live).bit_length()))
        for side in (0, 1):
            state[side * MARKS + FAR] = state[side * MARKS + USED] = 0
            for key, lots in zip(old[side, ::2].tolist(), old[side, 1::2].tolist(), strict=True):
                if lots:
                    _far_set(state, self._far, side, key, lots)

    @property
    def best_bid(self) -> Level | None:
        """(price_ticks, size_lots) of the best bid, or None where there is none."""
        _, n_bids, _, ticks, lots, _, _ = self.top
        return (ticks, lots) if n_bids else None

    @property
    def best_ask(self) -> Level | None:
        """(price_ticks, size_lots) of the best ask, or None where there is none."""
        _, _, n_asks, _, _, ticks, lots = self.top
        return (ticks, lots) if n_asks else None

    @property
    def is_crossed(self) -> bool:
        """True where the best bid is at or above the best ask."""
        _, n_bids, n_asks, bid, _, ask, _ = self.top
        return n_bids > 0 and n_asks > 0 and bid >= ask

    @property
    def is_two_sided(self) -> bool:
        """True where there are bids and asks."""
        _, n_bids, n_asks, _, _, _, _ = self.top
        return n_bids > 0 and n_asks > 0

    def packed(self) -> tuple[bytes, bytes]:
        """The best `TIERS` bids and asks, each as `codec.pack_tiers` packs them."""
        _, n_bids, n_asks, _, _, _, _ = self.top
        return self._bids[: 2 * n_bids].tobytes(), self._asks[: 2 * n_asks].tobytes()

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
        marks, at = side * MARKS, SIDES_AT + side * SIDE_SIZE
        sizes = self._state[at : at + WINDOW]
        places = np.flatnonzero(sizes)
        near = zip((places + self._state[marks + BASE]).tolist(), sizes[places].tolist(), strict=True)
        keys, lots = self._far[side, ::2], self._far[side, 1::2]
        return [*near, *zip(keys[lots > 0].tolist(), lots[lots > 0].tolist(), strict=True)]
