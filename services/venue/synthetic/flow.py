"""The order flow, compiled: who comes next, and what he does to the book.

Arrivals are competing point processes, drawn by thinning (Ogata 1981): takers who stay within the best level
(self-exciting), moves of the reference price (mutually exciting, tilted by the imbalance of the best level),
adds and cancels at the best, and makers who close the spread. The levels behind are drawn as the depth ticks.

A move is what carries news: makers withdraw most of what stands in the way, a taker sweeps the rest, and the
spread closes around the new reference. What others do to the book, our orders included, moves the reference
by a share only, and leaves a pressure back that later moves give way to.
"""

from __future__ import annotations

from numba import int64, void

from services.venue.synthetic.arrivals import (
    BOUND,
    CANDIDATE,
    CARRY,
    DOWN,
    FLOW,
    LOG_VOLATILITY,
    MARKED,
    NEXT_DIFF,
    NEXT_SECOND,
    NOW,
    OPENING,
    PENDING,
    REFERENCE,
    SECOND,
    TAKERS,
    TARGET_ASK,
    TARGET_BID,
    TRANSIENT,
    UP,
    felt,
    middle,
    pass_time,
    plan,
    retarget,
    taker_side,
    tell_best,
    wall,
)
from services.venue.synthetic.compiled import compiled
from services.venue.synthetic.draws import exp, exponential, lognormal, normal, uniform
from services.venue.synthetic.levels import PARAMETERS, TABLES, background, follow
from services.venue.synthetic.matching import BOOK, MASK, OUTPUT, add, publish, settle, take, trim
from services.venue.synthetic.ours import expire_far
from services.venue.synthetic.parameters import Parameters, Tables
from services.venue.synthetic.premium import on_mark
from services.venue.synthetic.state import (
    ASK,
    BID,
    LEVELS,
    N_EVENTS,
    N_LEVELS,
    N_ROWS,
    OWN,
    ROOM,
    Book,
    Flow,
    Output,
)

SWEEP_TARGETS = 20.0  # a sweep is no larger than so many usual best levels, whatever stands in its way


@compiled(int64(BOOK, int64))
def near_lots(book: Book, side: int) -> int:
    """Lots of the side's best five tiers, as far as they lie within 200 ticks."""
    price, lots, found = book.marks[BID if side > 0 else ASK], 0, 0
    for _ in range(200):
        here = book.total[price & MASK]
        if here > 0:
            lots += here
            found += 1
            if found == 5:
                break
        price -= side
    return lots


@compiled(void(BOOK, FLOW, OUTPUT, PARAMETERS))
def on_taker(book: Book, flow: Flow, out: Output, p: Parameters) -> None:
    """A taker of the market who takes a part of the best level."""
    side = taker_side(flow, p)
    price = book.marks[ASK if side > 0 else BID]
    most = book.total[price & MASK] * p.taker_most * uniform(flow.seeds)
    lots = 1 + int(min(most, lognormal(flow.seeds, p.taker_log_median, p.taker_sigma)))
    before = middle(book)
    left = take(book, out, flow.times[NOW], side, price, lots, 0)
    felt(book, flow, p, side, lots - left, before)


@compiled(void(BOOK, FLOW, PARAMETERS))
def on_best(book: Book, flow: Flow, p: Parameters) -> None:
    """An add or a cancel at the best of one side, towards its target."""
    seeds = flow.seeds
    side = 1 if uniform(seeds) < 0.5 else -1
    price = book.marks[BID if side > 0 else ASK]
    lots = 1 + int(lognormal(seeds, p.best_log_median, p.best_sigma))
    total = book.total[price & MASK]
    target = flow.values[TARGET_BID if side > 0 else TARGET_ASK]
    if uniform(seeds) * (target + total) < target:
        add(book, side, price, lots, 0)
    elif lots < total:
        trim(book, price, lots)


@compiled(void(BOOK, FLOW, OUTPUT, PARAMETERS))
def on_move(book: Book, flow: Flow, out: Output, p: Parameters) -> None:
    """News: the reference price moves, and the book with it."""
    values, marks, seeds = flow.values, book.marks, flow.seeds
    up, down = values[UP], values[DOWN]
    bids, asks = near_lots(book, 1), near_lots(book, -1)
    imbalance = (bids - asks) / (bids + asks)
    x = p.move_tilt * imbalance - p.homing * (values[REFERENCE] / values[OPENING] - 1.0)
    base = p.move_rate * exp(values[LOG_VOLATILITY])
    tilted = 0.5 + 0.5 * min(max(x, -0.95), 0.95)
    sign = 1 if uniform(seeds) * (base + up + down) < base * tilted + up else -1
    if uniform(seeds) < p.move_small:
        ticks = 2.0
        while uniform(seeds) < p.move_small_more:
            ticks += 1.0
    else:
        ticks = lognormal(seeds, p.move_log_median + values[LOG_VOLATILITY], p.move_sigma)
    ticks *= exp(p.move_lean * sign * imbalance)
    whole = sign * ticks + values[PENDING]
    values[PENDING] = 0.0
    values[TRANSIENT] += p.transient_share * whole
    values[UP if sign > 0 else DOWN] += p.move_same * p.move_decay
    values[DOWN if sign > 0 else UP] += p.move_opposite * p.move_decay
    side = 1 if whole > 0.0 else -1
    ticks_moved = min(int(abs(whole) + 0.5), int(p.reach) // 2)
    if ticks_moved == 0:
        return
    best = ASK if side > 0 else BID
    first = marks[best]
    limit = first + side * (ticks_moved - 1)
    values[REFERENCE] += side * ticks_moved
    retained = exp(-p.move_retained * exponential(seeds))
    if uniform(seeds) < p.move_sudden:
        retained = 1.0
    lots = 1
    for i in range(ticks_moved):
        price = first + side * i
        total = book.total[price & MASK]
        if total > 0:
            trim(book, price, int(total * (1.0 - retained)))
            lots += book.total[price & MASK]
    take(book, out, flow.times[NOW], side, limit, min(lots, int(SWEEP_TARGETS * p.best_target)), 0)
    settle(book, -side)
    wall(book, p, -side, first)
    retarget(flow, p, 1)
    retarget(flow, p, -1)
    values[TAKERS] += p.move_excites * p.taker_decay


@compiled(void(BOOK, FLOW, PARAMETERS, TABLES, int64, int64))
def quote(book: Book, flow: Flow, p: Parameters, tables: Tables, side: int, price: int) -> None:
    """Makers post a new best at `price`, inside the spread."""
    best = BID if side > 0 else ASK
    moved = (price - book.marks[best]) * side
    retarget(flow, p, side)
    target = flow.values[TARGET_BID if side > 0 else TARGET_ASK]
    add(book, side, price, 1 + int(target * p.best_start * (0.5 + 0.5 * uniform(flow.seeds))), 0)
    follow(book, p, tables, flow.seeds, side, moved)


@compiled(void(BOOK, FLOW, PARAMETERS, TABLES))
def on_refill(book: Book, flow: Flow, p: Parameters, tables: Tables) -> None:
    """Makers close the spread around the reference, at once or a part of the way."""
    marks, seeds = book.marks, flow.seeds
    bid = min(max(int(flow.values[REFERENCE]), marks[BID]), marks[ASK] - 1)
    up, down = bid - marks[BID], marks[ASK] - 1 - bid
    if uniform(seeds) >= p.refill_whole:
        up, down = int(up * uniform(seeds)), int(down * uniform(seeds))
    if up > 0:
        quote(book, flow, p, tables, 1, marks[BID] + up)
    if down > 0:
        quote(book, flow, p, tables, -1, marks[ASK] - down)


@compiled(void(BOOK, FLOW, OUTPUT, PARAMETERS))
def on_second(book: Book, flow: Flow, out: Output, p: Parameters) -> None:
    """Volatility wanders; the mark price follows the middle."""
    values = flow.values
    keep = exp(-p.volatility_decay)
    around = -p.volatility_sigma * p.volatility_sigma
    spread = p.volatility_sigma * (2.0 * p.volatility_decay) ** 0.5
    values[LOG_VOLATILITY] = around + keep * (values[LOG_VOLATILITY] - around) + spread * normal(flow.seeds)
    if book.marks[OWN] > 0:
        expire_far(book, flow, out)
    for side in (1, -1):
        if uniform(flow.seeds) < p.best_restless:
            retarget(flow, p, side)
    values[MARKED] += p.mark_decay * (middle(book) - values[MARKED])
    on_mark(flow, out, p)


@compiled(void(BOOK, FLOW, OUTPUT, PARAMETERS, TABLES))
def on_candidate(book: Book, flow: Flow, out: Output, p: Parameters, tables: Tables) -> None:
    """Let happen what the draw at a candidate's time says; perhaps nothing."""
    values = flow.values
    u = uniform(flow.seeds) * values[BOUND] - p.best_rate
    if u < 0.0:
        on_best(book, flow, p)
        return
    u -= p.taker_rate + values[TAKERS]
    if u < 0.0:
        on_taker(book, flow, out, p)
        return
    u -= p.move_rate * exp(values[LOG_VOLATILITY]) + values[UP] + values[DOWN]
    if u < 0.0:
        if book.marks[ASK] - book.marks[BID] == 1:
            on_move(book, flow, out, p)
        return
    if book.marks[ASK] - book.marks[BID] > 1 and u < p.refill_rate:
        on_refill(book, flow, p, tables)


@compiled(int64(BOOK, FLOW, OUTPUT, PARAMETERS, TABLES, int64))
def run(book: Book, flow: Flow, out: Output, p: Parameters, tables: Tables, until_ns: int) -> int:
    """Let the market go on up to and including `until_ns`. Returns the time it has come to: earlier where
    the buffers are full; empty them and go on from there."""
    times, values, seeds = flow.times, flow.values, flow.seeds
    while True:
        if (
            out.counts[N_EVENTS] + ROOM > len(out.events)
            or out.counts[N_LEVELS] + ROOM > LEVELS
            or out.counts[N_ROWS] == len(out.rows)
        ):
            return int(times[NOW])
        due_ns = min(times[NEXT_DIFF], times[NEXT_SECOND], times[CANDIDATE])
        if due_ns > until_ns:
            return until_ns
        pass_time(flow, p, due_ns)
        if due_ns == times[NEXT_DIFF]:
            gap = p.depth_interval + p.depth_jitter * (uniform(seeds) - 0.5)
            fade = exp(-p.transient_decay * gap)
            values[PENDING] -= (1.0 - fade) * values[TRANSIENT]
            values[TRANSIENT] *= fade
            looks = p.depth_rate * gap + values[CARRY]
            values[CARRY] = looks - int(looks)
            background(book, p, tables, seeds, int(looks))
            on_best(book, flow, p)  # so that the diff and a ticker end at one id, as they often do
            tell_best(book, flow, out)
            publish(book, out, due_ns)
            times[NEXT_DIFF] = due_ns + int(gap * SECOND)
        elif due_ns == times[NEXT_SECOND]:
            on_second(book, flow, out, p)
            times[NEXT_SECOND] = due_ns + int(SECOND)
        else:
            on_candidate(book, flow, out, p, tables)
            tell_best(book, flow, out)
        plan(book, flow, p)
