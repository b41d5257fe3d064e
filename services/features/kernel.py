"""The compiled kernel: one code for one event and for a recorded day.

Enters: a `Lob` as a row of 80 int64 (20 bids, then 20 asks, each price_ticks and size_lots, best first, zeros
where the book has no more tiers), or a trade as its time and signed size. Leaves: `WIDTH` float64 in the
order of `schema.NAMES`.

All memory of the past is integers: sums over rings of events with one tail a window. So the state after any
warm-up is exactly the state of a process that never stopped. Floats begin in `emit`; they use addition,
multiplication, division and square root alone, which IEEE 754 fixes to the bit on every machine.

numba's cache looks at the age of this file only. Everything compiled in is therefore written in this file;
what others fix (windows, levels, capacities) comes in as arrays and their lengths.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import boolean, int64, njit, types, void
from numba import float64 as f64

from services.features.state import Floats, Ints, State

F = TypeVar("F", bound=Callable[..., Any])

TIERS = 20
ROW = 4 * TIERS  # int64 in the row of one Lob
ASKS = 2 * TIERS  # where its asks begin
WIDTH = 100  # float64 in a vector
PAIRS = 5  # tiers of the microprice
SECOND = 1_000_000_000
MIN_CHANGES = 5  # one-second changes that make a sigma

TRADE, LOB, FIRST_LOB = 0, 1, 2  # the kinds of event of `run`

# Columns of `State.sums` and, after the time, of the rings.
E1, ABS_E1, E5, ABS_E5 = 0, 1, 2, 3
SIGNED, VOLUME = 4, 5
# Places in `State.marks`.
LOB_HEAD, TRADE_HEAD = 0, 1  # events ever put into each ring, as in `state.py`
HAS_PREVIOUS = 2  # 1 once `previous` holds a Lob
MID2 = 3  # bid plus ask of the last Lob, which is twice the mid, in ticks
NEXT_SECOND = 4  # the next full second whose mid is not yet known
SECOND_MID2 = 5  # twice the mid at the full second before it
CLOSED = 6  # full seconds known since the reset


_I1, _I2 = int64[::1], int64[:, ::1]
_STATE = types.NamedTuple((_I1, _I1, _I2, _I2, _I2, _I2, _I1, _I1), State)  # type: ignore[no-untyped-call]


def _compiled(signature: object) -> Callable[[F], F]:
    """`njit` with types for the checker; the explicit signature compiles, or loads, at import."""
    return cast(Callable[[F], F], njit(signature, cache=True))


@_compiled(void(_STATE))
def reset(state: State) -> None:
    """Forget everything: the next Lob has no predecessor."""
    state.marks[:] = 0
    state.sums[:] = 0
    state.tails[:] = 0


@_compiled(void(_STATE, int64))
def _expire_lobs(state: State, now_ns: int) -> None:
    """Take what fell out of the windows at `now_ns` off the sums of book events."""
    ring, head, mask = state.lob_ring, state.marks[LOB_HEAD], len(state.lob_ring) - 1
    for w in range(len(state.windows_ns)):
        edge_ns = now_ns - state.windows_ns[w]
        tail = state.tails[0, w]
        while tail < head and ring[tail & mask, 0] <= edge_ns:
            e1 = ring[tail & mask, 1]
            state.sums[w, E1] -= e1
            state.sums[w, ABS_E1] -= abs(e1)
            state.sums[w, E5] -= ring[tail & mask, 2]
            state.sums[w, ABS_E5] -= ring[tail & mask, 3]
            tail += 1
        state.tails[0, w] = tail


@_compiled(void(_STATE, int64))
def _expire_trades(state: State, now_ns: int) -> None:
    """Take what fell out of the windows at `now_ns` off the sums of trades."""
    ring, head, mask = state.trade_ring, state.marks[TRADE_HEAD], len(state.trade_ring) - 1
    for w in range(len(state.windows_ns)):
        edge_ns = now_ns - state.windows_ns[w]
        tail = state.tails[1, w]
        while tail < head and ring[tail & mask, 0] <= edge_ns:
            signed = ring[tail & mask, 1]
            state.sums[w, SIGNED] -= signed
            state.sums[w, VOLUME] -= abs(signed)
            tail += 1
        state.tails[1, w] = tail


@_compiled(int64(int64, int64, int64, int64))
def _side_flow(price: int, size: int, old_price: int, old_size: int) -> int:
    """What one bid level gained since the previous update (Cont, Kukanov, Stoikov). Size 0 is no level."""
    if size == 0:
        return -old_size
    if old_size == 0 or price > old_price:
        return size
    return -old_size if price < old_price else size - old_size


@_compiled(void(_STATE, int64))
def _close_seconds(state: State, now_ns: int) -> None:
    """Note the mid at each full second before `now_ns`: that of the last Lob at or before it."""
    marks = state.marks
    while marks[NEXT_SECOND] * SECOND < now_ns:
        if marks[CLOSED] > 0:
            state.changes[marks[NEXT_SECOND] % len(state.changes)] = marks[MID2] - marks[SECOND_MID2]
        marks[SECOND_MID2] = marks[MID2]
        marks[CLOSED] += 1
        marks[NEXT_SECOND] += 1


@_compiled(boolean(_STATE, int64, _I1))
def on_lob(state: State, now_ns: int, row: Ints) -> bool:
    """Fold one Lob in. `row` is (80,). False where the ring is full: nothing is folded; grow and repeat."""
    marks, previous, ring = state.marks, state.previous, state.lob_ring
    _expire_lobs(state, now_ns)
    if marks[LOB_HEAD] - state.tails[0, -1] == len(ring):
        return False
    mid2, levels = row[0] + row[ASKS], len(previous) // 4
    if marks[HAS_PREVIOUS] == 1:
        _close_seconds(state, now_ns)
        e1, e5, abs_e5 = 0, 0, 0
        for level in range(levels):
            b, a = 2 * level, ASKS + 2 * level
            old_b, old_a = 2 * level, 2 * levels + 2 * level
            # An ask is a bid with its price turned round.
            e = _side_flow(row[b], row[b + 1], previous[old_b], previous[old_b + 1]) - _side_flow(
                -row[a], row[a + 1], -previous[old_a], previous[old_a + 1]
            )
            if level == 0:
                e1 = e
            e5 += e
            abs_e5 += abs(e)
        if abs_e5 > 0:
            place = marks[LOB_HEAD] & (len(ring) - 1)
            ring[place, 0] = now_ns
            ring[place, 1] = e1
            ring[place, 2] = e5
            ring[place, 3] = abs_e5
            marks[LOB_HEAD] += 1
            for w in range(len(state.windows_ns)):
                state.sums[w, E1] += e1
                state.sums[w, ABS_E1] += abs(e1)
                state.sums[w, E5] += e5
                state.sums[w, ABS_E5] += abs_e5
    else:
        marks[HAS_PREVIOUS] = 1
        marks[NEXT_SECOND] = (now_ns + SECOND - 1) // SECOND
    marks[MID2] = mid2
    for place in range(2 * levels):
        previous[place] = row[place]
        previous[2 * levels + place] = row[ASKS + place]
    return True


@_compiled(boolean(_STATE, int64, int64))
def on_trade(state: State, now_ns: int, signed_lots: int) -> bool:
    """Fold one trade in, bought above 0. False where the ring is full: nothing is folded; grow and repeat."""
    ring = state.trade_ring
    _expire_trades(state, now_ns)
    if state.marks[TRADE_HEAD] - state.tails[1, -1] == len(ring):
        return False
    place = state.marks[TRADE_HEAD] & (len(ring) - 1)
    ring[place, 0] = now_ns
    ring[place, 1] = signed_lots
    state.marks[TRADE_HEAD] += 1
    for w in range(len(state.windows_ns)):
        state.sums[w, SIGNED] += signed_lots
        state.sums[w, VOLUME] += abs(signed_lots)
    return True


@_compiled(f64(f64, f64))
def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else 0.0


@_compiled(f64(f64))
def _decay(x: float) -> float:
    """exp(-x) for x >= 0, within x^2/2048 of itself. The library's exp is not the same on all processors."""
    y = 1.0 / (1.0 + x / 1024.0)
    for _ in range(10):
        y *= y
    return y


@_compiled(f64(_STATE, int64))
def _sigma(state: State, tick_e9: int) -> float:
    """`sigma_30s` in quote currency."""
    known = min(state.marks[CLOSED] - 1, len(state.changes))
    if known < MIN_CHANGES:
        return 0.0
    total = 0.0
    for second in range(state.marks[NEXT_SECOND] - known, state.marks[NEXT_SECOND]):
        change = float(state.changes[second % len(state.changes)])
        total += change * change
    return max(math.sqrt(total / known) / 2.0, 1.0) * (tick_e9 / 1e9)


@_compiled(int64(_I1, f64[::1], int64, int64))
def _emit_tiers(row: Ints, values: Floats, tick_e9: int, lot_e9: int) -> int:
    """Spread, distances and sizes. Returns the place of the next value."""
    mid2 = row[0] + row[ASKS]
    values[0] = ((row[ASKS] - row[0]) * tick_e9) / 1e9
    for side in range(2):
        for tier in range(TIERS):
            at = side * ASKS + 2 * tier
            place = 1 + side * 2 * TIERS + tier
            values[place] = 0.0
            if row[at + 1] > 0:
                values[place] = (abs(2 * row[at] - mid2) * tick_e9) / 2e9
            values[place + TIERS] = (row[at + 1] * lot_e9) / 1e9
    return 1 + 4 * TIERS


@_compiled(int64(_I1, f64[::1], int64))
def _emit_book(row: Ints, values: Floats, place: int) -> int:
    """Imbalances and microprice. Bids and asks are summed apart, so that exchanging them is exact."""
    mid2 = row[0] + row[ASKS]
    bids, asks, distances, present = 0, 0, 0, 0
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
    near_bids, near_asks, up, down = 0.0, 0.0, 0.0, 0.0
    for tier in range(TIERS):
        b, a = 2 * tier, ASKS + 2 * tier
        if row[b + 1] > 0:
            near_bids += row[b + 1] * _decay(float(mid2 - 2 * row[b]) * present / distances)
        if row[a + 1] > 0:
            near_asks += row[a + 1] * _decay(float(2 * row[a] - mid2) * present / distances)
        if tier < PAIRS and row[b + 1] > 0 and row[a + 1] > 0:
            up += float(2 * row[a] - mid2) * row[b + 1]
            down += float(mid2 - 2 * row[b]) * row[a + 1]
    values[place] = _ratio(near_bids - near_asks, near_bids + near_asks)
    values[place + 1] = _ratio(up - down, up + down)
    return place + 2


@_compiled(void(_STATE, int64, _I1, int64, int64, f64[::1]))
def emit(state: State, now_ns: int, row: Ints, tick_e9: int, lot_e9: int, values: Floats) -> None:
    """Write the vector at `now_ns`, after `on_lob` of the same row. `row` is (80,), `values` (100,)."""
    _expire_lobs(state, now_ns)
    _expire_trades(state, now_ns)
    place = _emit_tiers(row, values, tick_e9, lot_e9)
    place = _emit_book(row, values, place)
    sums = state.sums
    count = len(state.windows_ns)
    for w in range(count):
        values[place + w] = _ratio(sums[w, E1], sums[w, ABS_E1])
        values[place + count + w] = _ratio(sums[w, E5], sums[w, ABS_E5])
        values[place + 2 * count + w] = _ratio(sums[w, SIGNED], sums[w, VOLUME])
    values[place + 3 * count] = _sigma(state, tick_e9)


@_compiled(int64(_STATE, int64, _I2, _I2, _I2, f64[:, ::1]))
def run(state: State, start: int, events: Ints, rows: Ints, scales: Ints, values: Floats) -> int:
    """Fold a block of events in, one vector for each Lob. Returns how many are done: fewer than all where a
    ring is full; grow, then go on from there.

    events: (n, 3), kind, time and, of a trade, its signed size, else which row. rows: (m, 80). scales:
    (m, 2), tick_e9 and lot_e9. values: (m, 100), written.
    """
    for i in range(start, len(events)):
        kind, now_ns, what = events[i, 0], events[i, 1], events[i, 2]
        if kind == TRADE:
            if not on_trade(state, now_ns, what):
                return i
            continue
        if kind == FIRST_LOB:
            reset(state)
        if not on_lob(state, now_ns, rows[what]):
            return i
        emit(state, now_ns, rows[what], scales[what, 0], scales[what, 1], values[what])
    return len(events)
