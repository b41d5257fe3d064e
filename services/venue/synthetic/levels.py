"""The levels behind the best, compiled: each has a chance to be occupied and a law of sizes, by its distance.

A look at a level draws it anew from what it should be; so the book has the shape of the tables wherever it
has been looked at since the price last moved. Only the market's own orders are added and cancelled.
"""

from __future__ import annotations

import numpy as np
from numba import float64 as f64
from numba import int64, types, uint64, void
from numpy.typing import NDArray

from services.venue.synthetic.compiled import compiled
from services.venue.synthetic.draws import lognormal, uniform
from services.venue.synthetic.matching import BOOK, MASK, add, trim
from services.venue.synthetic.parameters import Parameters, Tables
from services.venue.synthetic.state import ASK, BID, Book

Seeds = NDArray[np.uint64]

_SEEDS = uint64[::1]
PARAMETERS = types.NamedUniTuple(f64, len(Parameters._fields), Parameters)  # type: ignore[no-untyped-call]
TABLES = types.NamedTuple((f64[::1], f64[::1], int64[::1]), Tables)  # type: ignore[no-untyped-call]


@compiled(void(BOOK, int64, int64, int64))
def resize(book: Book, side: int, price: int, lots: int) -> None:
    """Bring a level to `lots` by one order more, or by cancels from the end of its queue."""
    total = book.total[price & MASK]
    if lots > total:
        add(book, side, price, lots - total, 0)
    elif lots < total:
        trim(book, price, total - lots)


@compiled(void(BOOK, PARAMETERS, TABLES, _SEEDS, int64, int64, f64))
def look(
    book: Book, p: Parameters, tables: Tables, seeds: Seeds, side: int, distance: int, modify: float
) -> None:
    """Draw the level `distance` >= 1 behind the side's best anew; with probability `modify` only its size."""
    price = book.marks[BID if side > 0 else ASK] - side * distance
    is_empty = book.total[price & MASK] == 0
    if uniform(seeds) < modify:
        if is_empty:
            return
    elif uniform(seeds) >= tables.occupancy[distance]:
        if not is_empty:
            trim(book, price, book.total[price & MASK])
        return
    lots = 1 + int(lognormal(seeds, tables.log_median[distance], p.depth_sigma))
    resize(book, side, price, lots)


@compiled(void(BOOK, PARAMETERS, TABLES, _SEEDS, int64))
def background(book: Book, p: Parameters, tables: Tables, seeds: Seeds, looks: int) -> None:
    """Look at levels of both sides, near ones more often."""
    for _ in range(looks):
        u = uniform(seeds)
        side = 1
        if u >= 0.5:
            side, u = -1, u - 0.5
        distance = tables.distances[int(u * 2 * len(tables.distances))]
        look(book, p, tables, seeds, side, distance, p.depth_modify)


@compiled(void(BOOK, PARAMETERS, TABLES, _SEEDS, int64, int64))
def follow(book: Book, p: Parameters, tables: Tables, seeds: Seeds, side: int, moved: int) -> None:
    """Bring the levels of a side into place after its best moved by `moved` ticks, above 0 towards the other
    side. The ticks left behind between old and new best are all looked at, near ones often."""
    reach, best = int(p.reach), book.marks[BID if side > 0 else ASK]
    for distance in range(1, max(int(p.depth_near), moved) + 1):
        is_due = distance <= moved or uniform(seeds) < p.depth_redraw
        if is_due and distance <= reach:
            look(book, p, tables, seeds, side, distance, 0.0)
    if moved > 0:
        for distance in range(reach + 1, reach + moved + 1):
            price = best - side * distance
            if book.total[price & MASK] > 0:
                trim(book, price, book.total[price & MASK])
    else:
        for distance in range(max(1, reach + moved + 1), reach + 1):
            look(book, p, tables, seeds, side, distance, 0.0)
