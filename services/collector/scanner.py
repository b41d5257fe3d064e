"""The bytes of a diff, compiled: ids, times and levels in ticks and lots, without a Python object per level.

Enters: the JSON of one `depthUpdate`. Leaves: its numbers, and its levels in an array that the next frame
overwrites. The scanner knows the one shape in which the venue writes: keys in any order but each once, plain
decimal numbers, no blanks, no escapes. Whatever else comes is not judged here: it is left to msgspec (`wire`
and `facts`), which gives the answer or the reason. So a frame that both accept means the same to both.

It reads without looking at the length: `bytes` end in a zero that no rule here lets pass.

numba's cache looks at the age of this file only: everything compiled in is written in this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import int64, njit, types
from numpy.typing import NDArray

from services.collector.ladder import Ladder
from shared.units import MS, Scale

F = TypeVar("F", bound=Callable[..., Any])
Levels = list[tuple[int, int]]

MAX_LEVELS = 8192  # of one frame; with more it is left to msgspec
HEAD = 4  # of the scratch: places and divisor of prices, then of sizes; the levels follow
MAX_MS = 9_000_000_000_000  # as in `wire`
EVENT, NOTHING = b"depthUpdate", b""
KEY_E, KEY_S, KEY_B, KEY_A, KEY_FIRST, KEY_LAST, KEY_EVENT, KEY_ENGINE = b"esbaUuET"
KEY_PS, KEY_PU, KEY_ST = (256 * two[0] + two[1] for two in (b"ps", b"pu", b"st"))
_BYTES = types.Bytes(types.uint8, 1, "C", readonly=True)  # type: ignore[no-untyped-call]
_RESULT = types.UniTuple(int64, 7)  # type: ignore[no-untyped-call]
_I1 = int64[::1]
_QUOTE, _COMMA, _COLON, _POINT, _ZERO, _OPEN, _CLOSE, _BRACE, _END = 34, 44, 58, 46, 48, 91, 93, 123, 125
# Bits of the keys seen.
_E, _EVENT, _ENGINE, _SYMBOL, _PAIR, _KIND, _FIRST, _LAST, _PREVIOUS, _BIDS, _ASKS = (1 << n for n in range(11))
_NEEDED = _EVENT | _FIRST | _LAST | _BIDS | _ASKS


def _compiled(signature: object) -> Callable[[F], F]:
    """`njit` with types for the checker; the explicit signature compiles, or loads, at import."""
    return cast(Callable[[F], F], njit(signature, cache=True))


@_compiled(types.UniTuple(int64, 2)(_BYTES, int64))  # type: ignore[no-untyped-call]
def _integer(data: bytes, at: int) -> tuple[int, int]:
    """A number without sign, point or leading zero of at most 18 digits, and where it ends; 0 for none."""
    start, value = at, 0
    digit = int64(data[at]) - _ZERO
    while 0 <= digit <= 9:
        value = 10 * value + digit
        at += 1
        digit = int64(data[at]) - _ZERO
    count = at - start
    if count == 0 or count > 18 or (count > 1 and data[start] == _ZERO):
        return 0, 0
    return value, at


@_compiled(types.UniTuple(int64, 2)(_BYTES, int64, int64, int64))  # type: ignore[no-untyped-call]
def _decimal(data: bytes, at: int, places: int, divisor: int) -> tuple[int, int]:
    """A quoted decimal number in units of `divisor` times 10 to the minus `places`, and where it ends; 0 where
    it is none, is off the grid, or has more than nine digits before the point."""
    if data[at] != _QUOTE:
        return 0, 0
    at += 1
    start, value = at, 0
    digit = int64(data[at]) - _ZERO
    while 0 <= digit <= 9:
        value = 10 * value + digit
        at += 1
        digit = int64(data[at]) - _ZERO
    if at == start or at - start > 9:
        return 0, 0
    left = places
    if data[at] == _POINT:
        at += 1
        digit = int64(data[at]) - _ZERO
        while left > 0 and 0 <= digit <= 9:
            value = 10 * value + digit
            left -= 1
            at += 1
            digit = int64(data[at]) - _ZERO
        while digit == 0:
            at += 1
            digit = int64(data[at]) - _ZERO
    if data[at] != _QUOTE:
        return 0, 0
    for _ in range(left):
        value *= 10
    if divisor != 1:
        count = value // divisor
        if count * divisor != value:
            return 0, 0
        value = count
    return value, at + 1


@_compiled(types.UniTuple(int64, 2)(_BYTES, int64, _I1, int64))  # type: ignore[no-untyped-call]
def _side(data: bytes, at: int, scratch: NDArray[np.int64], out: int) -> tuple[int, int]:
    """The rows of one side into `scratch[out:]`: how far it is filled then, and where they end; 0 for none."""
    if data[at] != _OPEN:
        return 0, 0
    at += 1
    if data[at] == _CLOSE:
        return out, at + 1
    price_places, price_divisor = scratch[0], scratch[1]
    size_places, size_divisor = scratch[2], scratch[3]
    while out < HEAD + 2 * MAX_LEVELS:
        if data[at] != _OPEN:
            return 0, 0
        scratch[out], at = _decimal(data, at + 1, price_places, price_divisor)
        if at == 0 or data[at] != _COMMA:
            return 0, 0
        scratch[out + 1], at = _decimal(data, at + 1, size_places, size_divisor)
        if at == 0 or data[at] != _CLOSE:
            return 0, 0
        out += 2
        if data[at + 1] == _COMMA:
            at += 2
        elif data[at + 1] == _CLOSE:
            return out, at + 2
        else:
            return 0, 0
    return 0, 0


@_compiled(int64(_BYTES, int64, _BYTES))
def _text(data: bytes, at: int, expected: bytes) -> int:
    """Where the quoted text `expected` ends; 0 where it is another. Any text where `expected` is empty."""
    if data[at] != _QUOTE:
        return 0
    at += 1
    if len(expected) == 0:
        while 32 <= data[at] < 127 and data[at] != _QUOTE and data[at] != 92:
            at += 1
    for letter in expected:
        if data[at] != letter:
            return 0
        at += 1
    return at + 1 if data[at] == _QUOTE else 0


@_compiled(_RESULT(_BYTES, _BYTES, _I1))
def _scan(
    data: bytes, symbol: bytes, scratch: NDArray[np.int64]
) -> tuple[int, int, int, int, int, int, int]:
    """(1, U, u, pu, engine or event ms, bids, asks), or zeros where the frame has another shape."""
    nothing = (0, 0, 0, 0, 0, 0, 0)
    seen, first, last, previous, event, engine, n_bids, out = 0, 0, 0, 0, 0, 0, 0, HEAD
    if data[0] != _BRACE:
        return nothing
    at = 1
    while True:
        # A key of one or two letters in quotes and a colon.
        if data[at] != _QUOTE:
            return nothing
        name = int64(data[at + 1])
        if name == _QUOTE:
            return nothing
        if data[at + 2] == _QUOTE:
            at += 3
        else:
            name = name * 256 + int64(data[at + 2])
            if data[at + 2] == 0 or data[at + 3] != _QUOTE:
                return nothing
            at += 4
        if data[at] != _COLON:
            return nothing
        at += 1
        if name == KEY_E:
            key = _E
            at = _text(data, at, EVENT)
        elif name == KEY_S:
            key = _SYMBOL
            at = _text(data, at, symbol)
        elif name == KEY_PS:
            key = _PAIR
            at = _text(data, at, NOTHING)
        elif name == KEY_B:
            key = _BIDS
            out, at = _side(data, at, scratch, out)
            n_bids = (out - HEAD) >> 1
        elif name == KEY_A:
            key = _ASKS
            if not seen & _BIDS:
                return nothing
            out, at = _side(data, at, scratch, out)
        else:
            value, at = _integer(data, at)
            if name == KEY_FIRST:
                key, first = _FIRST, value
            elif name == KEY_LAST:
                key, last = _LAST, value
            elif name == KEY_PU:
                key, previous = _PREVIOUS, value
            elif name == KEY_EVENT:
                key, event = _EVENT, value
            elif name == KEY_ENGINE:
                key, engine = _ENGINE, value
            elif name == KEY_ST:
                key = _KIND
            else:
                return nothing
        if at == 0 or seen & key:
            return nothing
        seen |= key
        if data[at] == _COMMA:
            at += 1
        elif data[at] == _END:
            break
        else:
            return nothing
    if at + 1 != len(data) or seen & _NEEDED != _NEEDED:
        return nothing
    if not seen & _PREVIOUS:
        previous = first - 1
    if not seen & _ENGINE:
        engine = event
    if first > last or previous > last or event > MAX_MS or engine > MAX_MS:
        return nothing
    return 1, first, last, previous, engine, n_bids, ((out - HEAD) >> 1) - n_bids


class Scanned(NamedTuple):
    """As `facts.Diff`, but the levels are numbers in `rows`, valid until the next frame is scanned."""

    first: int
    last: int
    previous: int
    exchange_ns: int
    rows: NDArray[np.int64]
    n_bids: int
    n_asks: int

    def change(self, book: Ladder) -> None:
        """Apply it to a book."""
        book.apply_rows(self.rows, HEAD, self.n_bids, self.n_asks)

    def levels(self) -> tuple[Levels, Levels]:
        """Its bids and asks, to be kept."""
        flat = self.rows[HEAD : HEAD + 2 * (self.n_bids + self.n_asks)].tolist()
        both = list(zip(flat[::2], flat[1::2], strict=True))
        return both[: self.n_bids], both[self.n_bids :]


class Scanner:
    """Scans the diffs of one symbol."""

    def __init__(self, symbol: str, scale: Scale) -> None:
        self._symbol = symbol.encode()
        self._scratch = np.zeros(HEAD + 2 * MAX_LEVELS, dtype=np.int64)
        self._scratch[:HEAD] = *_units(scale.tick_e9), *_units(scale.lot_e9)

    def scan(self, data: bytes) -> Scanned | None:
        """One `depthUpdate`, or None where it is left to msgspec."""
        is_known, first, last, previous, ms, n_bids, n_asks = _scan(data, self._symbol, self._scratch)
        if not is_known:
            return None
        return Scanned(first, last, previous, ms * MS, self._scratch, n_bids, n_asks)


def _units(unit_e9: int) -> tuple[int, int]:
    """A unit as (places, divisor): it is `divisor` times 10 to the minus `places`."""
    places = 9
    while places and unit_e9 % 10 == 0:
        unit_e9 //= 10
        places -= 1
    return places, unit_e9
