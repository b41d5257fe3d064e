"""From volume to price: where in a book the gross optimum lies, and which depths probes should try.

The article warns that volume traded in a second is no place in the book. What is shown here is the price at
which the size displayed in front reaches that volume.
"""

from __future__ import annotations

import numpy as np

from research.flow.entries import Entries
from services.features.flow.law import Floats, Ints

ASKS = 40
TIERS = 20
SAMPLES = 2_000  # books that are looked at, evenly
FARTHEST = 1_000_000  # ticks: the book ends before


def price_at(row: Ints, side: int, lots: float) -> int | None:
    """The price in ticks of the first tier of one side at which the sizes so far reach `lots`; None where 20
    tiers hold less. row: (80,)."""
    start = 0 if side > 0 else ASKS
    sizes = row[start + 1 : start + ASKS : 2]
    reached = np.flatnonzero(np.cumsum(sizes) >= lots)
    return int(row[start + 2 * reached[0]]) if len(reached) else None


def depth_for(entries: Entries, side: int, lots: float) -> int | None:
    """The median over all books of how many ticks behind the best price `price_at` is; None where half of the
    books show less than `lots`."""
    rows = entries.rows[:: max(1, len(entries.rows) // SAMPLES)]
    start = 0 if side > 0 else ASKS
    prices, sizes = rows[:, start : start + ASKS : 2], rows[:, start + 1 : start + ASKS : 2]
    is_reached = np.cumsum(sizes, axis=1) >= lots
    place = np.argmax(is_reached, axis=1)
    ticks = np.abs(prices[np.arange(len(rows)), place] - prices[:, 0])
    middle = int(np.median(np.where(is_reached.any(axis=1), ticks, FARTHEST)))
    return middle if middle < FARTHEST else None


def quantile_depths(entries: Entries, side: int, volumes_lots: Ints, quantiles: Floats) -> list[int]:
    """Depths in ticks at quantiles of the volume of a second, ascending, each once."""
    wanted = [depth_for(entries, side, float(np.quantile(volumes_lots, each))) for each in quantiles]
    return sorted({ticks for ticks in wanted if ticks is not None})
