"""The first lines of a report: what the data are, whether there is an edge after costs, and why a hit rate is
not a profit. Plain words from plain figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite, sqrt

import numpy as np
from scipy import stats

from research.labels import Floats
from shared.units import SECOND

FEWEST_TRADES, FEWEST_DAYS = 200, 5  # of evidence, as the gate asks for
CONFIDENCE = 0.95
KINDS = {
    "recorded": "RECORDED data",
    "imported": "IMPORTED data, recorded by somebody else",
    "synthetic": "SYNTHETIC data: nothing here says anything about a real market",
    "live": "LIVE data",
}


@dataclass(frozen=True)
class Origin:
    """What the data are. `kind` is one of `KINDS`; `gaps` is None where they cannot be seen in such data."""

    kind: str
    symbol: str
    files: tuple[str, ...]
    from_ns: int
    until_ns: int
    gaps: int | None
    sha256: str
    entries: int
    remark: str = ""


def origin_lines(origin: Origin) -> list[str]:
    """What the data are, their range, gaps and hash."""
    seconds = (origin.until_ns - origin.from_ns) / SECOND
    gaps = {None: "gaps cannot be seen in such data", 0: "no gap", 1: "1 gap"}.get(
        origin.gaps, f"{origin.gaps} gaps"
    )
    lines = [
        f"{KINDS[origin.kind]}. {origin.symbol}, {clock(origin.from_ns)} to {clock(origin.until_ns)} UTC "
        f"({duration(seconds)}), {gaps}, {origin.entries:,} entries, sha256 {origin.sha256[:16]}.",
        f"Files: {', '.join(origin.files)}.",
    ]
    return [*lines, origin.remark] if origin.remark else lines


def clock(at_ns: int) -> str:
    """A moment, UTC, to the second."""
    return f"{datetime.fromtimestamp(at_ns // SECOND, UTC):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """For people.

    >>> duration(345.0), duration(7200.0)
    ('5.8 minutes', '2.0 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 2 * 86400 else f"{seconds / 86400:.1f} days"


def edge_line(nets: Floats, days: int, what: str, quote: str = "USDT") -> str:
    """Whether trades that do not overlap earn something after costs. `nets` (n,) are theirs, in `quote`."""
    count = len(nets)
    if count == 0:
        return f"Edge after costs: none shown. {what}: no trade was made, so nothing can be said."
    mean = float(nets.mean())
    if count < 2:
        return f"Edge after costs: none shown. {what}: one trade, {mean:+.4f} {quote} net."
    error = float(nets.std(ddof=1)) / sqrt(count)
    reach = float(stats.t.ppf(CONFIDENCE, count - 1)) * error
    told = (
        f"{what}: {count} trades on {days} day{'s' if days != 1 else ''}, mean {mean:+.4f} {quote} net, "
        f"one-sided {CONFIDENCE:.0%} bounds {mean - reach:+.4f} and {mean + reach:+.4f}"
    )
    if mean + reach < 0.0:
        return f"Edge after costs: NO, it loses. {told}."
    if mean - reach <= 0.0:
        return f"Edge after costs: none shown. {told}."
    if count < FEWEST_TRADES or days < FEWEST_DAYS:
        return (
            f"Edge after costs: undetermined, which counts as no. {told}; evidence needs {FEWEST_TRADES} "
            f"trades on {FEWEST_DAYS} days."
        )
    return f"Edge after costs: yes, in these data. {told}."


def cost_line(
    mid: float,
    spread: float,
    fee: float,
    moves: Floats,
    horizon_s: int,
    size: float,
    quote: str = "USDT",
) -> str:
    """Why a hit rate is not a profit: the cost of a taker's round trip beside the mean move. `moves` (n,) are
    the changes of the mid over the horizon, `quote` per coin; `fee` is a share of the notional, each way."""
    cost = 2.0 * fee * mid + spread
    moves = moves[np.isfinite(moves)]
    mean = float(np.abs(moves).mean()) if len(moves) else float("nan")
    if not isfinite(mean) or mean <= 0.0:
        return f"A taker's round trip costs {cost:.4g} {quote} per coin: two fees and two half spreads."
    needed = 0.5 + cost / (2.0 * mean)
    if needed <= 1.0:
        rate = f"a taker who always trades would have to be right {needed:.0%} of the time to break even"
    else:
        rate = "even a taker who is always right would lose on the mean move"
    return (
        f"A hit rate is not a profit: a taker's round trip costs {cost:.4g} {quote} per coin (two fees of "
        f"{fee:.2%} and two half spreads; {cost * size:.4g} {quote} for {size:g}), while the mid moves "
        f"{mean:.4g} {quote} in {horizon_s} s on average: {rate}."
    )
