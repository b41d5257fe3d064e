"""Where the order flow stands: its excitements, targets and reference, and when something may happen next."""

from __future__ import annotations

from numba import float64 as f64
from numba import int64, types, uint64, void

from services.venue.synthetic.compiled import compiled
from services.venue.synthetic.draws import exp, exponential, lognormal, uniform
from services.venue.synthetic.levels import PARAMETERS
from services.venue.synthetic.matching import BOOK, MASK, OUTPUT, add, write
from services.venue.synthetic.parameters import Parameters
from services.venue.synthetic.state import ASK, BID, SLOTS, TICKER, UPDATE_ID, Book, Flow, Output

# Places in `Flow.times`.
NOW, NEXT_DIFF, NEXT_SECOND, CANDIDATE = range(4)
# Places in `Flow.values`.
TAKERS, UP, DOWN = 0, 1, 2  # excitement: arrivals a second above the usual
LOG_VOLATILITY = 3
TRANSIENT = 4  # ticks that will be undone
PENDING = 5  # ticks by which the next move is longer or shorter
TARGET_BID, TARGET_ASK = 6, 7  # sizes to which the bests tend
REFERENCE = 8  # the price around which makers quote, in ticks
MARKED = 9  # the mark price in ticks
CARRY = 10  # part of a look at a level that is owed
OPENING = 11  # the reference at the start
BOUND = 12  # the rate at which the candidate was drawn
PREMIUM = 13  # of the mark over the index, a share of it
PREMIUM_WINDOW, PREMIUM_SUM, PREMIUM_COUNT = 14, 15, 16  # the funding window, and its premiums so far

SECOND = 1e9

_I1, _I2 = int64[::1], int64[:, ::1]
FLOW = types.NamedTuple((_I1, f64[::1], _I2, _I1, uint64[::1]), Flow)  # type: ignore[no-untyped-call]


@compiled(f64(BOOK))
def middle(book: Book) -> float:
    """The mid price in ticks."""
    return float(book.marks[BID] + book.marks[ASK]) / 2.0


@compiled(void(BOOK, FLOW, OUTPUT))
def tell_best(book: Book, flow: Flow, out: Output) -> None:
    """Write a ticker where the best of either side is not what it was."""
    marks, last = book.marks, flow.ticker
    bid, ask = marks[BID], marks[ASK]
    bid_lots, ask_lots = book.total[bid & MASK], book.total[ask & MASK]
    if last[0] != bid or last[1] != bid_lots or last[2] != ask or last[3] != ask_lots:
        last[0], last[1], last[2], last[3] = bid, bid_lots, ask, ask_lots
        write(out, TICKER, flow.times[NOW], marks[UPDATE_ID], bid, bid_lots, ask, ask_lots, 0)


@compiled(void(FLOW, PARAMETERS, int64))
def retarget(flow: Flow, p: Parameters, side: int) -> None:
    """Draw anew the size to which the side's best tends."""
    target = p.best_target * lognormal(flow.seeds, 0.0, p.best_target_sigma)
    flow.values[TARGET_BID if side > 0 else TARGET_ASK] = target


@compiled(int64(FLOW, PARAMETERS))
def taker_side(flow: Flow, p: Parameters) -> int:
    """The side of the next taker: of a metaorder under way, or either."""
    seeds, rows = flow.seeds, flow.metaorders
    if uniform(seeds) >= p.metaorder_share:
        return 1 if uniform(seeds) < 0.5 else -1
    place = int(uniform(seeds) * SLOTS)
    if rows[place, 1] <= 0:
        rows[place, 0] = 1 if uniform(seeds) < 0.5 else -1
        length = p.metaorder_least * exp(exponential(seeds) / p.metaorder_exponent)
        rows[place, 1] = int(min(length, 2000.0))
    rows[place, 1] -= 1
    return int(rows[place, 0])


@compiled(void(BOOK, FLOW, PARAMETERS, int64, int64, f64))
def felt(book: Book, flow: Flow, p: Parameters, side: int, lots: int, before: float) -> None:
    """Let the market feel a taker of `lots`: excitement, pressure, and a new reference where he moved it."""
    values = flow.values
    values[TAKERS] += p.taker_branching * p.taker_decay
    pushed = p.flow_impact * side * lots
    moved = middle(book) - before
    values[REFERENCE] += p.permanent_share * moved
    values[PENDING] += pushed
    values[TRANSIENT] += pushed


@compiled(void(BOOK, PARAMETERS, int64, int64))
def wall(book: Book, p: Parameters, side: int, first: int) -> None:
    """Where a side was emptied altogether, post one order at the end of its reach behind its last best."""
    if book.total[book.marks[BID if side > 0 else ASK] & MASK] == 0:
        add(book, side, first - side * int(p.reach), int(p.best_target), 0)


@compiled(void(BOOK, FLOW, PARAMETERS))
def plan(book: Book, flow: Flow, p: Parameters) -> None:
    """Draw when something may happen next, at a rate that is not exceeded until then."""
    values = flow.values
    rate = p.best_rate + p.taker_rate + values[TAKERS] + values[UP] + values[DOWN]
    rate += p.move_rate * exp(values[LOG_VOLATILITY])
    if book.marks[ASK] - book.marks[BID] > 1:
        rate += p.refill_rate
    values[BOUND] = rate
    flow.times[CANDIDATE] = flow.times[NOW] + 1 + int(exponential(flow.seeds) / rate * SECOND)


@compiled(void(FLOW, PARAMETERS, int64))
def pass_time(flow: Flow, p: Parameters, now_ns: int) -> None:
    """Let excitements fade up to `now_ns`."""
    values, seconds = flow.values, (now_ns - flow.times[NOW]) / SECOND
    values[TAKERS] *= exp(-p.taker_decay * seconds)
    fade = exp(-p.move_decay * seconds)
    values[UP] *= fade
    values[DOWN] *= fade
    flow.times[NOW] = now_ns
