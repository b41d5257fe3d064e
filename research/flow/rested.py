"""Probes over a recording: what orders resting at each depth were worth, gross and net, and whether to
quote."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from research.flow.calibration import Calibration, calibration_of
from research.flow.entries import Entries, probe
from research.flow.resting import price_at, quantile_depths
from services.features.flow import fills, law
from services.features.flow import probe as p
from services.features.flow.fit import depths_of, split
from services.features.flow.law import Floats, Ints
from services.features.flow.leaving import Walk, first_of_seconds, spread_ticks
from services.features.flow.orders import Orders
from services.features.flow.probe import LINEAR, LOGARITHMIC, RISK_AVERSE, TICKS, Setup
from services.features.flow.windows import windows_of
from services.trader.quoting import Costs, Standing, Value, best, values_of
from shared.errors import BadInput
from shared.units import MS, SECOND

QUANTILES: Floats = np.array([0.5, 0.8, 0.95])  # of the volume of a second, where probes are tried too
CANCELS = {"risk-averse": RISK_AVERSE, "logarithmic": LOGARITHMIC, "linear": LINEAR}


class SideRested(NamedTuple):
    """Orders resting on one side (+1 bids): depths nearest first with their values at the last book; `quoted`
    None says: do not quote. `fill_rates` by how cancels are shared out."""

    side: int
    needs: fills.Needs
    values: list[Value]
    probes: list[tuple[int, int, float, float]]  # probes, fills, predicted, error of the edge
    calibration: Calibration | None
    quoted: Value | None
    fill_rates: dict[str, list[float]]
    gross_price_ticks: int | None  # where the last book reaches the gross optimum; None without one
    costs: Costs  # with the spread and slippage of leaving

    @property
    def answer(self) -> str:
        """In words."""
        return "do not quote" if self.quoted is None else f"quote {self.quoted.ticks} ticks behind"


def rested_of(
    entries: Entries,
    side: int,
    takers: Orders,
    optimum_lots: float,
    setup: Setup,
    costs: Costs,
    own_lots: int,
) -> SideRested:
    """Probes of one side through a recording. `takers` are those who meet them; `optimum_lots` NaN for
    none."""
    volumes = windows_of(takers, 1.0).volumes_lots
    ticks = tuple(sorted({*TICKS, *quantile_depths(entries, side, volumes, QUANTILES)}))
    of_life, share = _of_life(takers, setup)
    rates: dict[str, list[float]] = {}
    for name, cancels in CANCELS.items():
        probes = probe(entries, ticks, setup._replace(cancels=cancels))
        records = split(p.between(probes, 0, entries.until_ns - setup.whole_ns), side)
        needs = fills.needs_of(records, len(ticks), own_lots)
        depths = depths_of(records, ticks, setup, needs, of_life, share)
        rates[name] = [depth.fills / depth.probes if depth.probes else float("nan") for depth in depths]
        if cancels == setup.cancels:
            kept = records, needs, depths
    records, needs, depths = kept
    row = entries.rows[-1]
    # Bids that are filled are left by selling, and so on.
    books = first_of_seconds(entries.rows, entries.row_ns)
    costs = msgspec.structs.replace(
        costs,
        spread_ticks=spread_ticks(books),
        slippage_ticks=Walk.of(books, -side).slippage_ticks(own_lots),
    )
    exit_rate = touch_rate(entries, -side, setup) if costs.leaves_as_maker else 0.0
    standing = Standing(side, int(row[0]), int(row[40]))
    values = values_of(depths, standing, costs, exit_rate)

    def foretell(known: Ints, asked: Ints) -> Floats:
        """By what was known once all of `known` were done, on the tape and of the book."""
        known_ms = int(known[-1, p.PLACED] + setup.whole_ns) // MS if len(known) else 0
        before = _of_life(takers.between(0, known_ms), setup)
        return fills.predicted(asked, fills.needs_of(known, len(ticks), own_lots), *before)

    return SideRested(
        side=side,
        needs=needs,
        values=values,
        probes=[(depth.probes, depth.fills, depth.predicted, depth.edge_error) for depth in depths],
        calibration=calibration_of(records, foretell, setup.whole_ns),
        quoted=best(values),
        fill_rates=rates,
        gross_price_ticks=price_at(row, side, optimum_lots) if optimum_lots > 0.0 else None,
        costs=costs,
    )


def _of_life(takers: Orders, setup: Setup) -> tuple[law.SizeLaw | None, float]:
    """The law of the volume of a lifetime, and how often there is any."""
    life = windows_of(takers, setup.lifetime_ns / SECOND)
    try:
        return law.fit(life.volumes_lots), life.chance
    except BadInput:
        return None, life.chance


def touch_rate(entries: Entries, side: int, setup: Setup) -> float:
    """The share of probes at the best price of one side that were filled: of a maker's exit."""
    records = split(p.between(probe(entries, (0,), setup), 0, entries.until_ns - setup.whole_ns), side)
    return float(np.mean(records[:, p.STATE] == p.MARKED)) if len(records) else 0.0
