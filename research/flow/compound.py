"""The volume of a window of any length: how many orders arrive, times how large each is.

Sizes are drawn independently from those seen; what differs is the law of counts. The distribution of the sum
comes from the transform of the sizes: sum over n of P(N = n) phi^n.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.flow.arrivals import (
    Counts,
    Hawkes,
    counts_of,
    hawkes_counts,
    negative_binomial,
    poisson,
)
from research.flow.distance import distance
from services.features.flow.law import Floats, Ints
from services.features.flow.orders import Orders
from services.features.flow.windows import unseen, windows_of

CELLS = 1 << 14  # of the grid of volumes
ROOM = 2.0  # times the largest volume seen that the grid reaches


class Compound(NamedTuple):
    """One law of counts at one length: its distance to the volumes seen, given that there were any."""

    name: str
    seconds: float
    windows: int
    distance: float
    parameters: dict[str, float]
    errors: dict[str, float]


def compounds(orders: Orders, seconds: float, process: Hawkes, simulated: Ints) -> list[Compound]:
    """The laws of windows of `seconds`; `simulated` are times of the Hawkes process. Empty where there are
    too few windows to count in."""
    counts = counts_of(orders.times_ms, seconds, unseen(orders, round(seconds * 1000)))
    seen = windows_of(orders, seconds).volumes_lots
    if len(counts) < 2 or not counts.any():
        return []
    laws = [poisson(counts), negative_binomial(counts), hawkes_counts(process, simulated, seconds)]
    out = []
    for each in laws:
        law = VolumeLaw(each, orders.sizes_lots, int(seen.max()))
        far = distance(seen, law.survival)
        out.append(Compound(each.name, seconds, len(seen), far, each.parameters, each.errors))
    return out


class VolumeLaw:
    """P(V > d | N > 0), where V is the sum of N sizes drawn from `sizes_lots`."""

    def __init__(self, counts: Counts, sizes_lots: Ints, largest_lots: int) -> None:
        reach = ROOM * max(largest_lots, int(sizes_lots.max()))
        self.cell_lots = max(1, int(np.ceil(reach / CELLS)))
        cells = np.minimum(-(-sizes_lots // self.cell_lots), CELLS - 1)
        shares = np.bincount(cells, minlength=CELLS) / len(cells)
        transform = np.fft.rfft(shares)
        total = np.zeros_like(transform)
        for chance in counts.chances[::-1]:
            total = total * transform + chance
        volumes = np.maximum(np.fft.irfft(total, CELLS), 0.0)
        volumes[0] = 0.0  # N = 0: what is left is given N > 0
        self._at_most = np.cumsum(volumes) / volumes.sum()

    def survival(self, volumes_lots: Floats) -> Floats:
        """At each of `volumes_lots`, (n,)."""
        cells = np.ceil(np.asarray(volumes_lots) / self.cell_lots).astype(np.int64)
        return np.asarray(1.0 - self._at_most[np.clip(cells, 0, CELLS - 1)])
