"""The premium of the perpetual over its index, and the funding rate that follows from it, compiled.

The premium wanders around a mean (Ornstein and Uhlenbeck), and the index is the mark less the premium. As
the venue has it ("Introduction to Binance Futures Funding Rates"), the rate of an eight-hour window is the
average of its premiums, the n-th with weight n, drawn towards the interest by at most 0.05 %; and bounded.
"""

from __future__ import annotations

from numba import int64

from services.venue.synthetic.arrivals import (
    FLOW,
    MARKED,
    NOW,
    PREMIUM,
    PREMIUM_COUNT,
    PREMIUM_SUM,
    PREMIUM_WINDOW,
)
from services.venue.synthetic.compiled import compiled
from services.venue.synthetic.draws import exp, normal
from services.venue.synthetic.levels import PARAMETERS
from services.venue.synthetic.matching import OUTPUT, write
from services.venue.synthetic.parameters import Parameters
from services.venue.synthetic.state import MARK, Flow, Output

WINDOW_NS = 8 * 3600 * 1_000_000_000  # from 00, 08 and 16 UTC
INTEREST = 0.0001  # of eight hours
CLAMP = 0.0005
MOST = 0.003  # of a rate, either way: three quarters of the least maintenance margin
RATE = 1e8  # of the rate as it is written


@compiled(int64(FLOW, OUTPUT, PARAMETERS))
def on_mark(flow: Flow, out: Output, p: Parameters) -> int:
    """A second has passed: the premium wanders; write mark, index and rate. Returns the rate in 1e-8."""
    values, now_ns = flow.values, flow.times[NOW]
    window = float(now_ns // WINDOW_NS)
    if values[PREMIUM_WINDOW] == 0.0:
        values[PREMIUM] = p.premium_mean + p.premium_sigma * normal(flow.seeds)
    if values[PREMIUM_WINDOW] != window:
        values[PREMIUM_WINDOW], values[PREMIUM_SUM], values[PREMIUM_COUNT] = window, 0.0, 0.0
    keep = exp(-p.premium_decay)
    step = p.premium_sigma * (1.0 - keep * keep) ** 0.5 * normal(flow.seeds)
    values[PREMIUM] = p.premium_mean + keep * (values[PREMIUM] - p.premium_mean) + step
    values[PREMIUM_COUNT] += 1.0
    count = values[PREMIUM_COUNT]
    values[PREMIUM_SUM] += count * values[PREMIUM]
    average = 2.0 * values[PREMIUM_SUM] / (count * (count + 1.0))
    rate = average + min(max(INTEREST - average, -CLAMP), CLAMP)
    rate = min(max(rate, -MOST), MOST)
    whole = int((rate + MOST) * RATE + 0.5) - int(MOST * RATE + 0.5)
    index = values[MARKED] / (1.0 + values[PREMIUM])
    write(out, MARK, now_ns, int(values[MARKED] * 1000.0), int(index * 1000.0), whole, 0, 0, 0)
    return whole
