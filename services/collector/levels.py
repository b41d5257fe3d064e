"""The levels of a book, compiled: set a size, read off the best tiers.

Each side is a window of ticks around the market, one size per tick with a bitmap of the occupied ones, and a
hash table of the levels beyond. So a level costs one store wherever it is, one far from the market costs no
memory but its own, and the best 20 are read off the bitmap. Where the market leaves its part of the window,
the window is laid anew around it.

Inside, a level is known by its `key`: the price of an ask, minus the price of a bid. The best key of a side
is its lowest; all keys of the table lie above the window. Side 0 is the bids, side 1 the asks.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint64, void

from services.collector.compiled import compiled
from services.collector.state import (
    AHEAD,
    BASE,
    DEEP,
    FAR,
    FIRST_WORD,
    MARKS,
    MARKS_AT,
    NEAR,
    NONE,
    SIDE_SIZE,
    SIDES_AT,
    TIERS,
    TIERS_AT,
    USED,
    WINDOW,
    WORDS,
    Array,
)

I1, I2 = int64[::1], int64[:, ::1]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_ONE, _TWO = np.uint64(1), np.uint64(2)
_PLACES = np.zeros(64, dtype=np.int64)  # of the lowest bit, by the top six bits of its product
for _place in range(64):
    _PLACES[((0x03F79D71B4CB0A89 << _place) & 0xFFFFFFFFFFFFFFFF) >> 58] = _place


@compiled(int64(uint64))
def _lowest(bits: np.uint64) -> int:
    """The place of the lowest bit that is set; `bits` is not zero."""
    return _PLACES[((bits & (~bits + _ONE)) * _BRUIJN) >> np.uint64(58)]  # type: ignore[no-any-return]


@compiled(void(I1, int64, int64, int64))
def _near_set(state: Array, side: int, place: int, lots: int) -> None:
    """Set the size at a place of the window, without a branch: none could be foreseen."""
    marks = np.uint64(MARKS_AT + side * MARKS)
    at = np.uint64(SIDES_AT + side * SIDE_SIZE)
    word = place >> 6
    before = state[at + np.uint64(place)]
    state[at + np.uint64(place)] = lots
    state[at + np.uint64(WINDOW + word)] ^= int64((before == 0) != (lots == 0)) << (place & 63)
    state[marks + np.uint64(NEAR)] += int64(lots != 0) - int64(before != 0)
    state[marks + np.uint64(FIRST_WORD)] = min(state[marks + np.uint64(FIRST_WORD)], word)


@compiled(void(I1, I2, int64, int64, int64))
def far_set(state: Array, far: Array, side: int, key: int, lots: int) -> None:
    """Set the size of a level beyond the window; the table has room for it."""
    marks = MARKS_AT + side * MARKS
    mask = (far.shape[1] >> 1) - 1
    slot = int64((np.uint64(key) * _GOLDEN) >> np.uint64(32)) & mask
    while far[side, 2 * slot] != key and far[side, 2 * slot] != NONE:
        slot = (slot + 1) & mask
    before = far[side, 2 * slot + 1]
    if far[side, 2 * slot] == NONE:
        if lots == 0:
            return
        far[side, 2 * slot] = key
        state[marks + USED] += 1
    far[side, 2 * slot + 1] = lots
    state[marks + FAR] += int64(lots != 0) - int64(before != 0)


@compiled(void(I1, I2, I2))
def far_move(state: Array, old: Array, far: Array) -> None:
    """Set the levels of one table in another, which has room for them."""
    for side in range(2):
        for slot in range(old.shape[1] >> 1):
            if old[side, 2 * slot + 1] != 0:
                far_set(state, far, side, old[side, 2 * slot], old[side, 2 * slot + 1])


@compiled(void(I1, I2, int64, int64))
def _lay(state: Array, far: Array, side: int, best: int) -> None:
    """Lay the window anew so that key `best` is AHEAD ticks inside: all levels out, then the near ones in."""
    marks, at = MARKS_AT + side * MARKS, SIDES_AT + side * SIDE_SIZE
    if state[marks + NEAR] > 0:
        for place in range(WINDOW):
            if state[at + place] != 0:
                far_set(state, far, side, state[marks + BASE] + place, state[at + place])
        state[at : at + SIDE_SIZE] = 0
    base = best - AHEAD
    state[marks + BASE], state[marks + NEAR], state[marks + FIRST_WORD] = base, 0, WORDS
    for slot in range(far.shape[1] >> 1):
        place = far[side, 2 * slot] - base
        if far[side, 2 * slot + 1] != 0 and 0 <= place < WINDOW:
            _near_set(state, side, place, far[side, 2 * slot + 1])
            far[side, 2 * slot + 1] = 0
            state[marks + FAR] -= 1


@compiled(void(I1, I2, int64, I1, uint64, uint64))
def set_levels(state: Array, far: Array, side: int, rows: Array, row: np.uint64, end: np.uint64) -> None:
    """Set the sizes of the levels (price, size) in `rows[row:end]`; deleting an unknown one is no change."""
    marks, at, sign = MARKS_AT + side * MARKS, np.uint64(SIDES_AT + side * SIDE_SIZE), 2 * side - 1
    base, near, first_word = state[marks + BASE], state[marks + NEAR], state[marks + FIRST_WORD]
    while row < end:
        key, lots = sign * rows[row], rows[row + _ONE]
        row += _TWO
        place = key - base
        if 0 <= place < WINDOW:  # as `_near_set`, with the marks at hand
            word = place >> 6
            before = state[at + np.uint64(place)]
            state[at + np.uint64(place)] = lots
            state[at + np.uint64(WINDOW + word)] ^= int64((before == 0) != (lots == 0)) << (place & 63)
            near += int64(lots != 0) - int64(before != 0)
            first_word = min(first_word, word)
        elif place > 0:
            far_set(state, far, side, key, lots)
        elif lots > 0:
            state[marks + NEAR], state[marks + FIRST_WORD] = near, first_word
            _lay(state, far, side, key)
            _near_set(state, side, AHEAD, lots)
            base, near, first_word = state[marks + BASE], state[marks + NEAR], state[marks + FIRST_WORD]
    state[marks + NEAR], state[marks + FIRST_WORD] = near, first_word


@compiled(int64(I1, I2, int64, int64, int64))
def _nearest(state: Array, far: Array, side: int, out: int, end: int) -> int:
    """The best levels of the table into `state[out:end]`, (key, size) each; returns where they end."""
    begin = out
    for slot in range(far.shape[1] >> 1):
        key, lots = far[side, 2 * slot], far[side, 2 * slot + 1]
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


@compiled(int64(I1, I2, int64))
def _first_word(state: Array, far: Array, side: int) -> int:
    """The first word of the bitmap that is not empty; lays the window anew where the best lies deep in it or
    beyond. WORDS where the side is empty."""
    marks, at = MARKS_AT + side * MARKS, SIDES_AT + side * SIDE_SIZE + WINDOW
    if state[marks + NEAR] + state[marks + FAR] == 0:
        return WORDS
    if state[marks + NEAR] == 0:
        out = TIERS_AT + side * 2 * TIERS
        _nearest(state, far, side, out, out + 2)
        _lay(state, far, side, state[out])
    word = state[marks + FIRST_WORD]
    while state[np.uint64(at + word)] == 0:
        word += 1
    if word > DEEP and state[marks + FAR] > 0:
        _lay(state, far, side, state[marks + BASE] + 64 * word)
        word = state[marks + FIRST_WORD]
    state[marks + FIRST_WORD] = word
    return word  # type: ignore[no-any-return]


@compiled(int64(I1, I2, int64))
def write_tiers(state: Array, far: Array, side: int) -> int:
    """Write the best levels of a side into the state, (price, size) each, and return how many."""
    at = np.uint64(SIDES_AT + side * SIDE_SIZE)
    out = np.uint64(TIERS_AT + side * 2 * TIERS)
    begin, end = out, out + np.uint64(2 * TIERS)
    first = _first_word(state, far, side)
    base, sign = state[np.uint64(MARKS_AT + side * MARKS + BASE)], 2 * side - 1
    for word in range(first, WORDS):
        bits = np.uint64(state[at + np.uint64(WINDOW + word)])
        while bits != np.uint64(0):
            place = 64 * word + _lowest(bits)
            bits &= bits - _ONE
            state[out] = sign * (base + place)
            state[out + _ONE] = state[at + np.uint64(place)]
            out += np.uint64(2)
            if out == end:
                return TIERS
    if state[MARKS_AT + side * MARKS + FAR] > 0:
        near_end = int64(out)
        out = np.uint64(_nearest(state, far, side, near_end, int64(end)))  # type: ignore[arg-type]
        for one in range(near_end, int64(out), 2):
            state[one] *= sign
    return int64(out - begin) >> 1  # type: ignore[return-value]
