"""The bytes of a diff, compiled: ids, times and levels in ticks and lots, without a Python object per level.

The scanner knows the one shape in which the venue writes: known keys, each once, bids before asks, plain
decimal numbers, no blanks, no escapes. Whatever else comes is not judged here: it is left to msgspec (`wire`
and `facts`), which gives the answer or the reason. So a frame that both accept means the same to both.

It reads without looking at the length: `bytes` end in a zero that no rule here lets pass.
"""

from __future__ import annotations

import numpy as np
from numba import boolean, int64, types, uint64

from services.collector.compiled import compiled
from services.collector.state import (
    ENGINE_MS,
    FIRST,
    LAST,
    LETTERS,
    N_ASKS,
    N_BIDS,
    PREVIOUS,
    PRICE_DIVISOR,
    PRICE_PLACES,
    ROWS_AT,
    ROWS_END,
    SIZE_DIVISOR,
    SIZE_PLACES,
    SYMBOL,
    Array,
)

BYTES = types.Bytes(types.uint8, 1, "C", readonly=True)
_VALUE_AND_END = types.Tuple((int64, uint64))  # type: ignore[no-untyped-call]

MAX_MS = 9_000_000_000_000  # as in `wire`
_ZERO, _ONE, _TWO, _THREE, _FOUR, _NINE = (np.uint64(n) for n in (0, 1, 2, 3, 4, 9))
_DIGIT_0 = np.uint64(ord("0"))
_QUOTE, _COMMA, _COLON, _POINT, _OPEN, _CLOSE, _BRACE, _END, _BACKSLASH = b'",:.[]{}\\'
_DEPTH_UPDATE = b'"depthUpdate"'
_KEY_E, _KEY_S, _KEY_B, _KEY_A, _KEY_FIRST, _KEY_LAST, _KEY_EVENT, _KEY_ENGINE = b"esbaUuET"
_KEY_PS, _KEY_PU, _KEY_ST = (256 * two[0] + two[1] for two in (b"ps", b"pu", b"st"))
# Bits of the keys seen.
_E, _EVENT, _ENGINE, _SYMBOL, _PAIR, _KIND = (1 << n for n in range(6))
_FIRST, _LAST, _PREVIOUS, _BIDS, _ASKS = (1 << n for n in range(6, 11))
_NEEDED = _EVENT | _FIRST | _LAST | _BIDS | _ASKS


@compiled(_VALUE_AND_END(BYTES, uint64))
def _integer(data: bytes, at: np.uint64) -> tuple[int, np.uint64]:
    """A number without sign, point or leading zero of at most 18 digits, and where it ends; 0 for none."""
    start, value = at, _ZERO
    digit = np.uint64(data[at]) - _DIGIT_0
    while digit <= _NINE:
        value = value * np.uint64(10) + digit
        at += _ONE
        digit = np.uint64(data[at]) - _DIGIT_0
    count = at - start
    if count == _ZERO or count > np.uint64(18) or (count > _ONE and data[start] == 48):
        return 0, _ZERO
    return int64(value), at  # type: ignore[return-value]


@compiled(_VALUE_AND_END(BYTES, uint64, int64, int64), "always")
def _decimal(data: bytes, at: np.uint64, places: int, divisor: int) -> tuple[int, np.uint64]:
    """A quoted decimal number in units of `divisor` times 10 to the minus `places`, and where it ends; 0
    where it is none, is off the grid, or has more than nine digits before the point."""
    if data[at] != _QUOTE:
        return 0, _ZERO
    at += _ONE
    start, value = at, _ZERO
    digit = np.uint64(data[at]) - _DIGIT_0
    while digit <= _NINE:
        value = value * np.uint64(10) + digit
        at += _ONE
        digit = np.uint64(data[at]) - _DIGIT_0
    if at == start or at - start > _NINE:
        return 0, _ZERO
    left = places
    if data[at] == _POINT:
        at += _ONE
        digit = np.uint64(data[at]) - _DIGIT_0
        while left > 0 and digit <= _NINE:
            value = value * np.uint64(10) + digit
            left -= 1
            at += _ONE
            digit = np.uint64(data[at]) - _DIGIT_0
        while digit == _ZERO:
            at += _ONE
            digit = np.uint64(data[at]) - _DIGIT_0
    if data[at] != _QUOTE:
        return 0, _ZERO
    while left > 0:
        value *= np.uint64(10)
        left -= 1
    number = int64(value)
    if divisor != 1:
        count = number // divisor
        if count * divisor != number:
            return 0, _ZERO
        number = count
    return number, at + _ONE  # type: ignore[return-value]


@compiled(_VALUE_AND_END(BYTES, uint64, int64[::1], int64))
def _side(data: bytes, at: np.uint64, state: Array, row: int) -> tuple[int, np.uint64]:
    """The levels of one side into `state[row:]`: up to where it is filled then, and where they end, or 0."""
    if data[at] != _OPEN:
        return 0, _ZERO
    at += _ONE
    if data[at] == _CLOSE:
        return row, at + _ONE
    price_places, price_divisor = state[PRICE_PLACES], state[PRICE_DIVISOR]
    size_places, size_divisor = state[SIZE_PLACES], state[SIZE_DIVISOR]
    out = np.uint64(row)
    while out < np.uint64(ROWS_END):
        if data[at] != _OPEN:
            return 0, _ZERO
        price, at = _decimal(data, at + _ONE, price_places, price_divisor)
        if at == _ZERO or data[at] != _COMMA:
            return 0, _ZERO
        size, at = _decimal(data, at + _ONE, size_places, size_divisor)
        if at == _ZERO or data[at] != _CLOSE:
            return 0, _ZERO
        state[out], state[out + _ONE] = price, size
        out += _TWO
        if data[at + _ONE] == _COMMA:
            at += _TWO
        elif data[at + _ONE] == _CLOSE:
            return int64(out), at + _TWO  # type: ignore[return-value]
        else:
            return 0, _ZERO
    return 0, _ZERO


@compiled(uint64(BYTES, uint64))
def _any_text(data: bytes, at: np.uint64) -> np.uint64:
    """Where a quoted text of plain letters ends; 0 for none."""
    if data[at] != _QUOTE:
        return _ZERO
    at += _ONE
    while 32 <= data[at] < 127 and data[at] != _QUOTE and data[at] != _BACKSLASH:
        at += _ONE
    return at + _ONE if data[at] == _QUOTE else _ZERO


@compiled(uint64(BYTES, uint64))
def _event_name(data: bytes, at: np.uint64) -> np.uint64:
    """Where the quoted text `depthUpdate` ends; 0 for another."""
    for letter in _DEPTH_UPDATE:
        if data[at] != letter:
            return _ZERO
        at += _ONE
    return at


@compiled(uint64(BYTES, uint64, int64[::1]))
def _symbol(data: bytes, at: np.uint64, state: Array) -> np.uint64:
    """Where the quoted name of our symbol ends; 0 for another."""
    if data[at] != _QUOTE or state[LETTERS] == 0:
        return _ZERO
    at += _ONE
    for letter in range(SYMBOL, SYMBOL + state[LETTERS]):
        if data[at] != state[letter]:
            return _ZERO
        at += _ONE
    return at + _ONE if data[at] == _QUOTE else _ZERO


@compiled(boolean(BYTES, int64[::1]))
def scan(data: bytes, state: Array) -> bool:
    """Scan one `depthUpdate` into the state: whether it has the shape that is known. Where it has not, what
    the state holds of the frame means nothing."""
    if data[_ZERO] != _BRACE:
        return False
    seen, first, last, previous, event, engine = 0, 0, 0, 0, 0, 0
    asks_at = row = ROWS_AT
    at = _ONE
    while True:
        if data[at] != _QUOTE:
            return False
        name = int64(data[at + _ONE])
        if name == 0 or name == _QUOTE:
            return False
        if data[at + _TWO] == _QUOTE:
            at += _THREE
        else:
            if data[at + _TWO] == 0 or data[at + _THREE] != _QUOTE:
                return False
            name = name * 256 + int64(data[at + _TWO])
            at += _FOUR
        if data[at] != _COLON:
            return False
        at += _ONE
        if name == _KEY_B:
            key = _BIDS
            row, at = _side(data, at, state, row)
            asks_at = row
        elif name == _KEY_A:
            key = _ASKS
            if seen & _BIDS == 0:
                return False
            row, at = _side(data, at, state, row)
        elif name == _KEY_E:
            key = _E
            at = _event_name(data, at)
        elif name == _KEY_S:
            key = _SYMBOL
            at = _symbol(data, at, state)
        elif name == _KEY_PS:
            key = _PAIR
            at = _any_text(data, at)
        else:
            value, at = _integer(data, at)
            if name == _KEY_FIRST:
                key, first = _FIRST, value
            elif name == _KEY_LAST:
                key, last = _LAST, value
            elif name == _KEY_PU:
                key, previous = _PREVIOUS, value
            elif name == _KEY_EVENT:
                key, event = _EVENT, value
            elif name == _KEY_ENGINE:
                key, engine = _ENGINE, value
            elif name == _KEY_ST:
                key = _KIND
            else:
                return False
        if at == _ZERO or seen & key != 0:
            return False
        seen |= key
        if data[at] == _END:
            break
        if data[at] != _COMMA:
            return False
        at += _ONE
    if int64(at) + 1 != len(data) or seen & _NEEDED != _NEEDED:
        return False
    if seen & _PREVIOUS == 0:
        previous = first - 1  # spot sends none: its ids are dense
    if seen & _ENGINE == 0:
        engine = event
    if first > last or previous > last or event > MAX_MS or engine > MAX_MS:
        return False
    state[FIRST], state[LAST], state[PREVIOUS], state[ENGINE_MS] = first, last, previous, engine
    state[N_BIDS], state[N_ASKS] = (asks_at - ROWS_AT) >> 1, (row - asks_at) >> 1
    return True
