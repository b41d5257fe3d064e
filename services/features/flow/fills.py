"""What became of probes, by depth: fill rates, edges, and errors that know that probes overlap.

A probe is placed each second and is under way for ten, so neighbors see the same market. Errors are of sums
over blocks as long as one probe's whole life; with few blocks they say little, which `blocks` tells.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from services.features.flow import probe as p
from services.features.flow.isotonic import rising
from services.features.flow.law import Floats, Ints, SizeLaw
from services.features.flow.probe import Setup
from shared.messages import DepthFlow
from shared.rounding import rounded
from shared.units import SECOND

POOLED = 60  # probes, a minute of one depth: what a side's share of cancels weighs in each depth's


class Needs(NamedTuple):
    """What a lifetime's volume must exceed for a fill: phi times what is displayed at better prices, plus (1
    - c_k) times the queue, plus our own size. phi is NaN where no probe was ever traded through to; c_k, the
    share of the queue that is canceled, is of each depth, `canceled` of the whole side."""

    replenishment: float
    canceled: float
    own_lots: int
    canceled_at: tuple[float, ...]

    def volumes(self, records: Ints) -> Floats:
        """The volume each probe needs, (n,)."""
        phi = 1.0 if math.isnan(self.replenishment) else self.replenishment
        canceled = np.array(self.canceled_at, np.float64)[records[:, p.DEPTH]]
        return np.asarray(phi * records[:, p.BETTER] + (1.0 - canceled) * records[:, p.QUEUE] + self.own_lots)


def finished(records: Ints) -> Ints:
    """Those whose fate is known; what a gap took, and what had no price yet, is left out."""
    states = records[:, p.STATE]
    return np.asarray(records[(states >= p.EXPIRED) & (states != p.VOID)])


def needs_of(records: Ints, depths: int, own_lots: int = 1) -> Needs:
    """Replenishment and cancels, from finished probes of one side rested at so many depths."""
    filled = (records[:, p.STATE] == p.MARKED) & (records[:, p.BETTER] > 0)
    through = records[filled, p.THROUGH] / records[filled, p.BETTER]
    queued = records[records[:, p.QUEUE] > 0]
    queues, shares = queued[:, p.QUEUE], np.clip(queued[:, p.CANCELED], 0, queued[:, p.QUEUE])
    queue, canceled = int(queues.sum()), int(shares.sum())
    side = canceled / queue if queue else 0.0
    return Needs(
        float(np.median(through)) if len(through) else math.nan,
        side,
        own_lots,
        tuple(
            _pooled(shares[queued[:, p.DEPTH] == place], queues[queued[:, p.DEPTH] == place], side)
            for place in range(depths)
        ),
    )


def _pooled(canceled: Ints, queues: Ints, side: float) -> float:
    """One depth's share of lots canceled, drawn towards the side's: `POOLED` probes more have its share."""
    count = len(queues)
    if not count:
        return side
    own = int(canceled.sum()) / int(queues.sum())
    return (count * own + POOLED * side) / (count + POOLED)


def predicted(records: Ints, needs: Needs, law: SizeLaw | None, share: float) -> Floats:
    """P(N > 0) P(V > Q | N > 0) of each probe, (n,); 0 without a law, and for what would have taken."""
    if law is None:
        return np.zeros(len(records))
    chance = share * law.survival(needs.volumes(records))
    return np.asarray(np.where(records[:, p.STATE] == p.REJECTED, 0.0, chance))


def edges_of(records: Ints) -> Ints:
    """Twice the edge of each probe in ticks, (n,); 0 where it was not filled."""
    return np.asarray(
        np.where(records[:, p.STATE] == p.MARKED, 2 * records[:, p.KEY] - records[:, p.AFTERWARD], 0)
    )


def depth_of(records: Ints, ticks: int, chance: Floats, setup: Setup, canceled: float) -> DepthFlow:
    """The probes of one depth and side, all finished; `fill_rate` is the share seen, not yet recalibrated.
    `canceled` is c_k."""
    count = len(records)
    is_filled = records[:, p.STATE] == p.MARKED
    fills = int(is_filled.sum())
    blocks, moments = _moments(records, setup)
    gain_sum, fill_variance, covariance, gain_variance = moments
    edge = gain_sum / fills if fills else math.nan
    # Of the ratio of two means: its variance by the usual first-order formula.
    rate = fills / count if count else math.nan
    spread = gain_variance - 2.0 * edge * covariance + edge * edge * fill_variance if fills else math.nan
    rested = np.where(is_filled, records[:, p.FILLED_AT] - records[:, p.PLACED], setup.latency_ns)
    rested = np.where(records[:, p.STATE] == p.EXPIRED, setup.latency_ns + setup.lifetime_ns, rested)
    return DepthFlow(
        ticks=ticks,
        probes=count,
        fills=fills,
        predicted=rounded(math.fsum(chance.tolist()) / count if count else math.nan),
        fill_rate=rounded(rate),
        edge_ticks=rounded(edge),
        edge_error=rounded(math.sqrt(max(spread, 0.0)) / rate if fills else math.nan),
        lifetime_s=rounded(int(rested.sum()) / SECOND / count if count else math.nan),
        blocks=blocks,
        gain_variance=rounded(gain_variance),
        fill_variance=rounded(fill_variance),
        covariance=rounded(covariance),
        canceled=rounded(canceled),
    )


def _moments(records: Ints, setup: Setup) -> tuple[int, tuple[float, float, float, float]]:
    """Blocks; and the sum of edges in ticks, then the variances of the means over all probes."""
    count = len(records)
    edges = edges_of(records)
    gain_sum = int(edges.sum()) / 2.0
    if not count:
        return 0, (0.0, math.nan, math.nan, math.nan)
    numbers = records[:, p.PLACED] // setup.whole_ns
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    members = np.diff(np.append(starts, count)).tolist()
    is_filled = (records[:, p.STATE] == p.MARKED).astype(np.int64)
    fills = np.add.reduceat(is_filled, starts).tolist()
    gains = np.add.reduceat(edges, starts).tolist()
    blocks = len(starts)
    if blocks < 2:
        return blocks, (gain_sum, math.nan, math.nan, math.nan)
    rate, gain = int(is_filled.sum()) / count, gain_sum / count
    off_fill = [f - rate * n for f, n in zip(fills, members, strict=True)]
    off_gain = [g / 2.0 - gain * n for g, n in zip(gains, members, strict=True)]
    scale = blocks / (blocks - 1) / count**2
    return blocks, (
        gain_sum,
        scale * math.fsum(f * f for f in off_fill),
        scale * math.fsum(f * g for f, g in zip(off_fill, off_gain, strict=True)),
        scale * math.fsum(g * g for g in off_gain),
    )


def recalibrated(depths: list[DepthFlow]) -> tuple[DepthFlow, ...]:
    """The same, nearest first, with fill rates that never rise with the depth: an order behind is not filled
    before one in front. Shares seen that say otherwise are pooled (isotonic regression on the probes)."""
    known = [place for place, depth in enumerate(depths) if depth.probes]
    known.sort(key=lambda place: -depths[place].ticks)
    rates = rising([depths[place].fill_rate for place in known], [depths[place].probes for place in known])
    told = dict(zip(known, rates, strict=True))
    return tuple(
        msgspec.structs.replace(depth, fill_rate=rounded(told.get(place, math.nan)))
        for place, depth in enumerate(depths)
    )
