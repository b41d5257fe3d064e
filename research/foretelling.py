"""What could be foretold of a market's mid price, second by second, from its book and its takers.

The model is ridge regression on imbalances, order flow, traded flow and past moves of many windows; each
sixth of the time is foretold by a fit on the others.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.market_stats import Array, middle, order_flow, per_second, seconds_grid
from research.observations import Observations
from shared.errors import BadInput
from shared.units import MS

HORIZONS_S = (1, 5, 10, 15)
WINDOWS_S = (1, 2, 5, 10, 30)
TIERS = (1, 2, 5, 10, 20)
BLOCKS = 6
GAP_S = 45  # between a block and the rows of its fit: the longest window and horizon
FEWEST_S = 120  # so that a fit on the other blocks has rows
RIDGE = 1e-3  # of the number of rows, on standardized features


class Foretold(NamedTuple):
    """At each second `at_ns` (n,): `imbalance1` and `imbalance5` of the best and the best five tiers; by
    horizon in seconds the mid's `moves` and what the `model` expected of them, USDT, each (n,)."""

    at_ns: NDArray[np.int64]
    imbalance1: Array
    imbalance5: Array
    moves: dict[int, Array]
    model: dict[int, Array]

    def signals(self, horizon: int) -> dict[str, Array]:
        """Everything whose sign foretells the move, by name."""
        return {
            "model": self.model[horizon],
            "imbalance 5": self.imbalance5,
            "imbalance 1": self.imbalance1,
        }


def foretell(seen: Observations) -> Foretold:
    """Of all seconds that have the longest window behind and the longest horizon ahead of them. Raises
    BadInput where these are too few."""
    grid, index = seconds_grid(seen)
    mid = middle(seen.rows)[index] * seen.scale.price(1)
    features = _features(seen, mid)
    first, last = max(WINDOWS_S), len(mid) - max(HORIZONS_S)
    if last - first < FEWEST_S:
        needed = first + FEWEST_S + max(HORIZONS_S)
        raise BadInput(f"{seen.symbol}: {seen.seconds:.0f} s is too short, {needed} s are needed")
    features = features[first:last]
    moves = {horizon: (mid[horizon:] - mid[:-horizon])[first:last] for horizon in HORIZONS_S}
    model = {horizon: _held_out(features, move) for horizon, move in moves.items()}
    return Foretold(grid[first:last], features[:, TIERS.index(1)], features[:, TIERS.index(5)], moves, model)


def imbalance(rows: np.ndarray[tuple[int, int], np.dtype[np.int32]], tiers: int) -> Array:
    """(bids - asks) / (bids + asks) of the best tiers, of rows (n, 80)."""
    bids = rows[:, 1 : 2 * tiers : 2].sum(axis=1, dtype=np.float64)
    asks = rows[:, 41 : 40 + 2 * tiers : 2].sum(axis=1, dtype=np.float64)
    return np.asarray((bids - asks) / (bids + asks), dtype=np.float64)


def _features(seen: Observations, mid: Array) -> Array:
    """(seconds, k): imbalances by TIERS, then by window the flow of orders, of trades, and the past move."""
    grid, index = seconds_grid(seen)
    columns = [imbalance(seen.rows[index], tiers) for tiers in TIERS]
    flow = order_flow(seen.rows)
    at_ns = seen.trades[:, 0] * MS
    signed = (seen.trades[:, 2] * seen.trades[:, 3]).astype(np.float64)
    pairs = [
        (per_second(flow, seen.book_ns[1:], grid), per_second(np.abs(flow), seen.book_ns[1:], grid)),
        (per_second(signed, at_ns, grid), per_second(np.abs(signed), at_ns, grid)),
    ]
    for window in WINDOWS_S:
        for net, gross in pairs:
            columns.append(_window(net, window) / np.maximum(_window(gross, window), 1.0))
        past = np.zeros(len(mid))
        past[window:] = mid[window:] - mid[:-window]
        columns.append(past)
    return np.column_stack(columns)


def _window(values: Array, width: int) -> Array:
    """Sums of the last `width` of (n - 1,) seconds, at each of n grid times."""
    total = np.concatenate(((0.0, 0.0), np.cumsum(values)))[1:]
    out = total.copy()
    out[width:] -= total[:-width]
    return out


def _held_out(features: Array, move: Array) -> Array:
    out = np.zeros(len(move))
    edges = np.linspace(0, len(move), BLOCKS + 1).astype(int)
    place = np.arange(len(move))
    for start, end in pairwise(edges.tolist()):
        fit = (place < start - GAP_S) | (place >= end + GAP_S)
        x, y = features[fit], move[fit]
        scale = np.sqrt((x**2).mean(axis=0))
        scale[scale == 0.0] = 1.0
        x = x / scale
        weights = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ y)
        out[start:end] = features[start:end] / scale @ weights
    return out
