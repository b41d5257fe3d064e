"""The compiled part of the kernel in which floats begin: from sums to the vector, in the order of `schema`.

What exchanging the sides of the market must flip is computed of bids and asks apart, so that it does exactly.
"""

from __future__ import annotations

import math

from numba import float64 as f64
from numba import int64, void

from services.features.compiled import I1, I2, STATE, compiled
from services.features.state import (
    ABS_E1,
    ABS_E5,
    CHANGE_SQUARES,
    CHANGES,
    CLOSED,
    E1,
    E5,
    LOB_HEAD,
    MOVE,
    NOTIONAL,
    SIGNED,
    SLOW_CHANGES,
    SLOW_SQUARES,
    SQUARES,
    TIME,
    TRADE_HEAD,
    VOLUME,
    Floats,
    Ints,
    State,
)

TIERS = 20
ROW = 4 * TIERS  # int64 in the row of one Lob
ASKS = 2 * TIERS  # where its asks begin
PAIRS = 5  # tiers of the microprice
MIN_CHANGES = 5  # one-second changes that make a sigma

# How the windows are used: the first so many by set `flow`, all others by `extra`, as flows; and of which
# `extra` has more.
FLOW_WINDOWS, WINDOWS = 4, 6
MEASURED = (1, 3, 5)
SECONDS = (1.0, 5.0, 30.0)  # of these
ROOTS = tuple(math.sqrt(seconds) for seconds in SECONDS)

# Where in the vector things stand.
SEED_AT, BOOK_AT, FLOW_AT = 0, 1 + 4 * TIERS, 7 + 4 * TIERS
SIGMA_AT = FLOW_AT + 3 * FLOW_WINDOWS
EXTRA_AT = SIGMA_AT + 1
MICROPRICE_AT = EXTRA_AT + 3 * (WINDOWS - FLOW_WINDOWS)
MEASURES_AT = MICROPRICE_AT + 2
SLOW_AT = MEASURES_AT + 5 * len(MEASURED)
WIDTH = SLOW_AT + 1  # float64 in a vector

MOST_SPREADS = 10.0  # clamps of what has no natural limit
MOST_SIGMAS = 10.0
MOST_BPS = 1000.0
MOST_TRADES = 1e6
MOST_SIZE = 1e9


@compiled(int64(STATE, I2, int64, int64, int64, int64))
def advance(state: State, ring: Ints, which: int, window: int, head: int, now_ns: int) -> int:
    """The first event of a ring that is inside the window at `now_ns`; noted as its tail."""
    edge_ns, mask = now_ns - state.windows_ns[window], len(ring) - 1
    tail = state.tails[which, window]
    while tail < head and ring[tail & mask, TIME] <= edge_ns:
        tail += 1
    state.tails[which, window] = tail
    return tail  # type: ignore[no-any-return]


@compiled(f64(f64, f64), "always")
def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else 0.0


@compiled(f64(f64, f64), "always")
def _within(value: float, most: float) -> float:
    return max(-most, min(most, value))


@compiled(f64(f64), "always")
def _decay(x: float) -> float:
    """exp(-x) for x >= 0, within x^2/2048 of itself. The library's exp is not the same on all processors."""
    y = 1.0 / (1.0 + x / 1024.0)
    for _ in range(10):
        y *= y
    return y


@compiled(f64(STATE, int64, int64), "always")
def _sigma_ticks(state: State, squares: int, most: int) -> float:
    """The root mean square, in ticks, of at most so many changes, whose sum of squares is the mark `squares`;
    0 while there are too few."""
    known = min(state.marks[CLOSED] - 1, most)
    if known < MIN_CHANGES:
        return 0.0
    return max(math.sqrt(float(state.marks[squares]) / known) / 2.0, 1.0)


@compiled(void(I1, f64[::1], int64, int64))
def _emit_tiers(row: Ints, values: Floats, tick_e9: int, lot_e9: int) -> None:
    """Spread, distances and sizes."""
    mid2 = row[0] + row[ASKS]
    values[SEED_AT] = ((row[ASKS] - row[0]) * tick_e9) / 1e9
    for side in range(2):
        for tier in range(TIERS):
            at = side * ASKS + 2 * tier
            place = SEED_AT + 1 + side * 2 * TIERS + tier
            distance = (abs(2 * row[at] - mid2) * tick_e9) / 2e9
            values[place] = distance if row[at + 1] > 0 else 0.0
            values[place + TIERS] = (row[at + 1] * lot_e9) / 1e9


@compiled(void(I1, f64[::1]))
def _emit_book(row: Ints, values: Floats) -> None:
    """Imbalances, microprices and the spread over the mid."""
    mid2 = row[0] + row[ASKS]
    bids, asks, distances, present, place = 0, 0, 0, 0, BOOK_AT
    for tier in range(TIERS):
        b, a = 2 * tier, ASKS + 2 * tier
        bids += row[b + 1]
        asks += row[a + 1]
        if row[b + 1] > 0:
            distances += mid2 - 2 * row[b]
            present += 1
        if row[a + 1] > 0:
            distances += 2 * row[a] - mid2
            present += 1
        if tier == 0 or tier == 4 or tier == 9 or tier == 19:
            values[place] = _ratio(bids - asks, bids + asks)
            place += 1
    # All weights at once, which the processor does four at a time; a size of 0 takes an absent tier out
    # again. They lie where the tiers are written afterwards.
    for tier in range(2 * TIERS):
        values[SEED_AT + 1 + tier] = _decay(float(abs(2 * row[2 * tier] - mid2)) * present / distances)
    near_bids, near_asks = 0.0, 0.0
    for tier in range(TIERS):
        near_bids += row[2 * tier + 1] * values[SEED_AT + 1 + tier]
        near_asks += row[ASKS + 2 * tier + 1] * values[SEED_AT + 1 + TIERS + tier]
    up, down, lots = 0.0, 0.0, 0
    for tier in range(PAIRS):
        b, a = 2 * tier, ASKS + 2 * tier
        if row[b + 1] > 0 and row[a + 1] > 0:
            up += float(2 * row[a] - mid2) * row[b + 1]
            down += float(mid2 - 2 * row[b]) * row[a + 1]
            lots += row[b + 1] + row[a + 1]
    values[place] = _ratio(near_bids - near_asks, near_bids + near_asks)
    values[place + 1] = _ratio(up - down, up + down)
    spread = row[ASKS] - row[0]
    values[MICROPRICE_AT] = _within((up - down) / (2.0 * spread * lots), MOST_SPREADS)
    values[MICROPRICE_AT + 1] = 2e4 * spread / mid2


@compiled(void(STATE, int64, f64[::1]), "always")
def _emit_flows(state: State, now_ns: int, values: Floats) -> None:
    """Order flow and trades over all windows."""
    lobs, trades = state.lob_ring, state.trade_ring
    lob_head, trade_head = state.marks[LOB_HEAD], state.marks[TRADE_HEAD]
    for w in range(WINDOWS):
        place, count = FLOW_AT + w, FLOW_WINDOWS
        if w >= FLOW_WINDOWS:
            place, count = EXTRA_AT + w - FLOW_WINDOWS, WINDOWS - FLOW_WINDOWS
        e1, abs_e1, e5, abs_e5, signed, volume = 0, 0, 0, 0, 0, 0
        tail = advance(state, lobs, 0, w, lob_head, now_ns)
        if tail < lob_head:
            at, totals = tail & (len(lobs) - 1), state.lob_totals
            e1, abs_e1 = totals[E1] - lobs[at, E1], totals[ABS_E1] - lobs[at, ABS_E1]
            e5, abs_e5 = totals[E5] - lobs[at, E5], totals[ABS_E5] - lobs[at, ABS_E5]
        tail = advance(state, trades, 1, w, trade_head, now_ns)
        if tail < trade_head:
            at, totals = tail & (len(trades) - 1), state.trade_totals
            signed, volume = totals[SIGNED] - trades[at, SIGNED], totals[VOLUME] - trades[at, VOLUME]
        values[place] = _ratio(e1, abs_e1)
        values[place + count] = _ratio(e5, abs_e5)
        values[place + 2 * count] = _ratio(signed, volume)


@compiled(void(STATE, int64, f64, int64, f64[::1]), "always")
def _emit_measures(state: State, mid2: int, sigma_ticks: float, lot_e9: int, values: Floats) -> None:
    """VWAP, return, volatility, count and mean size of trades; after `_emit_flows`, which moves the tails."""
    lobs, trades = state.lob_ring, state.trade_ring
    lob_head, trade_head = state.marks[LOB_HEAD], state.marks[TRADE_HEAD]
    count = len(MEASURED)
    for number in range(count):
        w, place = MEASURED[number], MEASURES_AT + number
        move, squares, above, volume = 0, 0, 0, 0
        tail = state.tails[0, w]
        if tail < lob_head:
            at = tail & (len(lobs) - 1)
            move = state.lob_totals[MOVE] - lobs[at, MOVE]
            squares = state.lob_totals[SQUARES] - lobs[at, SQUARES]
        tail = state.tails[1, w]
        if tail < trade_head:
            at = tail & (len(trades) - 1)
            volume = state.trade_totals[VOLUME] - trades[at, VOLUME]
            above = 2 * (state.trade_totals[NOTIONAL] - trades[at, NOTIONAL]) - mid2 * volume
        half_ticks = 2.0 * sigma_ticks * ROOTS[number]
        values[place] = _within(_ratio(above, half_ticks * volume), MOST_SIGMAS)
        values[place + count] = _within(_ratio(move, half_ticks), MOST_SIGMAS)
        values[place + 2 * count] = min(1e4 * math.sqrt(squares / SECONDS[number]) / mid2, MOST_BPS)
        values[place + 3 * count] = min(float(trade_head - tail), MOST_TRADES)
        values[place + 4 * count] = min(_ratio(volume * (lot_e9 / 1e9), float(trade_head - tail)), MOST_SIZE)


@compiled(void(STATE, int64, I1, int64, int64, f64[::1]))
def emit(state: State, now_ns: int, row: Ints, tick_e9: int, lot_e9: int, values: Floats) -> None:
    """Write the vector at `now_ns`, after `on_lob` of the same row. `row` is (80,), `values` (`WIDTH`,)."""
    _emit_book(row, values)
    _emit_tiers(row, values, tick_e9, lot_e9)
    _emit_flows(state, now_ns, values)
    sigma_ticks = _sigma_ticks(state, CHANGE_SQUARES, CHANGES)
    values[SIGMA_AT] = sigma_ticks * (tick_e9 / 1e9)
    values[SLOW_AT] = _sigma_ticks(state, SLOW_SQUARES, SLOW_CHANGES) * (tick_e9 / 1e9)
    _emit_measures(state, row[0] + row[ASKS], sigma_ticks, lot_e9, values)
