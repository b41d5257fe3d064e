"""What a resting order is worth, net, by the probes that rested where it would: the value of each depth, and
the one to quote.

Per unit of size, in ticks: EV = P_fill [edge + lambda side yhat - f_m p - X] - P_fill gamma (growth of the
position). `edge` is what the mid one horizon after a fill is better than the fill's price; X is what leaving
costs: as a taker f_t mid + E[spread] / 2 + slippage, as a maker f_m p and the taker's costs as often as that
is not filled. An order that closes a position is itself the leaving: X is 0.

"Do not quote" is the expected answer at retail fees: a depth is quoted only where the lower bound is above
zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from shared.messages import DepthFlow

Z = 1.645  # one-sided 95 %
FEWEST_BLOCKS = 10  # an error from fewer is none
FEWEST_FILLS = 10


class Costs(msgspec.Struct, frozen=True):
    """Fees are shares of the price. `spread_ticks` is the one expected at leaving, NaN for that of the book
    at hand; `slippage_ticks` what a taker pays beyond it, NaN where books do not hold the size. `trust` is
    lambda, how much of a predicted move is believed, None for what the flow has fitted (see `fitted`);
    `aversion` is gamma, the share of the price that a position's growth by one order costs."""

    maker_fee: float
    taker_fee: float
    leaves_as_maker: bool = False
    spread_ticks: float = math.nan
    slippage_ticks: float = 0.0
    trust: float | None = None
    aversion: float = 0.0


class Standing(msgspec.Struct, frozen=True):
    """The market and we: best prices in ticks; `side` of the resting order, +1 a bid; the predicted move in
    ticks; `growth` of the position by a fill, in orders: 1 opens, -1 closes."""

    side: int
    bid_ticks: int
    ask_ticks: int
    move_ticks: float = 0.0
    growth: float = 1.0

    def price_ticks(self, ticks: int) -> int:
        """Of an order `ticks` behind the best price of its side."""
        return self.bid_ticks - ticks if self.side > 0 else self.ask_ticks + ticks


class Value(msgspec.Struct, frozen=True):
    """One depth: its price, the expected net value of an order in ticks per unit of size, its error and lower
    bound (minus infinity where the probes are too few), per second of its life, and what was taken off."""

    ticks: int
    price_ticks: int
    fill_rate: float
    edge_ticks: float
    cost_ticks: float
    net_ticks: float
    error_ticks: float
    lower_ticks: float
    net_ticks_s: float


def value_of(depth: DepthFlow, now: Standing, costs: Costs, exit_rate: float = 0.0) -> Value:
    """The value of one depth. `exit_rate` is how often a maker's exit is filled in time."""
    price = now.price_ticks(depth.ticks)
    mid = (now.bid_ticks + now.ask_ticks) / 2.0
    cost = (costs.maker_fee + costs.aversion * now.growth) * price
    if now.growth > 0:
        at_hand = math.isnan(costs.spread_ticks)
        spread = now.ask_ticks - now.bid_ticks if at_hand else costs.spread_ticks
        taker = costs.taker_fee * mid + spread / 2.0 + costs.slippage_ticks
        maker = costs.maker_fee * price + (1.0 - exit_rate) * taker
        cost += maker if costs.leaves_as_maker else taker
    off = cost - believed_ticks(now, costs)  # from the edge
    net = depth.fill_rate * (depth.edge_ticks - off)
    variance = depth.gain_variance - 2.0 * off * depth.covariance + off * off * depth.fill_variance
    error = math.sqrt(max(variance, 0.0))  # NaN stays NaN
    is_known = depth.blocks >= FEWEST_BLOCKS and depth.fills >= FEWEST_FILLS and math.isfinite(error)
    return Value(
        ticks=depth.ticks,
        price_ticks=price,
        fill_rate=depth.fill_rate,
        edge_ticks=depth.edge_ticks,
        cost_ticks=off,
        net_ticks=net,
        error_ticks=error,
        lower_ticks=net - Z * error if is_known else -math.inf,
        net_ticks_s=net / depth.lifetime_s if depth.lifetime_s > 0.0 else math.nan,
    )


def believed_ticks(now: Standing, costs: Costs) -> float:
    """What the predicted move adds to the edge. Raises ValueError where nobody said how far to believe it."""
    if not now.move_ticks:
        return 0.0
    if costs.trust is None:
        raise ValueError("a predicted move, and a trust that was not fitted")
    return costs.trust * now.side * now.move_ticks


def values_of(
    depths: Sequence[DepthFlow], now: Standing, costs: Costs, exit_rate: float = 0.0
) -> list[Value]:
    """Of all depths."""
    return [value_of(depth, now, costs, exit_rate) for depth in depths]


def best(values: Sequence[Value], is_demonstration: bool = False) -> Value | None:
    """The depth with the largest value per second of life among those whose lower bound is above zero; None
    says: do not quote. A demonstration takes the best there is, whatever it is worth."""
    able = [
        value
        for value in values
        if math.isfinite(value.net_ticks_s) and (is_demonstration or value.lower_ticks > 0.0)
    ]
    return max(able, key=lambda value: (value.net_ticks_s, -value.ticks), default=None)
