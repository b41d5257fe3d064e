"""The statistics by which a synthetic market is held against a recorded one.

Books are taken on receive time, trades on the engine's. A taker's order is a run of single trades of one side
and one time; the same from aggTrades takes them by their first trade's time.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from research.observations import Observations
from services.venue.tape import WINDOW_MS
from shared.units import SECOND

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

ASKS = 40  # where the asks begin in a row
LEAST_MOVES = (0, 1, 2, 3)


def market_stats(seen: Observations) -> dict[str, float]:
    """Every statistic by name; prices in USDT, sizes in coins, times in ms, shares of 1."""
    return {**_book(seen), **_seconds(seen), **_takers(seen)}


def middle(rows: NDArray[np.int32]) -> Array:
    """Mid prices in ticks, of rows (n, 80)."""
    return (rows[:, 0] + rows[:, ASKS].astype(np.float64)) / 2


def seconds_grid(seen: Observations) -> tuple[Integers, Integers]:
    """The full seconds (ns) inside the observations, and the index of the last book at or before each."""
    first = -(-int(seen.book_ns[0]) // SECOND)
    grid = np.arange(first, int(seen.book_ns[-1]) // SECOND + 1, dtype=np.int64) * SECOND
    return grid, np.searchsorted(seen.book_ns, grid, side="right") - 1


def order_flow(rows: NDArray[np.int32]) -> Array:
    """Order-flow imbalance of the best level from row to row (Cont, Kukanov, Stoikov 2014), lots."""
    bid, bids, ask, asks = (rows[:, place].astype(np.float64) for place in (0, 1, ASKS, ASKS + 1))
    return np.asarray(
        (bid[1:] >= bid[:-1]) * bids[1:]
        - (bid[1:] <= bid[:-1]) * bids[:-1]
        - (ask[1:] <= ask[:-1]) * asks[1:]
        + (ask[1:] >= ask[:-1]) * asks[:-1],
        dtype=np.float64,
    )


def per_second(values: Array, at_ns: Integers, grid: Integers) -> Array:
    """Sums of what happened after each grid time but the last, up to the next: (len(grid) - 1,)."""
    place = np.searchsorted(grid, at_ns, side="left")
    return np.bincount(place, values, len(grid) + 1)[1 : len(grid)].astype(np.float64)


def correlation(a: Array, b: Array) -> float:
    """Of two arrays; 0 where one is constant."""
    if a.std() == 0.0 or b.std() == 0.0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _book(seen: Observations) -> dict[str, float]:
    rows, tick, lot = seen.rows, seen.scale.price(1), seen.scale.size(1)
    spread, mid = rows[:, ASKS] - rows[:, 0], middle(rows)
    distances = np.concatenate((mid - rows[:, ASKS - 2], rows[:, 2 * ASKS - 2] - mid))
    out = {
        "depth_updates_per_s": (len(rows) - 1) / seen.seconds,
        "level_changes_per_update": float(seen.changes.mean()),
        "spread_one_tick_share": float((spread == 1).mean()),
        "spread_ticks_mean": float(spread.mean()),
        "tier20_distance": float(distances.mean()) * tick,
    }
    for tier in (1, 5, 10, 20):
        out[f"tier{tier}_size"] = float(rows[:, 2 * tier - 1].mean()) * lot
    return out


def _seconds(seen: Observations) -> dict[str, float]:
    grid, index = seconds_grid(seen)
    mid = middle(seen.rows)[index] * seen.scale.price(1)
    change = np.diff(mid)
    centered = change - change.mean()
    flow = per_second(order_flow(seen.rows), seen.book_ns[1:], grid)
    return {
        "change_1s_std": float(change.std()),
        "change_1s_kurtosis": float((centered**4).mean() / change.var() ** 2),
        "change_1s_zero_share": float((np.abs(change) < seen.scale.price(1) / 4).mean()),
        "variance_ratio_10s": float((mid[10:] - mid[:-10]).var() / 10 / change.var()),
        "order_flow_r2": correlation(flow, change) ** 2,
    }


def _takers(seen: Observations) -> dict[str, float]:
    trades = seen.trades
    starts = np.flatnonzero(np.r_[True, (np.diff(trades[:, [0, 3]], axis=0) != 0).any(axis=1)])
    ends = np.r_[starts[1:], len(trades)] - 1
    at_ms, sides = trades[starts, 0], trades[starts, 3]
    sizes = np.add.reduceat(trades[:, 2], starts) * seen.scale.size(1)
    shocks = np.abs(trades[ends, 1] - trades[starts, 1])
    out: dict[str, float] = {}
    for name, side in (("buy", 1), ("sell", -1)):
        size, times = sizes[sides == side], at_ms[sides == side]
        gaps = np.diff(times)
        count, mean = _aggregated(trades[trades[:, 3] == side])
        out |= {
            f"{name}_orders_per_s": len(size) / seen.seconds,
            f"{name}_size_mean": float(size.mean()),
            f"{name}_interval_ms": float(gaps.mean()),
            f"{name}_alpha": log(float((size > size.mean()).mean())) / log(2.05),
            f"{name}_agg_orders_per_s": count / seen.seconds,
            f"{name}_agg_size_mean": mean * seen.scale.size(1),
            f"{name}_interval_cv": float(gaps.std() / gaps.mean()),
        }
    bought = shocks[sides == 1]
    for ticks in LEAST_MOVES:
        out[f"buy_shock_{ticks}"] = float((bought == ticks).mean())
    out["buy_shock_more"] = float((bought > LEAST_MOVES[-1]).mean())
    signs = sides.astype(np.float64)
    out["taker_side_autocorrelation"] = correlation(signs[1:], signs[:-1])
    return out


def _aggregated(trades: Integers) -> tuple[int, float]:
    """Number and mean lots of a side's orders as aggTrades show them: aggregates per price within 100 ms of
    their first trade, those of one first time taken together."""
    open_: dict[int, int] = {}  # price -> the first trade's time
    orders: dict[int, int] = {}  # first time -> lots
    for at_ms, price, lots, _ in trades.tolist():
        first = open_.get(price)
        if first is None or at_ms - first >= WINDOW_MS:
            open_[price] = first = at_ms
        orders[first] = orders.get(first, 0) + lots
    return len(orders), sum(orders.values()) / len(orders)
