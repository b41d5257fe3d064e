"""Data that reports are tested on: a tape of aggTrades whose laws are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
FROM_MS = 1_674_777_600_000  # 2023-01-27, as in the article


def write_tape(path: Path, seconds: int = 1500, seed: int = 1) -> int:
    """aggTrades of Lomax sizes and Poisson arrivals; a large order moves the price by a tick each 500.
    Returns how many rows."""
    draws = np.random.default_rng(seed)
    count = 3 * seconds
    times = np.sort(draws.integers(0, seconds * 1000, count)) + FROM_MS
    buys = draws.random(count) < 0.5
    sizes = np.round(400.0 * draws.pareto(2.5, count) + 0.1, 1)
    rows, price, number = [], 2900, 0
    for at_ms, is_buy, size in zip(times.tolist(), buys.tolist(), sizes.tolist(), strict=True):
        moved = min(int(size / 500.0), 9)
        for step in range(moved + 1):
            tick = price + step * (1 if is_buy else -1)
            part = size / (moved + 1)
            number += 1
            rows.append(
                f"{number},{tick / 1000:.3f},{part:.1f},{number},{number},{at_ms},{str(not is_buy).lower()}"
            )
        price += moved * (1 if is_buy else -1)
        price += int(draws.integers(-1, 2)) if price > 500 else 50
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return len(rows)
