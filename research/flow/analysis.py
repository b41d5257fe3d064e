"""One side and one aggregation of a tape through everything: the article's items 1 to 7, and what we add.

Sides are the takers'. Sizes are in lots and prices in ticks here; `plain` converts for people and machines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from research.flow import arrivals, compound, durations, shocks, size_fits
from research.flow.distance import distance
from services.features.flow import impact, law
from services.features.flow.law import ARTICLE, PLAIN, Ints, SizeLaw
from services.features.flow.optimum import Optimum, optimum_of
from services.features.flow.orders import Orders
from services.features.flow.windows import Windows, windows_of
from shared.errors import BadInput

WINDOWS_S = (1.0, 2.0, 5.0, 30.0)
FIT_WINDOWS = 12  # at most: neighboring windows that laws of size are fitted to and judged on
FIT_ORDERS = 200  # at least, in each
FIT_MOST = 20_000  # at most: of a longer window its last ones
FEWEST_ORDERS = 30
FEWEST_WINDOWS = 20  # of T seconds, for anything to be said of them

Report = Callable[[str], None]  # told what is being done


class Form(NamedTuple):
    """A law in one of the two forms, its errors, and its distance from what was seen."""

    law: SizeLaw
    errors: dict[str, float]
    distance: float


class WindowLaw(NamedTuple):
    """Volumes of windows of T seconds, empty ones left out."""

    seconds: float
    windows: int
    filled_share: float
    forms: dict[str, Form]


class Impact(NamedTuple):
    """The line by one placing of the groups' centers, and the gross optimum by both forms of the law."""

    line: impact.Line
    optima: dict[str, Optimum]


class SideAnalysis(NamedTuple):
    """Everything about the takers of one side. Lists are empty where the tape is too short for them."""

    side: int
    orders: Orders
    interval_ms: float
    interval_variation: float  # standard deviation over mean; 1 where arrivals are Poisson
    sizes: dict[str, Form]
    fits: list[size_fits.Score]
    windows: list[WindowLaw]
    durations: list[durations.Duration]
    compounds: list[compound.Compound]
    hawkes: arrivals.Hawkes
    shocks: list[shocks.Row]
    shock_lots_a_tick: float
    changes: list[shocks.Row]
    change_lots_a_tick: float
    groups: impact.Groups
    impacts: dict[str, Impact]  # by where the centers of groups are: code, table


def analyze(orders: Orders, side: int, report: Report) -> SideAnalysis:
    """Raises BadInput where there are too few orders, or all are of one size."""
    check_orders(orders, side)
    intervals = orders.intervals_ms
    report("sizes")
    sizes = _forms(orders.sizes_lots)
    report("laws of size, fitted and judged on the next window")
    fits = size_fits.scores(_fit_windows(orders))
    by_length = {seconds: windows_of(orders, seconds) for seconds in WINDOWS_S}
    long_enough = {
        seconds: windows
        for seconds, windows in by_length.items()
        if len(windows.volumes_lots) >= FEWEST_WINDOWS and np.ptp(windows.volumes_lots)
    }
    report("arrivals")
    process = arrivals.fit_hawkes(orders.seen_ms)
    simulated = arrivals.simulated_ms(process)
    compounds: list[compound.Compound] = []
    found: list[durations.Duration] = []
    for seconds in long_enough:
        report(f"windows of {seconds:g} s")
        compounds += compound.compounds(orders, seconds, process, simulated)
        found.append(durations.duration_of(orders, sizes[ARTICLE].law, seconds))
    two = by_length[2.0]
    groups, impacts = _impacts(by_length[1.0])
    return SideAnalysis(
        side=side,
        orders=orders,
        interval_ms=float(intervals.mean()),
        interval_variation=float(intervals.std() / intervals.mean()),
        sizes=sizes,
        fits=fits,
        windows=[_window_law(windows) for windows in long_enough.values()],
        durations=found,
        compounds=compounds,
        hawkes=process,
        shocks=shocks.shocks_of(orders),
        shock_lots_a_tick=shocks.lots_a_tick(orders.shocks_ticks, orders.sizes_lots, shocks.SHOCKS_TICKS),
        changes=shocks.changes_of(two),
        change_lots_a_tick=shocks.lots_a_tick(two.changes_ticks, two.volumes_lots, shocks.CHANGES_TICKS),
        groups=groups,
        impacts=impacts,
    )


def check_orders(orders: Orders, side: int, where: str = "") -> None:
    """Raises BadInput, which begins with `where`, for too few orders, and for orders all of one size."""
    count = len(orders.times_ms)
    taker = "bought" if side > 0 else "sold"
    if count < FEWEST_ORDERS:
        raise BadInput(f"{where}only {count} orders of takers who {taker}: each side needs {FEWEST_ORDERS}")
    if np.ptp(orders.sizes_lots) == 0:
        raise BadInput(f"{where}no law of sizes: all {count} orders of takers who {taker} are the same")


def _forms(values: Ints) -> dict[str, Form]:
    out = {}
    for form in (ARTICLE, PLAIN):
        found = law.fit(values, form)
        out[form] = Form(found, size_fits.law_errors(values, found), distance(values, found.survival))
    return out


def _window_law(windows: Windows) -> WindowLaw:
    volumes = windows.volumes_lots
    return WindowLaw(windows.seconds, len(volumes), windows.filled_share, _forms(volumes))


def _fit_windows(orders: Orders) -> list[Ints]:
    """Windows of equal length in orders, at least two where there are enough for one pair."""
    count = len(orders.sizes_lots)
    parts = max(2, min(FIT_WINDOWS, count // FIT_ORDERS))
    return [part[-FIT_MOST:] for part in np.array_split(orders.sizes_lots, parts)]


def _impacts(second: Windows) -> tuple[impact.Groups, dict[str, Impact]]:
    """Without a line, and so without an optimum, where volumes are all the same or too few groups moved."""
    mean = float(second.volumes_lots.mean())
    groups = impact.groups_of(second, impact.step_of(mean))
    out = {}
    if np.ptp(second.volumes_lots):
        laws = {form: law.fit(second.volumes_lots, form) for form in (ARTICLE, PLAIN)}
        for name, center in (("code", impact.CODE), ("table", impact.TABLE)):
            line = impact.line_of(groups, center)
            if line is not None:
                optima = {form: optimum_of(each, line.slope, line.intercept) for form, each in laws.items()}
                out[name] = Impact(line, optima)
    return groups, out
