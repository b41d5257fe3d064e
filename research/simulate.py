"""The first document's PnL simulation: enter in the predicted direction, leave after a while, one position at
a time. What it assumes of fills is named in its answer, and so is what a round trip costs beside the
threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from research.dataset import Dataset
from research.forecast import Forecaster
from research.scores import FEE
from research.table import LATENCY_NS
from shared.errors import BadInput
from shared.units import MS, SECOND

FILLS = {
    "mid": "filled at the mid, which nobody is: no spread is paid",
    "touch": "filled at the best price of the other side, whatever is there: no impact, nothing is missed",
}


@dataclass(frozen=True)
class Trade:
    """One round trip. Prices and money in quote currency, size in coins."""

    time_ns: int  # receive time of the row that said so
    exit_ns: int
    side: str  # buy or sell
    yhat: float
    entry: float
    exit: float
    gross: float
    fees: float
    pnl: float  # gross less fees
    win: bool  # pnl above zero
    crosses_gap: bool  # left at the first book after a gap, later than meant


@dataclass(frozen=True)
class Simulation:
    """What came of it. Money in quote currency; `win_rate` is NaN without a trade."""

    trades: list[Trade]
    gross: float
    fees: float
    net: float
    win_rate: float
    assumption: str
    remark: str


def simulate(
    model: Forecaster,
    data_1s: Dataset,
    period: int = 10,
    threshold: float = 6.0,
    size: float = 0.01,
    fill: str = "touch",
    fee: float = FEE,
    latency_ns: int = LATENCY_NS,
) -> Simulation:
    """Trade `size` coins on each row of `data_1s` where |yhat| >= `threshold` and no position is open; leave
    after `period` seconds. Orders fill `latency_ns` after their cause, as `fill` says: `mid` or `touch`;
    `fee` is a share of the notional, paid twice.

    A position whose end lies behind the data is not opened. Raises BadInput for another way to fill, a size
    or threshold that is not above zero, and a model without that horizon.
    """
    if fill == "queue-aware":
        raise BadInput(
            "fill queue-aware needs the queue at the level: replay the recording on the local venue, or use "
            "mid or touch"
        )
    if fill not in FILLS:
        raise BadInput(f"fill {fill!r} is none of {', '.join(FILLS)}")
    if not size > 0.0 or not threshold > 0.0 or not fee >= 0.0 or latency_ns < 0 or period <= 0:
        raise BadInput("size, threshold and period must be above zero, fee and latency not below")
    moves = model.moves(data_1s, period)
    if not np.isfinite(moves).any():
        raise BadInput(f"{data_1s.symbol}: the model predicts on none of {len(moves)} rows")
    prices = _Prices(data_1s, fill)
    trades: list[Trade] = []
    free_ns = 0
    for row in np.flatnonzero(np.abs(np.nan_to_num(moves)) >= threshold).tolist():
        now_ns = int(data_1s.recv_ns[row])
        leaves_ns = now_ns + period * SECOND
        if now_ns < free_ns or leaves_ns + latency_ns > data_1s.track.end_ns:
            continue
        side = 1 if moves[row] > 0.0 else -1
        entry = prices.at(now_ns + latency_ns, side)
        end = prices.after(now_ns, leaves_ns + latency_ns, -side)
        if entry is None or end is None:
            continue
        exit_ns, exit_price, crosses_gap = end
        gross = side * (exit_price - entry) * size
        fees = fee * (entry + exit_price) * size
        trades.append(
            Trade(
                time_ns=now_ns,
                exit_ns=exit_ns,
                side="buy" if side > 0 else "sell",
                yhat=float(moves[row]),
                entry=entry,
                exit=exit_price,
                gross=gross,
                fees=fees,
                pnl=gross - fees,
                win=gross > fees,
                crosses_gap=crosses_gap,
            )
        )
        free_ns = exit_ns
    gross, fees = sum(one.gross for one in trades), sum(one.fees for one in trades)
    return Simulation(
        trades=trades,
        gross=gross,
        fees=fees,
        net=gross - fees,
        win_rate=sum(one.win for one in trades) / len(trades) if trades else float("nan"),
        assumption=f"{FILLS[fill]}; {latency_ns / MS:g} ms after the prediction",
        remark=remark(data_1s, threshold, fee, fill),
    )


def remark(data: Dataset, threshold: float, fee: float, fill: str) -> str:
    """The threshold beside what a round trip costs, in a sentence."""
    mid = float(np.median(data.mid))
    spread = float(data.spread.mean()) if fill == "touch" else 0.0
    cost = 2.0 * fee * mid + spread
    parts = f"two fees of {100 * fee:g} %" + (" and two half spreads" if fill == "touch" else "")
    told = f"A round trip costs {cost:.4g} per coin at {mid:,.6g} ({parts}); the threshold is {threshold:g}. "
    if threshold < cost:
        return told + "So a move as large as expected does not pay for it, and net will usually be negative."
    return told + "So a move as large as expected pays for it."


class _Prices:
    """What orders fill at."""

    def __init__(self, data: Dataset, fill: str) -> None:
        self._track, self._quotes = data.track, data.quotes
        self._tick = float(np.median(data.spread / data.spread_ticks)) if fill == "touch" else 0.0

    def at(self, at_ns: int, side: int) -> float | None:
        """What a taker of `side` pays by the last book at or before a time; None before the first."""
        book = int(np.searchsorted(self._track.recv_ns, at_ns, "right")) - 1
        quote = int(np.searchsorted(self._quotes.recv_ns, at_ns, "right")) - 1
        if book < 0 or quote < 0:
            return None
        half = float(self._quotes.spread_ticks[quote]) * self._tick / 2.0
        return float(self._track.mid[book]) + side * half

    def after(self, from_ns: int, at_ns: int, side: int) -> tuple[int, float, bool] | None:
        """When and at what the position of `from_ns` is left: at a time, or where a gap lies before it by the
        first book at or after it. None where the data end before."""
        low, high = np.searchsorted(self._track.breaks_ns, [from_ns, at_ns], "right")
        if low != high:
            book = int(np.searchsorted(self._track.recv_ns, at_ns, "left"))
            if book == len(self._track.recv_ns):
                return None
            at_ns = int(self._track.recv_ns[book])
        price = self.at(at_ns, side)
        return None if price is None else (at_ns, price, bool(low != high))
