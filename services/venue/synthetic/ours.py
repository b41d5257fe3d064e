"""Our orders in the synthetic book, compiled: they match, wait and move the market like all others."""

from __future__ import annotations

from numba import boolean, int64, void

from services.venue.synthetic.arrivals import FLOW, NOW, felt, middle, pass_time, plan, tell_best, wall
from services.venue.synthetic.compiled import compiled
from services.venue.synthetic.levels import PARAMETERS
from services.venue.synthetic.matching import BOOK, OUTPUT, add, remove, settle, take, write
from services.venue.synthetic.parameters import Parameters
from services.venue.synthetic.state import ASK, BID, GRID, LOTS, OWN_EXPIRED, OWNER, PRICE, Book, Flow, Output

FARTHEST = GRID // 2 - GRID // 16  # from the best, for an order of ours


@compiled(void(BOOK, FLOW, OUTPUT))
def expire_far(book: Book, flow: Flow, out: Output) -> None:
    """End orders of ours from which the market has moved so far that they leave the grid."""
    orders, marks = book.orders, book.marks
    for slot in range(len(orders)):
        owner, price = orders[slot, OWNER], orders[slot, PRICE]
        if owner != 0 and max(marks[BID] - price, price - marks[ASK]) > FARTHEST:
            write(out, OWN_EXPIRED, flow.times[NOW], owner, orders[slot, LOTS], 0, 0, 0, 0)
            remove(book, slot)


@compiled(int64(BOOK, FLOW, OUTPUT, PARAMETERS, int64, int64, int64, int64, int64, boolean))
def place(
    book: Book, flow: Flow, out: Output, p: Parameters, now_ns: int, owner: int, side: int, limit: int,
    lots: int, rests: bool,
) -> int:  # fmt: skip
    """An order of ours at `now_ns`: what it can take, and where it rests, its place in `Book.orders`. Returns
    the place, or minus one less what it did not get where nothing rests."""
    pass_time(flow, p, now_ns)
    before, first = middle(book), book.marks[ASK if side > 0 else BID]
    left = take(book, out, now_ns, side, limit, lots, owner)
    if left < lots:
        wall(book, p, -side, first)
        felt(book, flow, p, side, lots - left, before)
    answer = -1 - left
    if rests and left > 0:
        answer = add(book, side, limit, left, owner)
    tell_best(book, flow, out)
    plan(book, flow, p)
    return answer


@compiled(int64(BOOK, FLOW, OUTPUT, PARAMETERS, int64, int64, int64))
def cancel(book: Book, flow: Flow, out: Output, p: Parameters, now_ns: int, owner: int, slot: int) -> int:
    """Cancel an order of ours. Returns the lots that were left of it; 0 where it was gone."""
    if book.orders[slot, OWNER] != owner:
        return 0
    pass_time(flow, p, now_ns)
    left, side = book.orders[slot, LOTS], 1 if book.orders[slot, PRICE] <= book.marks[BID] else -1
    remove(book, slot)
    settle(book, side)
    tell_best(book, flow, out)
    plan(book, flow, p)
    return int(left)
