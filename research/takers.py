"""What takers would earn who trade on a signal: both fees, both half spreads and the latency paid.

Each second that a strategy selects is one round trip: in across the spread a latency later, out across it
one horizon after that. Trips may overlap, and take no more than the best level holds; both flatters them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.foretelling import Foretold
from research.market_stats import ASKS, Array
from research.observations import Observations
from shared.units import MS, SECOND

FEE = 0.0005  # of the price, each way
LATENCY_NS = 100 * MS
HORIZONS_S = (5, 10, 15)
SHARES = {"all": 1.0, "top 10 %": 0.1, "top 1 %": 0.01}  # the strongest of a signal
THRESHOLDS = (1.0, 3.0, 6.0)  # USDT by which the model expects a move, at least
FEWEST_TRIPS = 20  # the mean of fewer says nothing


class Taker(NamedTuple):
    """One strategy on one market: which signal, which seconds, how many trips, and the mean of one in bps
    of its price. `fees_bps` are paid; `gross_bps` has the spread in it."""

    horizon: int
    signal: str
    selection: str
    trips: int
    gross_bps: float
    net_bps: float

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.signal}, {self.selection}, {self.horizon} s: {self.trips} trips"


def takers(seen: Observations, told: Foretold) -> list[Taker]:
    """Every strategy with enough trips: each signal, horizon and selection."""
    out = []
    for horizon in HORIZONS_S:
        bought, sold = _trip(seen, told.at_ns, horizon, 1), _trip(seen, told.at_ns, horizon, -1)
        for name, signal in told.signals(horizon).items():
            entry, left = (np.where(signal > 0.0, *pair) for pair in zip(bought, sold, strict=True))
            gross, fees = np.sign(signal) * (left - entry), FEE * (entry + left)
            is_trip = (signal != 0.0) & np.isfinite(left)
            for selection, least in _selections(name, signal, fees):
                chosen = is_trip & (np.abs(signal) >= least)
                count = int(chosen.sum())
                if count >= FEWEST_TRIPS:
                    means = [float((each / entry)[chosen].mean()) * 1e4 for each in (gross, gross - fees)]
                    out.append(Taker(horizon, name, selection, count, *means))
    return out


def best_takers(strategies: list[Taker]) -> dict[int, Taker]:
    """By horizon the strategy that earns most a trip, net."""
    best: dict[int, Taker] = {}
    for each in strategies:
        if each.horizon not in best or each.net_bps > best[each.horizon].net_bps:
            best[each.horizon] = each
    return best


def _selections(name: str, signal: Array, fees: Array) -> Iterator[tuple[str, Array | float]]:
    """How strong a signal must be at least, by the selection's name."""
    for selection, share in SHARES.items():
        yield selection, float(np.quantile(np.abs(signal), 1.0 - share))
    if name == "model":
        for least in THRESHOLDS:
            yield f"at least {least:g} USDT", least
        yield "more than the fees", fees


def _trip(seen: Observations, at_ns: NDArray[np.int64], horizon: int, side: int) -> tuple[Array, Array]:
    """Prices in USDT at which a taker of `side` gets in and out, (n,) each; NaN beyond the last book."""
    into, out_of = (ASKS, 0) if side > 0 else (0, ASKS)
    prices = []
    for delay_ns, column in ((LATENCY_NS, into), (LATENCY_NS + horizon * SECOND, out_of)):
        due_ns = at_ns + delay_ns
        place = np.searchsorted(seen.book_ns, due_ns, side="right") - 1
        price = seen.rows[place, column] * seen.scale.price(1)
        price[due_ns > seen.book_ns[-1]] = np.nan
        prices.append(price.astype(np.float64))
    return prices[0], prices[1]
