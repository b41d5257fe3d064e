"""Where everything of one symbol's compiled book lies in one array of int64.

In this order: what the scanner is told, what it found, the marks of both sides, their best tiers, then per
side a window of sizes with its bitmap, then the rows of the frame scanned last. One array, because to hand
over an array costs as much as to scan a tenth of a frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.units import Scale

Array = NDArray[np.int64]

TIERS = 20
WINDOW = 16_384  # ticks of each side: 1,638 USDT of BTC, 163 of ETH
AHEAD = WINDOW // 4  # ticks kept free before the best
WORDS = WINDOW // 64
DEEP = WORDS // 2  # where the best lies in a later word, the window is laid anew
MAX_LEVELS = 8_192  # of one frame; one with more is left to msgspec
FAR_START = 4_096  # slots a side of the table of far levels at first
NONE = -(2**63)  # the key of a slot that was never used

# What the scanner is told: the units of prices and sizes (see `_unit`), and the symbol.
PRICE_PLACES, PRICE_DIVISOR, SIZE_PLACES, SIZE_DIVISOR, LETTERS, SYMBOL = range(6)
MAX_LETTERS = 58
# What it found.
FIRST, LAST, PREVIOUS, ENGINE_MS, N_BIDS, N_ASKS = range(SYMBOL + MAX_LETTERS, SYMBOL + MAX_LETTERS + 6)

# The marks of a side, from MARKS_AT + side * MARKS on.
BASE = 0  # the key at which the window begins
FIRST_WORD = 1  # no word of the bitmap below it has a bit
NEAR, FAR = 2, 3  # levels in the window, in the table
USED = 4  # slots of the table that hold a key, also of levels that are gone
MARKS = 5
MARKS_AT = N_ASKS + 1

TIERS_AT = MARKS_AT + 2 * MARKS
SIDES_AT = TIERS_AT + 4 * TIERS
SIDE_SIZE = WINDOW + WORDS
ROWS_AT = SIDES_AT + 2 * SIDE_SIZE
ROWS_END = ROWS_AT + 2 * MAX_LEVELS


def new_state(symbol: str, scale: Scale) -> Array:
    """An empty book of `symbol`. A name too long for the scanner is left empty: it then knows no frame."""
    state = np.zeros(ROWS_END, dtype=np.int64)
    state[PRICE_PLACES], state[PRICE_DIVISOR] = _unit(scale.tick_e9)
    state[SIZE_PLACES], state[SIZE_DIVISOR] = _unit(scale.lot_e9)
    letters = symbol.encode()
    if len(letters) <= MAX_LETTERS:
        state[LETTERS] = len(letters)
        state[SYMBOL : SYMBOL + len(letters)] = list(letters)
    return state


def clear(state: Array) -> None:
    """Empty the book; what the scanner is told, and what it found last, stays."""
    state[MARKS_AT:ROWS_AT] = 0


def new_table(slots: int) -> Array:
    """The levels beyond the windows, none yet: per side `slots` pairs of key and size."""
    table = np.zeros((2, 2 * slots), dtype=np.int64)
    table[:, ::2] = NONE
    return table


def _unit(unit_e9: int) -> tuple[int, int]:
    """A tick or lot as (places, divisor): it is `divisor` times 10 to the minus `places`."""
    places = 9
    while places and unit_e9 % 10 == 0:
        unit_e9 //= 10
        places -= 1
    return places, unit_e9
