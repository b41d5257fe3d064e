"""The compiled loop of the feature benchmark: each diff into the collector's book, its best tiers to the
kernel of the features, a vector out. Only calls of what serves live."""

from __future__ import annotations

from pathlib import Path

from numba import float64 as f64
from numba import int64

from services.collector import ladder
from services.collector.compiled import KERNEL as BOOK
from services.collector.state import TIERS, TIERS_AT, Array
from services.features import kernel
from services.features.compiled import I1, I2, STATE
from services.features.compiled import KERNEL as FEATURES
from services.features.state import Floats, Ints, State
from shared.compiled import compiler

ROW_END = TIERS_AT + kernel.ROW
KERNELS = (("collector", BOOK), ("features", FEATURES))
SERVICES = Path(__file__).parents[1] / "services"
FILES = [
    __file__,
    *(f"{SERVICES}/{service}/{name}.py" for service, kernel_of in KERNELS for name in kernel_of),
]
compiled = compiler(FILES)


@compiled(int64(I1, I2, STATE, int64, I2, I1, int64, int64, f64[:, ::1]))
def run(
    book: Array, far: Array, state: State, start: int, events: Ints, levels: Ints,
    tick_e9: int, lot_e9: int, values: Floats,
) -> int:  # fmt: skip
    """Step through a tape from event `start` on. Returns how many events are done: fewer than all where the
    table of far levels or a ring is full; grow, then go on from there: a diff can be applied twice.

    book, far: a `Ladder`'s. events, levels: a `Tape`'s. values: (m, `WIDTH`), written, one row a vector.
    """
    row = book[TIERS_AT:ROW_END]
    written = 0
    for i in range(start):
        written += events[i, 0] == kernel.LOB or events[i, 0] == kernel.FIRST_LOB
    for i in range(start, len(events)):
        kind, now_ns = events[i, 0], events[i, 1]
        if kind == kernel.TRADE:
            if not kernel.on_trade(state, now_ns, events[i, 3], events[i, 4]):
                return i
            continue
        bids, asks = ladder.apply_rows(book, far, levels, events[i, 3], events[i, 4], events[i, 5])
        if bids < 0:
            return i
        if kind != kernel.LOB and kind != kernel.FIRST_LOB:
            continue
        row[2 * bids : 2 * TIERS] = 0
        row[2 * TIERS + 2 * asks :] = 0
        if kind == kernel.FIRST_LOB:
            kernel.reset(state)
        if not kernel.on_lob(state, now_ns, row):
            return i
        kernel.emit(state, now_ns, row, tick_e9, lot_e9, values[written])
        written += 1
    return len(events)
