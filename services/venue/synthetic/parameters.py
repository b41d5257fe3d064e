"""The parameters of the synthetic market, by symbol, fitted to `research/market_targets.py`.

Rates are per second, sizes in lots, distances in ticks, times in seconds.
"""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np

from services.venue.synthetic.state import Floats, Ints
from shared.units import Scale

CHOICES = 4096  # entries of the table from which a distance is drawn


class Parameters(NamedTuple):
    """What the kernel reads, all floats."""

    # Takers that stay within the best level: self-exciting arrivals, log-normal sizes.
    taker_rate: float  # without excitement
    taker_branching: float  # arrivals that one arrival brings about
    taker_decay: float
    taker_log_median: float
    taker_sigma: float
    taker_most: float  # of the best level, at most this share
    # Sides: with this probability that of one of two metaorders of Pareto length, else either.
    metaorder_share: float
    metaorder_least: float
    metaorder_exponent: float
    # Moves of the reference price: mutually exciting up and down, log-normal or a few ticks.
    move_rate: float
    move_same: float  # moves the same way that one move brings about
    move_opposite: float
    move_decay: float
    move_log_median: float
    move_sigma: float
    move_small: float  # share of moves of a few ticks
    move_small_more: float  # probability of one tick more, of those
    move_tilt: float  # how the imbalance of the best five tiers tilts their direction
    move_lean: float  # and makes a move with it longer, one against it shorter: a power of e
    move_retained: float  # exponent of the share that makers leave standing before a sweep
    move_sudden: float  # share of moves before which no maker withdraws
    move_excites: float  # taker arrivals that a move brings about
    volatility_sigma: float
    volatility_decay: float
    # Impact: what of a move, or of traded lots, is undone later, and how fast.
    transient_share: float
    transient_decay: float
    flow_impact: float  # ticks per lot of a taker, transient
    permanent_share: float  # of a move by others than the reference, ours included
    # The best level: adds and cancels around a target redrawn at each move.
    best_rate: float
    best_log_median: float
    best_sigma: float
    best_target: float
    best_target_sigma: float
    best_start: float  # share of the target posted at once, at most
    best_restless: float  # probability that the target is drawn anew in a second
    # Makers who close the spread.
    refill_rate: float
    refill_whole: float  # probability that they close it at once
    # The levels behind.
    depth_interval: float
    depth_jitter: float
    depth_rate: float  # looks at a level
    depth_modify: float  # share of looks that change a size only
    depth_sigma: float
    depth_redraw: float  # share of near levels looked at when the price moves
    depth_near: float  # ticks that are near
    reach: float  # ticks behind the best up to which the book is kept
    # Marks.
    mark_decay: float
    premium_mean: float  # of the mark over the index
    premium_sigma: float
    premium_decay: float
    homing: float  # tilt of moves per relative distance from the opening price


class Tables(NamedTuple):
    """By distance behind the best, in ticks: occupancy of a level, log of its median size; and a table of
    distances to draw a look from."""

    occupancy: Floats
    log_median: Floats
    distances: Ints


class Model(NamedTuple):
    """Everything that makes a symbol."""

    scale: Scale
    opening_ticks: int
    parameters: Parameters
    tables: Tables


def _between(knots: list[tuple[int, float]], reach: int) -> Floats:
    """(reach + 1,) values on straight lines between knots."""
    at, values = np.array(knots, np.float64).T
    return np.asarray(np.interp(np.arange(reach + 1), at, values), np.float64)


def _tables(
    reach: int,
    sigma: float,
    width: float,
    occupancy: list[tuple[int, float]],
    mean_lots: list[tuple[int, float]],
) -> Tables:
    """Tables from knots (distance, value), straight between them. Looks fall off as 1 / (width +
    distance)."""
    medians = [log(mean) - sigma * sigma / 2 for mean in _between(mean_lots, reach)]
    weights = 1.0 / (width + np.arange(1, reach + 1))
    ends = np.cumsum(weights) / weights.sum()
    distances = 1 + np.searchsorted(ends, (np.arange(CHOICES) + 0.5) / CHOICES)
    return Tables(
        _between(occupancy, reach), np.array(medians), np.minimum(distances, reach).astype(np.int64)
    )


_BTC = Parameters(
    taker_rate=8.7,
    taker_branching=0.34,
    taker_decay=150.0,
    taker_log_median=log(22),
    taker_sigma=2.15,
    taker_most=0.9,
    metaorder_share=0.8,
    metaorder_least=4.0,
    metaorder_exponent=3.0,
    move_rate=0.7,
    move_same=0.63,
    move_opposite=0.07,
    move_decay=8.0,
    move_log_median=log(23),
    move_sigma=0.78,
    move_small=0.42,
    move_small_more=0.5,
    move_tilt=4.7,
    move_lean=1.0,
    move_retained=3.0,
    move_sudden=0.31,
    move_excites=0.4,
    volatility_sigma=0.12,
    volatility_decay=1 / 300,
    transient_share=0.26,
    transient_decay=0.8,
    flow_impact=0.0005,
    permanent_share=0.5,
    best_rate=240.0,
    best_log_median=log(30),
    best_sigma=1.2,
    best_target=3700.0,
    best_target_sigma=0.75,
    best_start=1.0,
    best_restless=0.88,
    refill_rate=500.0,
    refill_whole=0.3,
    depth_interval=0.0526,
    depth_jitter=0.004,
    depth_rate=2350.0,
    depth_modify=0.5,
    depth_sigma=1.85,
    depth_redraw=0.6,
    depth_near=120.0,
    reach=2000.0,
    mark_decay=0.2,
    premium_mean=-0.0003,
    premium_sigma=0.0003,
    premium_decay=1 / 7200,
    homing=1.0,
)

_ETH = Parameters(
    taker_rate=7.8,
    taker_branching=0.04,
    taker_decay=150.0,
    taker_log_median=log(104),
    taker_sigma=2.3,
    taker_most=0.9,
    metaorder_share=0.97,
    metaorder_least=4.0,
    metaorder_exponent=3.0,
    move_rate=1.04,
    move_same=0.46,
    move_opposite=0.06,
    move_decay=8.0,
    move_log_median=log(15.3),
    move_sigma=0.6,
    move_small=0.36,
    move_small_more=0.5,
    move_tilt=2.1,
    move_lean=0.0,
    move_retained=4.0,
    move_sudden=0.22,
    move_excites=0.05,
    volatility_sigma=0.12,
    volatility_decay=1 / 300,
    transient_share=0.22,
    transient_decay=0.8,
    flow_impact=0.00005,
    permanent_share=0.5,
    best_rate=135.0,
    best_log_median=log(245),
    best_sigma=1.2,
    best_target=25000.0,
    best_target_sigma=0.6,
    best_start=1.0,
    best_restless=0.8,
    refill_rate=500.0,
    refill_whole=0.3,
    depth_interval=0.0526,
    depth_jitter=0.004,
    depth_rate=1500.0,
    depth_modify=0.6,
    depth_sigma=1.6,
    depth_redraw=0.6,
    depth_near=70.0,
    reach=1000.0,
    mark_decay=0.2,
    premium_mean=-0.0003,
    premium_sigma=0.0003,
    premium_decay=1 / 7200,
    homing=1.0,
)


MODELS = {
    "BTCUSDT": Model(
        Scale(100_000_000, 1_000_000), 618_002, _BTC,
        _tables(2000, _BTC.depth_sigma, 400.0,
                [(0, 0.38), (1, 0.38), (2, 0.17), (22, 0.22), (44, 0.30), (74, 0.37), (2000, 0.4)],
                [(0, 600), (22, 1080), (44, 540), (70, 105), (80, 105), (150, 200), (2000, 400)]),
    ),
    "ETHUSDT": Model(
        Scale(10_000_000, 1_000_000), 268_400, _ETH,
        _tables(1000, _ETH.depth_sigma, 120.0,
                [(0, 0.36), (1, 0.36), (2, 0.26), (15, 0.42), (40, 0.69), (1000, 0.75)],
                [(0, 3000), (13, 1750), (23, 1850), (40, 3150), (1000, 3000)]),
    ),
}  # fmt: skip
