"""A market measured: all statistics of it, and how they hold against their targets."""

from __future__ import annotations

from typing import NamedTuple

from research.foretelling import foretell
from research.market_stats import market_stats
from research.market_targets import Line, compare
from research.observations import Observations
from research.predictability import predictability
from research.takers import Taker, best_takers, takers


class Measured(NamedTuple):
    """`values` by name; `lines` are those that have a target or a limit; `best` by horizon in seconds the
    taker's strategy that loses least, or earns most."""

    symbol: str
    source: str
    seconds: float
    values: dict[str, float]
    lines: list[Line]
    best: dict[int, Taker]

    @property
    def passed(self) -> int:
        """How many lines are within their tolerance."""
        return sum(line.passes for line in self.lines)


def measure(seen: Observations, source: str) -> Measured:
    """Everything that is known of a market; `source` says what it is."""
    told = foretell(seen)
    best = best_takers(takers(seen, told))
    values = market_stats(seen) | predictability(told)
    values |= {f"taker_net_bps_{horizon}s": taker.net_bps for horizon, taker in best.items()}
    return Measured(seen.symbol, source, seen.seconds, values, compare(seen.symbol, values), best)
