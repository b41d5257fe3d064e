"""How far the price moves: within one taker order, and over two seconds; and the volume that goes with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.features.flow.law import Ints
from services.features.flow.orders import Orders
from services.features.flow.windows import Windows

FARTHEST_TICKS = 13  # of the article's table of single orders
FEWEST_SHOCKS = 10  # a row must count more
FEWEST_CHANGES = 30  # the same, of changes over two seconds
SHOCKS_TICKS = 10  # mean sizes are shown below it, and above 0
CHANGES_TICKS = 15


class Row(NamedTuple):
    """One distance in ticks, signed where it is a change: how often, which share, and the mean volume in
    lots."""

    ticks: int
    times: int
    share: float
    mean_lots: float


def shocks_of(orders: Orders) -> list[Row]:
    """By |last - first price| of an order, 0 to 13 ticks. Shares are of all orders; rarer distances are left
    out, as in the article."""
    rows = _rows(orders.shocks_ticks, orders.sizes_lots)
    return [row for row in rows if row.ticks <= FARTHEST_TICKS and row.times > FEWEST_SHOCKS]


def changes_of(windows: Windows) -> list[Row]:
    """By signed change over a window, 0 left out; most frequent first. Shares are of windows with a change.
    Only one side's orders are looked at: a move against the taker is seen one tick less often than it
    happened."""
    moved = windows.changes_ticks != 0
    rows = _rows(windows.changes_ticks[moved], windows.volumes_lots[moved])
    return sorted(
        (row for row in rows if row.times > FEWEST_CHANGES), key=lambda row: (-row.times, row.ticks)
    )


def lots_a_tick(distances_ticks: Ints, lots: Ints, below_ticks: int) -> float:
    """Lots that go with one tick more: the slope of mean volume over 0 < ticks < `below_ticks`, of rare moves
    too, as in the article; NaN where there are fewer than two. The article: about 1,000 a tick for orders,
    2,000 over two seconds."""
    chosen = [row for row in _rows(distances_ticks, lots) if 0 < row.ticks < below_ticks]
    if len(chosen) < 2:
        return float("nan")
    weights = np.array([row.times for row in chosen], np.float64)
    ticks = np.array([row.ticks for row in chosen], np.float64)
    means = np.array([row.mean_lots for row in chosen])
    center = np.average(ticks, weights=weights)
    spread = np.average((ticks - center) ** 2, weights=weights)
    return float(np.average((ticks - center) * means, weights=weights) / spread)


def _rows(distances: Ints, lots: Ints) -> list[Row]:
    found, places, counts = np.unique(distances, return_inverse=True, return_counts=True)
    sums = np.zeros(len(found), np.int64)
    np.add.at(sums, places, lots)
    return [
        Row(int(ticks), int(count), int(count) / len(distances), int(total) / int(count))
        for ticks, count, total in zip(found, counts, sums, strict=True)
    ]
