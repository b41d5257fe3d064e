"""The compiled part: probes wait in the queue of a recorded or live book until a trade reaches them.

A probe is filled by a trade beyond its price, by more traded at its price than was in front of it when it
arrived, or by a book whose other side has come to its price. What its level lost beyond what traded there was
canceled, in front of it or behind. The tape is told up to 100 ms after the book: what a book took off a queue
is kept as credit against trades of the time before that book, so that nothing counts twice. Credit is kept by
book, because what was canceled before a trade explains nothing of it. Most fills are books, so what traded
before one is still counted when it is told after it.

Call `on_lob`, `on_trade` and `pass_time` in the order of `recv_ns`. Whole numbers alone, but for where
cancels are shared out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from numba import float64, int64, types, void

from services.features.flow import probe as probe_module
from services.features.flow.law import Ints
from services.features.flow.probe import (  # fmt: skip
    AFTERWARD,
    AHEAD,
    ARRIVED_AT,
    BETTER,
    BOOK_AT,
    BOOK_EXCHANGE,
    BOOK_TIMES,
    BOOKS,
    CANCELED,
    CREDITS,
    DEPTH,
    EXPIRED,
    FILLED,
    FILLED_AT,
    FILLED_EXCHANGE,
    HAS_BOOK,
    HEAD,
    KEY,
    LEVEL,
    LINEAR,
    MARKED,
    NEXT_SECOND,
    PENDING,
    PLACED,
    QUEUE,
    RECENT,
    REJECTED,
    RESTING,
    RISK_AVERSE,
    SIDE,
    STATE,
    TAIL,
    THROUGH,
    TRADED,
    VOID,
    Probes,
)
from shared.compiled import compiler

F = TypeVar("F", bound=Callable[..., Any])

TIERS = 20
ASKS = 2 * TIERS  # where the asks of a row begin
SECOND = 1_000_000_000
QUIET = 10 * SECOND  # as `continuity.QUIET_NS`
UNKNOWN = -1  # the size of a level beyond the tiers we see
LATENCY, LIFETIME, HORIZON, CANCELS = 0, 1, 2, 3  # places in the packed setup
TRADE, LOB, FIRST_LOB, OTHER, GAP = 0, 1, 2, 3, 4  # kinds of event of `run`

_I1, _I2 = int64[::1], int64[:, ::1]
_PROBES = types.NamedTuple((_I2, _I2, _I1, _I1), Probes)  # type: ignore[no-untyped-call]
_compiled = compiler([__file__, str(probe_module.__file__)])


@_compiled(int64(_I1, int64, int64))
def _size_at(row: Ints, side: int, key: int) -> int:
    """Lots at a price of one side; 0 for a level that is not there, UNKNOWN beyond the tiers."""
    start = 0 if side > 0 else ASKS
    for tier in range(TIERS):
        at = start + 2 * tier
        if row[at + 1] == 0:
            return 0  # a thin book: there is nothing farther
        tier_key = -side * row[at]
        if tier_key == key:
            return int(row[at + 1])
        if tier_key > key:
            return 0
    return UNKNOWN


@_compiled(int64(_I1, int64, int64))
def _better(row: Ints, side: int, key: int) -> int:
    """Lots displayed at better prices of the same side."""
    start, lots = (0 if side > 0 else ASKS), 0
    for tier in range(TIERS):
        at = start + 2 * tier
        if row[at + 1] == 0 or -side * row[at] >= key:
            break
        lots += row[at + 1]
    return lots


@_compiled(float64(int64, int64))
def _weight(cancels: int, lots: int) -> float:
    return float(lots) if cancels == LINEAR else math.log(1.0 + lots)


@_compiled(void(_I1, _I1, _I1))
def _arrive(probe: Ints, row: Ints, marks: Ints) -> None:
    side, key = probe[SIDE], probe[KEY]
    other = -side * (row[ASKS] if side > 0 else row[0])
    if other >= key:
        probe[STATE] = REJECTED
        return
    probe[STATE] = RESTING
    size = _size_at(row, side, key)
    probe[LEVEL] = size
    probe[AHEAD] = max(size, 0)
    probe[QUEUE] = probe[AHEAD]
    probe[BETTER] = _better(row, side, key)
    probe[ARRIVED_AT] = marks[BOOK_EXCHANGE]


@_compiled(void(_PROBES, _I1, int64))
def pass_time(probes: Probes, setup: Ints, now_ns: int) -> None:
    """Everything due before `now_ns`, by the book as it stands: probes are placed at full seconds, arrive a
    latency later, expire a lifetime after that, and are marked one horizon after their fill."""
    records, depths, marks, row = probes.records, probes.depths, probes.marks, probes.row
    mask = len(records) - 1
    if marks[HAS_BOOK] == 0:
        return
    # A book that was silent so long is broken off at the next one: no probe is placed by it any more.
    until_ns = min(now_ns, marks[BOOK_AT] + QUIET)
    while marks[NEXT_SECOND] * SECOND < until_ns:
        for place in range(2):
            side = 1 if place == 0 else -1
            best = -side * (row[0] if side > 0 else row[ASKS])
            for depth in range(depths.shape[1]):
                if depths[place, depth] < 0:
                    continue
                if marks[HEAD] - marks[TAIL] > mask:
                    marks[TAIL] += 1  # the ring is full: the oldest under way is let go
                probe = records[marks[HEAD] & mask]
                probe[:] = 0
                probe[PLACED] = marks[NEXT_SECOND] * SECOND
                probe[SIDE], probe[DEPTH] = side, depth
                probe[KEY] = best + depths[place, depth]
                marks[HEAD] += 1
        marks[NEXT_SECOND] += 1
    under_way = marks[TAIL]
    is_first = True
    for number in range(marks[TAIL], marks[HEAD]):
        probe = records[number & mask]
        arrival_ns = probe[PLACED] + setup[LATENCY]
        if probe[STATE] == PENDING and arrival_ns < now_ns:
            _arrive(probe, row, marks)
        if probe[STATE] == RESTING and arrival_ns + setup[LIFETIME] < now_ns:
            probe[STATE] = EXPIRED
        if probe[STATE] == FILLED and probe[FILLED_AT] + setup[HORIZON] < now_ns:
            probe[STATE] = MARKED
            probe[AFTERWARD] = -probe[SIDE] * (row[0] + row[ASKS])
        if is_first and probe[STATE] > FILLED:
            under_way = number + 1
        else:
            is_first = False
    marks[TAIL] = under_way


@_compiled(void(_I1, _I1, int64, int64, int64, int64))
def _see(probe: Ints, row: Ints, cancels: int, now_ns: int, exchange_ns: int, credit: int) -> None:
    """One resting probe sees the next book; `credit` is that book's column."""
    side, key = probe[SIDE], probe[KEY]
    probe[credit] = 0
    if -side * (row[ASKS] if side > 0 else row[0]) >= key:
        probe[STATE] = FILLED
        probe[FILLED_AT], probe[FILLED_EXCHANGE] = now_ns, exchange_ns
        return
    size = _size_at(row, side, key)
    if size == UNKNOWN:
        return
    before = probe[AHEAD]
    if probe[LEVEL] == UNKNOWN:  # the first we see of its level: all of it may be in front
        probe[LEVEL] = probe[QUEUE] = size
        probe[AHEAD] = size
        return
    canceled = probe[LEVEL] - probe[TRADED] - size
    if canceled > 0 and cancels != RISK_AVERSE and before > 0:
        behind = max(probe[LEVEL] - probe[TRADED] - before, 0)
        mine, others = _weight(cancels, before), _weight(cancels, behind)
        probe[AHEAD] -= int(canceled * (mine / (mine + others)))
    probe[AHEAD] = max(min(probe[AHEAD], size), 0)
    probe[credit] = before - probe[AHEAD]
    probe[CANCELED] += before - probe[AHEAD]
    probe[LEVEL], probe[TRADED] = size, 0


@_compiled(void(_PROBES, _I1, int64, int64, _I1))
def on_lob(probes: Probes, setup: Ints, now_ns: int, exchange_ns: int, row: Ints) -> None:
    """Fold one book in. `row` is (80,), as of the features' kernel."""
    records, marks = probes.records, probes.marks
    pass_time(probes, setup, now_ns)
    mask, place = len(records) - 1, marks[BOOKS] % RECENT
    for number in range(marks[TAIL], marks[HEAD]):
        probe = records[number & mask]
        if probe[STATE] == RESTING:
            _see(probe, row, setup[CANCELS], now_ns, exchange_ns, CREDITS + place)
    marks[BOOK_TIMES + place] = exchange_ns
    marks[BOOKS] += 1
    if marks[HAS_BOOK] == 0:
        marks[HAS_BOOK] = 1
        marks[NEXT_SECOND] = (now_ns + SECOND - 1) // SECOND
    marks[BOOK_EXCHANGE], marks[BOOK_AT] = exchange_ns, now_ns
    probes.row[:] = row


@_compiled(int64(_I1, int64))
def _first_after(marks: Ints, exchange_ns: int) -> int:
    """The number of the first recent book that knew a trade of `exchange_ns`."""
    number = marks[BOOKS]
    oldest = max(0, number - RECENT)
    while number > oldest and marks[BOOK_TIMES + (number - 1) % RECENT] >= exchange_ns:
        number -= 1
    return int(number)


@_compiled(void(_PROBES, _I1, int64, int64, int64, int64))
def on_trade(
    probes: Probes, setup: Ints, now_ns: int, exchange_ns: int, price_ticks: int, signed_lots: int
) -> None:
    """Fold one trade in; `signed_lots` is above 0 where the taker bought."""
    records, marks = probes.records, probes.marks
    pass_time(probes, setup, now_ns)
    side = -1 if signed_lots > 0 else 1  # of the orders it meets
    key, lots, mask = -side * price_ticks, abs(signed_lots), len(records) - 1
    first = _first_after(marks, exchange_ns)
    for number in range(marks[TAIL], marks[HEAD]):
        probe = records[number & mask]
        if probe[SIDE] != side or exchange_ns <= probe[ARRIVED_AT]:
            continue
        if key < probe[KEY]:
            was_before = probe[STATE] == FILLED and exchange_ns <= probe[FILLED_EXCHANGE]
            if probe[STATE] == RESTING or was_before:
                probe[THROUGH] += lots
            continue
        if probe[STATE] != RESTING:
            continue
        if key == probe[KEY]:
            rest = lots
            if exchange_ns <= marks[BOOK_EXCHANGE]:
                for book in range(first, marks[BOOKS]):
                    credit = CREDITS + book % RECENT
                    used = min(probe[credit], rest)
                    probe[credit] -= used
                    probe[CANCELED] -= used  # it was traded, not canceled
                    rest -= used
            else:
                probe[TRADED] += lots
            probe[AHEAD] -= rest
            if probe[AHEAD] >= 0:
                continue
        probe[STATE] = FILLED
        probe[FILLED_AT], probe[FILLED_EXCHANGE] = now_ns, exchange_ns


@_compiled(void(_PROBES))
def give_up(probes: Probes) -> None:
    """A gap: what becomes of the probes under way cannot be known, and the next book is a first one."""
    records, marks = probes.records, probes.marks
    mask = len(records) - 1
    for number in range(marks[TAIL], marks[HEAD]):
        if records[number & mask, STATE] <= FILLED:
            records[number & mask, STATE] = VOID
    marks[TAIL] = marks[HEAD]
    marks[HAS_BOOK] = 0


@_compiled(void(_PROBES, _I1, _I2, _I2))
def run(probes: Probes, setup: Ints, events: Ints, rows: Ints) -> None:
    """Fold a block of events in. events: (n, 5), kind, recv_ns, exchange_ns, price in ticks or which row,
    signed lots. rows: (m, 80)."""
    for i in range(len(events)):
        kind, now_ns, exchange_ns = events[i, 0], events[i, 1], events[i, 2]
        if kind == TRADE:
            on_trade(probes, setup, now_ns, exchange_ns, events[i, 3], events[i, 4])
        elif kind == OTHER:
            pass_time(probes, setup, now_ns)
        elif kind == GAP:
            give_up(probes)
        else:
            if kind == FIRST_LOB:
                give_up(probes)
            on_lob(probes, setup, now_ns, exchange_ns, rows[events[i, 3]])
