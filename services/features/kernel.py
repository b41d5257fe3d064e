"""The compiled kernel: one code for one event and for a recorded day.

Enters: a `Lob` as a row of 80 int64 (20 bids, then 20 asks, each price_ticks and size_lots, best first, zeros
where the book has no more tiers), or a trade as its time, signed size and price. Leaves: `WIDTH` float64 in
the order of `schema.NAMES`, written by `emission`.

All memory of the past is integers: running totals in rings of events, with one tail a window. So the state
after any warm-up is exactly the state of a process that never stopped. Floats begin in `emit`; they use
addition, subtraction, multiplication, division and square root alone, which IEEE 754 fixes to the bit on
every machine.
"""

from __future__ import annotations

from numba import boolean, int64, void
from numba import float64 as f64

from services.features.compiled import I1, I2, STATE, compiled
from services.features.emission import ASKS, ROW, TIERS, WIDTH, advance, emit
from services.features.state import (
    ABS_E1,
    ABS_E5,
    CHANGE_SQUARES,
    CHANGES,
    CLOSED,
    E1,
    E5,
    HAS_PREVIOUS,
    LOB_COLUMNS,
    LOB_HEAD,
    MID2,
    MOVE,
    NEXT_SECOND,
    NOTIONAL,
    SECOND_MID2,
    SIGNED,
    SLOW_SQUARES,
    SQUARES,
    TIME,
    TRADE_COLUMNS,
    TRADE_HEAD,
    VOLUME,
    Floats,
    Ints,
    State,
)

__all__ = ["ASKS", "FIRST_LOB", "LOB", "ROW", "TIERS", "TRADE", "WIDTH", "emit", "on_lob", "on_trade", "run"]

SECOND = 1_000_000_000
FURTHEST = 1 << 24  # half ticks of a change that is squared: 2^14 of them in a window still fit

TRADE, LOB, FIRST_LOB = 0, 1, 2  # the kinds of event of `run`


@compiled(void(STATE))
def reset(state: State) -> None:
    """Forget everything: the next Lob has no predecessor."""
    state.marks[:] = 0
    state.tails[:] = 0
    state.changes[:] = 0


@compiled(int64(int64))
def _square(change: int) -> int:
    """The square of a change of twice the mid, of at most `FURTHEST`."""
    change = min(abs(change), FURTHEST)
    return change * change


@compiled(int64(int64, int64, int64, int64))
def _side_flow(price: int, size: int, old_price: int, old_size: int) -> int:
    """What one bid level gained since the previous update (Cont, Kukanov, Stoikov). Size 0 is no level."""
    if size == 0:
        return -old_size
    if old_size == 0 or price > old_price:
        return size
    return -old_size if price < old_price else size - old_size


@compiled(void(STATE, int64))
def _close_seconds(state: State, now_ns: int) -> None:
    """Note the mid at each full second before `now_ns`: that of the last Lob at or before it."""
    marks = state.marks
    while marks[NEXT_SECOND] * SECOND < now_ns:
        if marks[CLOSED] > 0:
            place = marks[NEXT_SECOND] % len(state.changes)
            left = (marks[NEXT_SECOND] - CHANGES) % len(state.changes)
            change = marks[MID2] - marks[SECOND_MID2]
            marks[CHANGE_SQUARES] += _square(change) - _square(state.changes[left])
            marks[SLOW_SQUARES] += _square(change) - _square(state.changes[place])
            state.changes[place] = change
        marks[SECOND_MID2] = marks[MID2]
        marks[CLOSED] += 1
        marks[NEXT_SECOND] += 1


@compiled(boolean(STATE, int64, I1))
def on_lob(state: State, now_ns: int, row: Ints) -> bool:
    """Fold one Lob in. `row` is (80,). False where the ring is full: nothing is folded; grow and repeat."""
    marks, previous, ring = state.marks, state.previous, state.lob_ring
    head, longest = marks[LOB_HEAD], len(state.windows_ns) - 1
    if head - advance(state, ring, 0, longest, head, now_ns) == len(ring):
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
        move = mid2 - marks[MID2]
        if abs_e5 > 0 or move != 0:
            place, totals = head & (len(ring) - 1), state.lob_totals
            ring[place, TIME] = now_ns
            for column in range(1, LOB_COLUMNS):
                ring[place, column] = totals[column]
            totals[E1] += e1
            totals[ABS_E1] += abs(e1)
            totals[E5] += e5
            totals[ABS_E5] += abs_e5
            totals[MOVE] += move
            totals[SQUARES] += _square(move)
            marks[LOB_HEAD] = head + 1
    else:
        marks[HAS_PREVIOUS] = 1
        marks[NEXT_SECOND] = (now_ns + SECOND - 1) // SECOND
    marks[MID2] = mid2
    for place in range(2 * levels):
        previous[place] = row[place]
        previous[2 * levels + place] = row[ASKS + place]
    return True


@compiled(boolean(STATE, int64, int64, int64))
def on_trade(state: State, now_ns: int, signed_lots: int, price_ticks: int) -> bool:
    """Fold one trade in, bought above 0. False where the ring is full: nothing is folded; grow and repeat."""
    ring, head, longest = state.trade_ring, state.marks[TRADE_HEAD], len(state.windows_ns) - 1
    if head - advance(state, ring, 1, longest, head, now_ns) == len(ring):
        return False
    place, totals = head & (len(ring) - 1), state.trade_totals
    ring[place, TIME] = now_ns
    for column in range(1, TRADE_COLUMNS):
        ring[place, column] = totals[column]
    totals[SIGNED] += signed_lots
    totals[VOLUME] += abs(signed_lots)
    totals[NOTIONAL] += abs(signed_lots) * price_ticks
    state.marks[TRADE_HEAD] = head + 1
    return True


@compiled(int64(STATE, int64, I2, I2, I2, f64[:, ::1]))
def run(state: State, start: int, events: Ints, rows: Ints, scales: Ints, values: Floats) -> int:
    """Fold a block of events in, one vector for each Lob. Returns how many are done: fewer than all where a
    ring is full; grow, then go on from there.

    events: (n, 4), kind, time and, of a trade, its signed size and price, else which row and 0. rows:
    (m, 80). scales: (m, 2), tick_e9 and lot_e9. values: (m, `WIDTH`), written.
    """
    for i in range(start, len(events)):
        kind, now_ns, what = events[i, 0], events[i, 1], events[i, 2]
        if kind == TRADE:
            if not on_trade(state, now_ns, what, events[i, 3]):
                return i
            continue
        if kind == FIRST_LOB:
            reset(state)
        if not on_lob(state, now_ns, rows[what]):
            return i
        emit(state, now_ns, rows[what], scales[what, 0], scales[what, 1], values[what])
    return len(events)
