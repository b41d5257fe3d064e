"""A whole file: checked, then every side and aggregation of it, and the orders that would have rested in
it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from research.finite import without_nan
from research.flow import plain
from research.flow.analysis import Report, SideAnalysis, analyze, check_orders
from research.flow.entries import Entries
from research.flow.rested import SideRested, rested_of
from research.flow.source import AGGREGATED, Source, read
from services.features.flow.law import ARTICLE
from services.features.flow.leaving import Walk, first_of_seconds
from services.features.flow.orders import Tape, orders_of
from services.features.flow.probe import Setup
from services.trader.quoting import Costs
from shared.errors import BadInput
from shared.units import SECOND, Scale

FEWEST_ROWS = 100
FEWEST_SECONDS = 20


class FlowReport:
    """What was found. `sides` by aggregation and taker's side; `rested` by side of the book, empty where
    there are no books."""

    def __init__(
        self,
        source: Source,
        sides: dict[str, list[SideAnalysis]],
        rested: list[SideRested],
        setup: Setup,
        costs: Costs,
        own_lots: int,
    ) -> None:
        self.own_lots = own_lots
        self.source, self.sides, self.rested = source, sides, rested
        self.setup, self.costs = setup, costs
        self.units = plain.Units.of(source.scale, source.symbol)

    def plain(self) -> dict[str, Any]:
        """For machines; NaN and infinities are None."""
        return dict(
            without_nan(
                {
                    "symbol": self.source.symbol,
                    "quote": self.units.names.quote,
                    "sizes_in": self.units.names.size,
                    "tick": self.units.tick,
                    "lot": self.units.lot,
                    "rows": {name: len(tape.times_ms) for name, tape in self.source.tapes.items()},
                    "holes": {name: len(tape.holes_ms) for name, tape in self.source.tapes.items()},
                    "seconds": max(_seconds(tape) for tape in self.source.tapes.values()),
                    "flows": [
                        plain.side(found, name, self.units)
                        for name, pair in self.sides.items()
                        for found in pair
                    ],
                    "probes": {
                        "latency_ms": self.setup.latency_ns // 10**6,
                        "lifetime_s": self.setup.lifetime_ns / 1e9,
                        "horizon_s": self.setup.horizon_ns / 1e9,
                        "maker_fee": self.costs.maker_fee,
                        "taker_fee": self.costs.taker_fee,
                        "size": self.units.size(self.own_lots),
                        "leaves_as": "maker" if self.costs.leaves_as_maker else "taker",
                    },
                    "rested": [plain.rested(found, self.units) for found in self.rested],
                }
            )
        )


def report(
    paths: Sequence[Path],
    symbol: str | None,
    setup: Setup,
    costs: Costs,
    size: float,
    say: Report,
    progress: Callable[[int], None] | None = None,
) -> FlowReport:
    """Read and analyze. `size` is that of the resting orders, base currency.

    Raises BadInput, one line, where the tape is too short, one-sided or of one price.
    """
    say("reading")
    source = read(paths, symbol, progress)
    where = ", ".join(str(path) for path in paths)
    own_lots = max(1, round(size / source.scale.size(1)))
    if source.entries is not None:
        _check_order(source.entries, source.scale, setup, own_lots)
    sides: dict[str, list[SideAnalysis]] = {}
    for name, tape in source.tapes.items():
        _check(tape, f"{where} ({name})")
        sides[name] = []
        for side in (1, -1):
            taker = "buys" if side > 0 else "sells"
            saying = partial(_say, say, f"{name}, {taker}")
            sides[name].append(analyze(orders_of(tape, side), side, saying))
    if not sides:
        raise BadInput(f"{where}: holds no trades of {source.symbol}")
    rested = []
    if source.entries is not None:
        aggregation = AGGREGATED if AGGREGATED in sides else next(iter(sides))
        for found in sides[aggregation]:
            say(f"orders resting against {plain.SIDES[found.side]}s")
            optimum = found.impacts["code"].optima[ARTICLE].quantity if found.impacts else float("nan")
            rested.append(
                rested_of(source.entries, -found.side, found.orders, optimum, setup, costs, own_lots)
            )
    return FlowReport(source, sides, rested, setup, costs, own_lots)


def _say(say: Report, of: str, what: str) -> None:
    say(f"{of}: {what}")


def _check(tape: Tape, where: str) -> None:
    rows = len(tape.times_ms)
    if rows < FEWEST_ROWS or _seconds(tape) < FEWEST_SECONDS:
        raise BadInput(
            f"{where}: {rows} rows over {_seconds(tape):.0f} s are too few; "
            f"the flow needs {FEWEST_ROWS} rows over {FEWEST_SECONDS} s"
        )
    sides = np.unique(tape.sides)
    if len(sides) < 2:
        raise BadInput(f"{where}: takers only {'bought' if sides[0] > 0 else 'sold'}: a one-sided tape")
    if np.ptp(tape.prices_ticks) == 0:
        raise BadInput(f"{where}: the price is the same in all {rows} rows")
    for side in (1, -1):
        check_orders(orders_of(tape, side), side, f"{where}: ")


def _check_order(entries: Entries, scale: Scale, setup: Setup, own_lots: int) -> None:
    """Raises BadInput for an order of which the data can say nothing."""
    seconds = (entries.until_ns - entries.from_ns) / SECOND
    if setup.whole_ns / SECOND >= seconds:
        raise BadInput(
            f"--lifetime, --horizon: an order is in the book after {setup.latency_ns / SECOND:g} s, rests "
            f"{setup.lifetime_ns / SECOND:g} s and is judged {setup.horizon_ns / SECOND:g} s later, but "
            f"there are {seconds:.0f} s of data"
        )
    books = first_of_seconds(entries.rows, entries.row_ns)
    for side, name in ((1, "asks"), (-1, "bids")):
        walk = Walk.of(books, side)
        if math.isnan(walk.slippage_ticks(own_lots)):
            held = scale.size(int(np.median(walk.held)))
            raise BadInput(
                f"--size: {scale.size(own_lots):.10g} is more than half of the books hold in 20 tiers of "
                f"{name} (median {held:.10g}): what leaving costs is not known"
            )


def _seconds(tape: Tape) -> float:
    return float(tape.times_ms[-1] - tape.times_ms[0]) / 1000.0 if len(tape.times_ms) else 0.0
