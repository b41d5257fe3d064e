"""How good predictions were, said honestly: each hit rate with its coverage, its share of unchanged prices,
its skill and an interval that knows that labels overlap. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import nan

import numpy as np

from research.blocks import FEWEST_BLOCKS, RELIABLE_BLOCKS, SEED, Blocks, block_length
from research.finite import without_nan
from research.labels import Flags, Floats, Ints

CONFIDENCE = 0.95
TAILS = ((1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0)
FEE = 0.0005  # a taker's, of the notional


@dataclass(frozen=True)
class Score:
    """One row of the hit-rate table. Shares are 0 to 1, NaN where nothing was selected or decided."""

    horizon_s: int
    name: str
    selection: str  # "|yhat| >= 0.5" or "50 %"
    rows: int  # labelled rows
    selected: int
    coverage: float  # selected over labelled rows
    zero_share: float  # P(y = 0) among the selected
    hit_rate: float  # among the selected with y != 0
    hit_rate_with_zeros: float  # y = 0 counted as a miss
    skill: float
    low: float  # 95 % interval of the hit rate, moving blocks; NaN with fewer than two
    high: float
    skill_low: float
    skill_high: float
    blocks: int  # that do not overlap
    block_s: float  # max(30 s, 2 h, the Politis-White length)
    is_reliable: bool  # at least 30 blocks
    r2: float  # against predicting zero, over all labelled rows; NaN for baselines that are only signs
    ic: float  # correlation of prediction and outcome over all labelled rows
    gross_edge: float  # mean of sign(yhat) times the move after latency, quote currency
    net_edge: float  # the same less two taker fees and two half spreads

    def plain(self) -> dict[str, str | int | float | bool | None]:
        """The row for JSON, where NaN is null."""
        row: dict[str, str | int | float | bool | None] = without_nan(asdict(self))
        return row


@dataclass(frozen=True)
class Outcomes:
    """What came after each labelled row of one horizon, all of shape (n,)."""

    horizon_s: int
    recv_ns: Ints  # ascending
    moves: Floats  # y, quote currency
    delayed: Floats  # y after the modelled latency; NaN where it is not known
    mid: Floats
    spread: Floats

    def rows(self, mask: Flags) -> Outcomes:
        """The same of the rows of `mask` only."""
        return Outcomes(
            self.horizon_s,
            self.recv_ns[mask],
            self.moves[mask],
            self.delayed[mask],
            self.mid[mask],
            self.spread[mask],
        )


def at_threshold(signal: Floats, threshold: float) -> Flags:
    """Rows with |yhat| >= threshold. A prediction of exactly 0 is no signal."""
    chosen: Flags = (np.abs(signal) >= threshold) & (signal != 0.0)
    return chosen


def at_coverage(signal: Floats, coverage: float) -> Flags:
    """The `coverage` share of rows with the largest |yhat|; ties are broken by a fixed shuffle, not by time.

    Rows without signal are never selected, so the coverage reached may be less.
    """
    count = round(len(signal) * coverage)
    shuffle = np.random.default_rng(SEED).permutation(len(signal))
    order = np.lexsort((shuffle, -np.abs(signal)))
    chosen = np.zeros(len(signal), dtype=np.bool_)
    chosen[order[:count]] = True
    chosen &= signal != 0.0
    return chosen


def skill(predicted_up: float, moved_up: float, hit_rate: float) -> float:
    """Hit rate less the rate expected from the shares of up alone.

    >>> skill(0.0, 0.3, 0.7)  # always "down" in a falling market
    0.0
    """
    return hit_rate - (predicted_up * moved_up + (1.0 - predicted_up) * (1.0 - moved_up))


def score(
    name: str, selection: str, signal: Floats, chosen: Flags, outcomes: Outcomes, *, is_move: bool
) -> Score:
    """The row of one predictor under one selection; `signal` and `chosen` have shape (n,).

    `is_move` says that the signal is an expected move in quote currency: only then R2 means something.
    """
    y = outcomes.moves
    decided = chosen & (y != 0.0)
    hits = decided & (np.sign(signal) == np.sign(y))
    selected, count = int(chosen.sum()), int(decided.sum())
    rate = hits.sum() / count if count else nan
    earned = np.sign(signal) * outcomes.delayed
    known = chosen & np.isfinite(outcomes.delayed)
    cost = 2.0 * FEE * outcomes.mid + outcomes.spread
    total = float(np.square(y).sum())
    spans = _spans(outcomes, signal, decided, hits)
    return Score(
        horizon_s=outcomes.horizon_s,
        name=name,
        selection=selection,
        rows=len(y),
        selected=selected,
        coverage=selected / len(y) if len(y) else nan,
        zero_share=1.0 - count / selected if selected else nan,
        hit_rate=float(rate),
        hit_rate_with_zeros=float(hits.sum() / selected) if selected else nan,
        skill=skill(_up(signal, decided), _up(y, decided), float(rate)),
        low=spans.low,
        high=spans.high,
        skill_low=spans.skill_low,
        skill_high=spans.skill_high,
        blocks=spans.blocks,
        block_s=spans.block_s,
        is_reliable=spans.blocks >= RELIABLE_BLOCKS,
        r2=1.0 - float(np.square(y - signal).sum()) / total if is_move and total > 0.0 else nan,
        ic=_correlation(signal, y),
        gross_edge=float(earned[known].mean()) if known.any() else nan,
        net_edge=float((earned - cost)[known].mean()) if known.any() else nan,
    )


def _up(values: Floats, decided: Flags) -> float:
    return float((values[decided] > 0.0).mean()) if decided.any() else nan


def _correlation(left: Floats, right: Floats) -> float:
    if len(left) < 3 or np.ptp(left) == 0.0 or np.ptp(right) == 0.0:
        return nan
    return float(np.corrcoef(left, right)[0, 1])


@dataclass(frozen=True)
class _Spans:
    low: float
    high: float
    skill_low: float
    skill_high: float
    blocks: int
    block_s: float


def _spans(outcomes: Outcomes, signal: Floats, decided: Flags, hits: Flags) -> _Spans:
    """Intervals of hit rate and skill by resampling moving blocks of time."""
    times = outcomes.recv_ns
    if len(times) == 0 or not decided.any():
        return _Spans(nan, nan, nan, nan, 0, nan)
    block_ns = block_length(times, outcomes.horizon_s, influence(decided, hits))
    blocks = Blocks(times, block_ns)
    if blocks.count < FEWEST_BLOCKS:
        return _Spans(nan, nan, nan, nan, blocks.count, block_ns / 1e9)
    marks = np.stack([decided, hits, decided & (signal > 0.0), decided & (outcomes.moves > 0.0)])
    count, hit, up, moved = blocks.sums(marks)
    enough = count > 0
    rate = hit[enough] / count[enough]
    up, moved = up[enough] / count[enough], moved[enough] / count[enough]
    gain = rate - (up * moved + (1.0 - up) * (1.0 - moved))
    low, high = np.quantile(rate, TAILS) if len(rate) else (nan, nan)
    skill_low, skill_high = np.quantile(gain, TAILS) if len(rate) else (nan, nan)
    return _Spans(float(low), float(high), float(skill_low), float(skill_high), blocks.count, block_ns / 1e9)


def influence(decided: Flags, hits: Flags) -> Floats:
    """What each row adds to the error of the hit rate, (n,): 0 for rows that do not count."""
    rate = hits.sum() / max(1, decided.sum())
    pulled: Floats = np.where(decided, hits - rate, 0.0)
    return pulled
