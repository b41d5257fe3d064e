"""How far a market's mid price can be foretold from its book: correlations, hit rates, and a linear model.

The model is ridge regression on imbalances, order flow, traded flow and past moves of many windows; each
sixth of the time is foretold by a fit on the others.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from research.market_stats import Array, correlation, middle, order_flow, per_second, seconds_grid
from research.observations import Observations
from shared.units import MS

HORIZONS_S = (1, 5, 10, 15)
WINDOWS_S = (1, 2, 5, 10, 30)
TIERS = (1, 2, 5, 10, 20)
BLOCKS = 6
GAP_S = 45  # between a block and the rows of its fit: the longest window and horizon
RIDGE = 1e-3  # of the number of rows, on standardized features


def predictability(seen: Observations) -> dict[str, float]:
    """By horizon: correlation of the 5-tier and best-level imbalance with the move, and of the best of model
    and imbalances at full coverage the hit rate among moves that are not zero; and the model's R2."""
    _, index = seconds_grid(seen)
    mid = middle(seen.rows)[index] * seen.scale.price(1)
    features = _features(seen, mid)
    first, last = max(WINDOWS_S), len(mid) - max(HORIZONS_S)
    features = features[first:last]
    out: dict[str, float] = {}
    for horizon in HORIZONS_S:
        move = (mid[horizon:] - mid[:-horizon])[first:last]
        best, five = features[:, 0], features[:, 2]
        foretold = _held_out(features, move)
        hits = {name: _hit_rate(x, move) for name, x in (("m", foretold), ("5", five), ("1", best))}
        out[f"imbalance5_correlation_{horizon}s"] = correlation(five, move)
        out[f"imbalance1_correlation_{horizon}s"] = correlation(best, move)
        out[f"hit_rate_{horizon}s"] = max(hits.values())
        out[f"model_hit_rate_{horizon}s"] = hits["m"]
        out[f"r2_{horizon}s"] = 1.0 - float(((move - foretold) ** 2).mean() / (move**2).mean())
    return out


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


def _hit_rate(foretold: Array, move: Array) -> float:
    asked = (move != 0.0) & (foretold != 0.0)
    return float((np.sign(foretold[asked]) == np.sign(move[asked])).mean())
