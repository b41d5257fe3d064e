"""The first document's PnL simulation: enter in the predicted direction, leave after a while, one position at
a time. What it assumes of fills is named in its answer, and so is what a round trip costs beside the
threshold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from research.dataset import Dataset
from research.entering import STATES, Assumed, Entering, Prices, Resting
from research.forecast import Forecaster
from research.queued import Queue, market_of
from research.scores import FEE
from research.table import LATENCY_NS
from services.features.flow.probe import Setup
from shared.errors import BadInput
from shared.messages import Message
from shared.units import MS, SECOND

FILLS = {
    "mid": "filled at the mid, which nobody is: no spread is paid",
    "touch": "filled at the best price of the other side, whatever is there: no impact, nothing is missed",
    "queue-aware": "a limit order at the best price of its own side, behind all that rests there (cancels "
    "are behind it, as far as that can be), filled whole; left by a taker at the best price of the other "
    "side: no impact",
}
MAKER_FEE = 0.0002  # of the notional; the default of the setting LOBFLOW_MAKER_FEE
LIFETIME_NS = Setup().lifetime_ns  # of an order that rests: as long as a probe, where the period is not less


@dataclass(frozen=True)
class Trade:
    """One round trip. Prices and money in quote currency, size in coins."""

    time_ns: int  # receive time of the row that said so
    entry_ns: int
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
class Orders:
    """What became of the orders to enter. The market chooses which are filled: `filled_move` and
    `missed_move` are how far the mid went the predicted way in the period after they came, on average, quote
    currency; NaN where there are none."""

    placed: int
    filled: int
    missed: int  # withdrawn unfilled
    rejected: int  # post-only: it would have taken when it came
    unknown: int  # a gap, or the end of the data, lies before its end
    filled_move: float
    missed_move: float

    @property
    def told(self) -> str:
        """In a sentence."""
        if not self.placed:
            return "No order was placed."
        counts = {"rejected as post-only": self.rejected, "lost in a gap": self.unknown}
        text = f"Of {self.placed} orders {self.filled} were filled, {self.missed} missed"
        text += "".join(f", {count} {how}" for how, count in counts.items() if count)
        moves = {"filled": self.filled_move, "missed": self.missed_move}
        went = [f"{move:+.3g} after those {how}" for how, move in moves.items() if not np.isnan(move)]
        if went:
            text += f"; the mid went {' and '.join(went)} in the predicted direction"
        return text + "."


@dataclass(frozen=True)
class Simulation:
    """What came of it. Money in quote currency; `win_rate` is NaN without a trade."""

    trades: list[Trade]
    orders: Orders
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
    maker_fee: float = MAKER_FEE,
    lifetime_ns: int | None = None,
    market: Iterable[Message] | None = None,
) -> Simulation:
    """Trade `size` coins on each row of `data_1s` where |yhat| >= `threshold` and neither a position nor an
    order is open; leave `period` seconds after the entry.

    `fill` says how orders are filled. `mid` and `touch`: `latency_ns` after the prediction; `fee`, a share of
    the notional, is paid twice. `queue-aware`: the order to enter joins the queue then, at the price that was
    the best of its side when it was sent. It is rejected where that would take, and withdrawn `lifetime_ns`
    later (default: 5 s, or the period where that is less). `maker_fee` is paid for the entry, `fee` for
    leaving. `market` are the market entries that the rows were made of, in order; without them the files that
    `load` read are read again.

    A position whose end may lie behind the data is not opened. Raises BadInput for another way to fill, a
    size or threshold that is not above zero, a model without that horizon, and for queue-aware without books.
    """
    if fill not in FILLS:
        raise BadInput(f"fill {fill!r} is none of {', '.join(FILLS)}")
    if not size > 0.0 or not threshold > 0.0 or not fee >= 0.0 or latency_ns < 0 or period <= 0:
        raise BadInput("size, threshold and period must be above zero, fee and latency not below")
    if lifetime_ns is None:
        lifetime_ns = min(LIFETIME_NS, period * SECOND)
    if lifetime_ns <= 0:
        raise BadInput("the lifetime of an order must be above zero")
    prices = Prices(data_1s, fill)
    entering: Entering = Assumed(prices, latency_ns)
    entry_fee, assumption = fee, f"{FILLS[fill]}; {latency_ns / MS:g} ms after the prediction"
    if fill == "queue-aware":
        queue = Queue(market_of(data_1s) if market is None else market)
        setup = Setup(latency_ns=latency_ns, lifetime_ns=lifetime_ns)
        entering, entry_fee = Resting(data_1s, queue, setup), maker_fee
        assumption += f", withdrawn {lifetime_ns / SECOND:g} s after that"
    moves = model.moves(data_1s, period)
    if not np.isfinite(moves).any():
        raise BadInput(f"{data_1s.symbol}: the model predicts on none of {len(moves)} rows")
    trades: list[Trade] = []
    fates: list[tuple[str, float]] = []
    free_ns, period_ns = 0, period * SECOND
    for row in np.flatnonzero(np.abs(np.nan_to_num(moves)) >= threshold).tolist():
        now_ns = int(data_1s.recv_ns[row])
        if now_ns < free_ns or now_ns + entering.longest_ns + period_ns > data_1s.track.end_ns:
            continue
        side = 1 if moves[row] > 0.0 else -1
        entry = entering.enter(now_ns, side)
        if entry is None:
            continue
        fate, free_ns = entry.fate, entry.until_ns
        if fate == "filled":
            end = prices.after(now_ns, entry.until_ns + period_ns, -side)
            if end is None:
                fate = "unknown"
            else:
                exit_ns, exit_price, crosses_gap = end
                gross = side * (exit_price - entry.price) * size
                fees = (entry_fee * entry.price + fee * exit_price) * size
                trades.append(
                    Trade(
                        time_ns=now_ns,
                        entry_ns=entry.until_ns,
                        exit_ns=exit_ns,
                        side="buy" if side > 0 else "sell",
                        yhat=float(moves[row]),
                        entry=entry.price,
                        exit=exit_price,
                        gross=gross,
                        fees=fees,
                        pnl=gross - fees,
                        win=gross > fees,
                        crosses_gap=crosses_gap,
                    )
                )
                free_ns = exit_ns
        fates.append((fate, side * prices.moved(now_ns + latency_ns, period_ns)))
    orders = _orders(fates)
    gross, fees = sum(one.gross for one in trades), sum(one.fees for one in trades)
    told = remark(data_1s, threshold, fee, fill, maker_fee)
    return Simulation(
        trades=trades,
        orders=orders,
        gross=gross,
        fees=fees,
        net=gross - fees,
        win_rate=sum(one.win for one in trades) / len(trades) if trades else float("nan"),
        assumption=assumption,
        remark=f"{told} {orders.told}" if fill == "queue-aware" else told,
    )


def remark(data: Dataset, threshold: float, fee: float, fill: str, maker_fee: float = MAKER_FEE) -> str:
    """The threshold beside what a round trip costs, in a sentence."""
    mid = float(np.median(data.mid))
    # Who enters at the best price of the own side and leaves by a taker gains one half spread and pays one.
    spread = float(data.spread.mean()) if fill == "touch" else 0.0
    is_maker = fill == "queue-aware"
    cost = ((maker_fee if is_maker else fee) + fee) * mid + spread
    parts = f"two fees of {100 * fee:g} %" + (" and two half spreads" if fill == "touch" else "")
    if is_maker:
        parts = f"a maker's fee of {100 * maker_fee:g} % and a taker's of {100 * fee:g} %"
    told = f"A round trip costs {cost:.4g} per coin at {mid:,.6g} ({parts}); the threshold is {threshold:g}. "
    if threshold < cost:
        return told + "So a move as large as expected does not pay for it, and net will usually be negative."
    return told + "So a move as large as expected pays for it."


def _orders(fates: list[tuple[str, float]]) -> Orders:
    """Of what became of each, and how far the mid went the predicted way (NaN where that is not known)."""
    moved = {
        name: [move for fate, move in fates if fate == name and not np.isnan(move)]
        for name in ("filled", "missed")
    }
    means = {name: sum(each) / len(each) if each else float("nan") for name, each in moved.items()}
    counts = {name: sum(fate == name for fate, _ in fates) for name in STATES.values()}
    return Orders(placed=len(fates), **counts, filled_move=means["filled"], missed_move=means["missed"])
