"""The matching engine, compiled: queues in order of arrival at each price, best price first.

All quantities are integers. A level is a bid at or below BID and an ask at or above ASK. Orders of owner 0
are the market's; any other owner is one of ours, and is told of each fill.
"""

from __future__ import annotations

from numba import boolean, int64, types, void

from services.venue.synthetic.compiled import compiled
from services.venue.synthetic.state import (
    ASK,
    BID,
    DEPTH,
    DIFF,
    DIRTY_COUNT,
    FREE,
    GRID,
    LAST_DIFF_ID,
    LOTS,
    N_EVENTS,
    N_LEVELS,
    N_ROWS,
    NEXT,
    OWN,
    OWN_EXPIRED,
    OWN_FILL,
    OWNER,
    PREVIOUS,
    PRICE,
    ROW,
    TIERS,
    TRADE,
    TRADE_ID,
    UPDATE_ID,
    VOLUME,
    Book,
    Ints,
    Output,
)

MASK = GRID - 1
REACH = GRID // 2 - 1  # how far from the best a level may be
WAS_BID, WAS_ASK = 1, 2  # of `Book.was`

_I1, _I2 = int64[::1], int64[:, ::1]
BOOK = types.NamedTuple((_I1, _I1, _I1, _I1, _I1, _I2, _I1, _I1), Book)  # type: ignore[no-untyped-call]
OUTPUT = types.NamedTuple((_I2, _I2, _I2, _I1), Output)  # type: ignore[no-untyped-call]


@compiled(void(OUTPUT, int64, int64, int64, int64, int64, int64, int64, int64))
def write(out: Output, kind: int, now_ns: int, a: int, b: int, c: int, d: int, e: int, f: int) -> None:
    """Append one row to the events."""
    row = out.events[out.counts[N_EVENTS]]
    row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7] = kind, now_ns, a, b, c, d, e, f
    out.counts[N_EVENTS] += 1


@compiled(void(BOOK, int64))
def _touch(book: Book, price: int) -> None:
    """Note that a level is about to change, and what it is now."""
    marks, place = book.marks, price & MASK
    marks[UPDATE_ID] += 1
    if book.stamp[place] != marks[DIFF]:
        book.stamp[place] = marks[DIFF]
        book.was[place] = 0
        book.dirty[marks[DIRTY_COUNT]] = price
        marks[DIRTY_COUNT] += 1
    if book.total[place] > 0:  # also in between: a snapshot may have been taken then
        book.was[place] |= WAS_BID if price <= marks[BID] else WAS_ASK


@compiled(int64(BOOK, int64, int64, int64, int64))
def add(book: Book, side: int, price: int, lots: int, owner: int) -> int:
    """Put an order at the end of the queue at its price, which must not meet the other side. Returns its
    place."""
    _touch(book, price)
    marks, orders, place = book.marks, book.orders, price & MASK
    slot = marks[FREE]
    marks[FREE] = orders[slot, NEXT]
    last = book.tail[place]
    orders[slot, LOTS], orders[slot, OWNER], orders[slot, PRICE] = lots, owner, price
    orders[slot, NEXT], orders[slot, PREVIOUS] = -1, last
    if last >= 0:
        orders[last, NEXT] = slot
    else:
        book.head[place] = slot
    book.tail[place] = slot
    book.total[place] += lots
    if side > 0:
        marks[BID] = max(marks[BID], price)
    else:
        marks[ASK] = min(marks[ASK], price)
    if owner != 0:
        marks[OWN] += 1
    return int(slot)


@compiled(void(BOOK, int64))
def _unlink(book: Book, slot: int) -> None:
    """Take an order out of its queue; its lots are off the level's total already."""
    orders = book.orders
    place = orders[slot, PRICE] & MASK
    before, after = orders[slot, PREVIOUS], orders[slot, NEXT]
    if before >= 0:
        orders[before, NEXT] = after
    else:
        book.head[place] = after
    if after >= 0:
        orders[after, PREVIOUS] = before
    else:
        book.tail[place] = before
    if orders[slot, OWNER] != 0:
        book.marks[OWN] -= 1
    orders[slot, OWNER] = 0
    orders[slot, LOTS] = 0
    orders[slot, NEXT] = book.marks[FREE]
    book.marks[FREE] = slot


@compiled(void(BOOK, int64))
def settle(book: Book, side: int) -> None:
    """Move the side's best on to the next level that holds something, where the best was emptied."""
    price = book.marks[BID if side > 0 else ASK]
    for _ in range(REACH):
        if book.total[price & MASK] > 0:
            break
        price -= side
    book.marks[BID if side > 0 else ASK] = price


@compiled(void(BOOK, int64))
def remove(book: Book, slot: int) -> None:
    """Cancel one order whole. The caller settles the side."""
    price, lots = book.orders[slot, PRICE], book.orders[slot, LOTS]
    _touch(book, price)
    book.total[price & MASK] -= lots
    _unlink(book, slot)


@compiled(int64(BOOK, int64, int64))
def trim(book: Book, price: int, lots: int) -> int:
    """Cancel up to `lots` of the market's orders at a price, the latest first. Returns how many it was."""
    slot, done = book.tail[price & MASK], 0
    while slot >= 0 and done < lots:
        before = book.orders[slot, PREVIOUS]
        if book.orders[slot, OWNER] == 0:
            part = min(lots - done, book.orders[slot, LOTS])
            if done == 0:
                _touch(book, price)
            book.total[price & MASK] -= part
            book.orders[slot, LOTS] -= part
            done += part
            if book.orders[slot, LOTS] == 0:
                _unlink(book, slot)
        slot = before
    return done


@compiled(int64(BOOK, OUTPUT, int64, int64, int64, int64, int64))
def take(book: Book, out: Output, now_ns: int, side: int, limit: int, lots: int, owner: int) -> int:
    """Let a taker of `side` trade up to `lots`, no worse than `limit`. Returns what it did not get.

    One trade for each order it meets. An order of ours that it meets with another of ours expires.
    """
    marks, orders = book.marks, book.orders
    best = ASK if side > 0 else BID
    while lots > 0 and (limit - marks[best]) * side >= 0 and book.total[marks[best] & MASK] > 0:
        if out.counts[N_EVENTS] + 4 > len(out.events):
            break
        price = marks[best]
        place = price & MASK
        slot = book.head[place]
        other, part = orders[slot, OWNER], min(lots, orders[slot, LOTS])
        _touch(book, price)
        if other != 0 and owner != 0:
            write(out, OWN_EXPIRED, now_ns, other, orders[slot, LOTS], 0, 0, 0, 0)
            book.total[place] -= orders[slot, LOTS]
            _unlink(book, slot)
        else:
            lots -= part
            book.total[place] -= part
            orders[slot, LOTS] -= part
            marks[TRADE_ID] += 1
            marks[VOLUME] += part
            trade, left = marks[TRADE_ID], orders[slot, LOTS]
            write(out, TRADE, now_ns, trade, price, part, side, 0, 0)
            if owner != 0:
                write(out, OWN_FILL, now_ns, owner, price, part, 0, lots, trade)
            if other != 0:
                write(out, OWN_FILL, now_ns, other, price, part, 1, left, trade)
            if left == 0:
                _unlink(book, slot)
        if book.total[place] == 0:
            settle(book, -side)
    return lots


@compiled(int64(BOOK, int64, _I1))
def _side_row(book: Book, side: int, row: Ints) -> int:
    """Write the best tiers of one side into `row` (40,). Returns how many there were."""
    price, found = book.marks[BID if side > 0 else ASK], 0
    row[:] = 0
    for _ in range(REACH):
        lots = book.total[price & MASK]
        if lots > 0:
            row[2 * found], row[2 * found + 1] = price, lots
            found += 1
            if found == TIERS:
                break
        price -= side
    return found


@compiled(boolean(BOOK, OUTPUT, int64))
def publish(book: Book, out: Output, now_ns: int) -> bool:
    """Write the diff of all levels changed since the last, absolute, ascending, bids first; and the tiers.

    A level that came and went in between is deleted too, on each side that it was on: whoever began with a
    snapshot of that moment has it.

    False where the buffers have no room: nothing is written.
    """
    marks = book.marks
    count = marks[DIRTY_COUNT]
    place, row = out.counts[N_LEVELS], out.counts[N_ROWS]
    if (
        place + 2 * count > len(out.levels)
        or row == len(out.rows)
        or out.counts[N_EVENTS] + 4 > len(out.events)
    ):
        return False
    book.dirty[:count].sort()
    first, bids_end = place, place
    for side in (1, -1):
        for i in range(count):
            price = book.dirty[i]
            lots, was = book.total[price & MASK], book.was[price & MASK] & (WAS_BID if side > 0 else WAS_ASK)
            is_side = (price <= marks[BID]) == (side > 0)
            if lots > 0 and is_side:
                out.levels[place, 0], out.levels[place, 1], out.levels[place, 2] = side, price, lots
                place += 1
            elif was != 0:
                out.levels[place, 0], out.levels[place, 1], out.levels[place, 2] = side, price, 0
                place += 1
        if side > 0:
            bids_end = place
    marks[DIRTY_COUNT] = 0
    marks[DIFF] += 1
    previous = marks[LAST_DIFF_ID]
    marks[LAST_DIFF_ID] = marks[UPDATE_ID]
    write(out, DEPTH, now_ns, previous + 1, marks[UPDATE_ID], previous, first, bids_end, place)
    _side_row(book, 1, out.rows[row, : ROW // 2])
    _side_row(book, -1, out.rows[row, ROW // 2 :])
    out.counts[N_LEVELS] = place
    out.counts[N_ROWS] += 1
    return True
