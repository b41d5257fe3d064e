"""hftbacktest's backtest over a file, one second of market time a step; for `bench.features`.

Run by an environment of its own, `<python> hft_steps.py FILE.npz TICK LOT`, and imports nothing of ours. The
file is held in memory. Each line `PASSES` on standard input is answered by one JSON line: the processor's
seconds for so many passes, steps in one, and the best bid and ask at its end.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest  # type: ignore[import-not-found]
from numba import njit

STEP_NS = 1_000_000_000


@njit
def steps(backtest: Any) -> tuple[int, float, float]:
    """Step to the end of the data; depth is looked at in each step, as a strategy would."""
    count, bid, ask = 0, 0.0, 0.0
    while backtest.elapse(STEP_NS) == 0:
        depth = backtest.depth(0)
        bid, ask = depth.best_bid, depth.best_ask
        count += 1
    return count, bid, ask


def opened(events: Any, tick: float, lot: float) -> Any:
    """A backtest at the beginning of the events, without orders, latency or fees."""
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(tick)
        .lot_size(lot)
        .last_trades_capacity(0)
    )
    return HashMapMarketDepthBacktest([asset])


def main() -> int:
    """Answer until standard input ends."""
    path, tick, lot = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    events = np.load(path)["data"]
    print(json.dumps({"version": version("hftbacktest"), "events": len(events)}), flush=True)
    for line in sys.stdin:
        seconds = 0.0
        for _ in range(int(line)):
            backtest = opened(events, tick, lot)
            start = time.thread_time()
            count, bid, ask = steps(backtest)
            seconds += time.thread_time() - start
            backtest.close()
        print(json.dumps({"seconds": seconds, "steps": count, "bid": bid, "ask": ask}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
