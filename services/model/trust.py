"""How far predicted moves came true: lambda, the weight of a prediction in the value of a resting order.

A regression through zero of the move that followed on the move foretold, by horizon, over the last ten
minutes, of the version that serves, of the first prediction of each second. The mid a horizon later is that
of the last book until then. It follows from the vectors of those minutes and the gap that a `Flow` names
alone, so two copies say the same bytes.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from shared.messages import FeatureVector, Flow, Prediction, Trust
from shared.rounding import rounded
from shared.units import E9, MS, SECOND

WINDOW_NS = 600 * SECOND  # as long as the flow's
LOOKBACK_MS = (WINDOW_NS + 2 * SECOND) // MS  # the second in which a copy begins may have begun before
FEWEST_BLOCKS = 10  # of one horizon each: predictions nearer than that share their market
PRIOR, PRIOR_VARIANCE = 0.5, 1.0 / 12.0  # of what is anywhere in [0, 1]


class Pair(NamedTuple):
    """A move that was foretold at `at_ns`, in quote currency, and the one that followed."""

    at_ns: int
    foretold: float
    followed: float


class Foretold(NamedTuple):
    """What was said of one horizon, until the horizon is over. `mid2_e9`: twice the mid in 1e-9."""

    at_ns: int
    version: str
    move: float
    mid2_e9: int


class TrustFollower:
    """Follows one symbol's vectors and what was foretold of them, in order."""

    def __init__(self) -> None:
        self._second = -1  # of the last book
        self._mid2_e9 = 0  # of the last book
        self._open: dict[int, deque[Foretold]] = {}  # by horizon; oldest first, as all that follow
        self._pairs: dict[tuple[int, str], deque[Pair]] = {}  # by horizon and version

    def see(self, book: FeatureVector) -> bool:
        """The best prices of one vector. Whether it is the first of its second: its prediction counts."""
        now_ns = book.recv_ns
        self._settle(now_ns)
        self._mid2_e9 = (book.bid_ticks + book.ask_ticks) * book.tick_e9
        second, self._second = self._second, now_ns // SECOND
        return second != self._second

    def take(self, prediction: Prediction) -> None:
        """What was foretold of the vector just seen."""
        for horizon_s, move in zip(prediction.horizons_s, prediction.moves, strict=True):
            # A move as large as the price is nonsense, and its square may be no number.
            if 2 * E9 * abs(move) < self._mid2_e9:
                foretold = Foretold(prediction.recv_ns, prediction.model, move, self._mid2_e9)
                self._open.setdefault(horizon_s, deque()).append(foretold)

    def fit(self, flow: Flow, version: str) -> tuple[Trust, ...]:
        """Of what `version` foretold since the flow's window began, and what has followed until now; by
        horizon."""
        self._settle(flow.recv_ns)
        from_ns = max(flow.from_ns, flow.recv_ns - WINDOW_NS)
        for name, pairs in list(self._pairs.items()):
            while pairs and pairs[0].at_ns < from_ns:
                pairs.popleft()
            if not pairs:
                del self._pairs[name]
        return tuple(
            trust_of(horizon_s, version, self._pairs[horizon_s, version])
            for horizon_s in sorted(horizon_s for horizon_s, of in self._pairs if of == version)
        )

    def _settle(self, now_ns: int) -> None:
        """What is over before `now_ns` is known by the last book before it."""
        for horizon_s, waiting in self._open.items():
            while waiting and waiting[0].at_ns + horizon_s * SECOND < now_ns:
                at_ns, version, move, mid2_e9 = waiting.popleft()
                pairs = self._pairs.setdefault((horizon_s, version), deque())
                pairs.append(Pair(at_ns, move, (self._mid2_e9 - mid2_e9) / (2 * E9)))
                while pairs[0].at_ns < now_ns - WINDOW_NS - horizon_s * SECOND:
                    pairs.popleft()


def trust_of(horizon_s: int, version: str, pairs: deque[Pair]) -> Trust:
    """The slope, its error over blocks as long as the horizon, and lambda: the slope drawn towards the prior
    by its variance and kept within [0, 1]; NaN where the blocks are too few or nothing but 0 was foretold."""
    square = math.fsum(pair.foretold * pair.foretold for pair in pairs)
    width_ns = horizon_s * SECOND
    blocks = len({pair.at_ns // width_ns for pair in pairs})
    if square <= 0.0:
        return Trust(horizon_s, version, len(pairs), blocks, math.nan, math.nan, math.nan)
    slope = math.fsum(pair.foretold * pair.followed for pair in pairs) / square
    rests: dict[int, list[float]] = {}
    for pair in pairs:
        rest = pair.foretold * (pair.followed - slope * pair.foretold)
        rests.setdefault(pair.at_ns // width_ns, []).append(rest)
    error = math.nan
    if blocks > 1:
        sums = [math.fsum(each) for each in rests.values()]
        error = math.sqrt(math.fsum(each * each for each in sums) * blocks / (blocks - 1)) / square
    trust = math.nan
    if blocks >= FEWEST_BLOCKS:
        # Minutes of moves are mostly noise: a slope of 2 with an error of 2 says little, and not 1.
        doubt = error * error / (error * error + PRIOR_VARIANCE)
        trust = min(1.0, max(0.0, (1.0 - doubt) * slope + doubt * PRIOR))
    return Trust(horizon_s, version, len(pairs), blocks, rounded(slope), rounded(error), rounded(trust))
