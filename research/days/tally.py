"""Hit rates of any number of rows, day by day: sums, and marks by cell of time for the intervals.

Cells are so long that there are at most `CELLS` of them, and a block has at least `LEAST_CELLS`: a month's
blocks are about 90 minutes. Longer blocks than dependence asks for make an interval no narrower; what they
cost is some of its own precision, and there are 500 of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from research.blocks import FEWEST_BLOCKS, LEAST_S, RELIABLE_BLOCKS, Blocks, automatic_length
from research.labels import Flags, Floats, Ints
from research.pairs import Pair
from research.scores import FEE, TAILS, Outcomes, Score, skill
from shared.units import SECOND

CELLS = 10_000
LEAST_CELLS = 20


@dataclass(frozen=True)
class Frame:
    """The time that is scored, in cells."""

    from_ns: int
    until_ns: int  # exclusive

    @property
    def cell_ns(self) -> int:
        """A whole number of seconds."""
        return max(1, -(-(self.until_ns - self.from_ns) // (CELLS * SECOND))) * SECOND

    @property
    def cells(self) -> int:
        """How many."""
        return -(-(self.until_ns - self.from_ns) // self.cell_ns)

    def starts(self) -> Ints:
        """When each begins, (cells,)."""
        return self.from_ns + self.cell_ns * np.arange(self.cells, dtype=np.int64)

    def blocks(self, horizon_s: int, series: Floats, filled: Ints) -> tuple[Blocks, float]:
        """Blocks for what is averaged over the cells `filled`, those that hold rows, both (m,); and their
        length in seconds. As with rows, no block begins where there is nothing."""
        least_ns = max(LEAST_S, 2 * horizon_s) * SECOND
        if self.cell_ns > SECOND:
            least_ns = max(least_ns, LEAST_CELLS * self.cell_ns)
        block_ns = max(least_ns, round(automatic_length(series) * self.cell_ns))
        return Blocks(self.starts()[filled], block_ns), block_ns / SECOND


class Moments:
    """Correlation and squared errors of a signal over all rows, day by day (Chan, Golub, LeVeque 1979)."""

    def __init__(self) -> None:
        self.rows = 0
        self.squares = 0.0  # of y
        self.errors = 0.0  # of y less signal
        self._means = np.zeros(2)
        self._products = np.zeros((2, 2))

    def add(self, signal: Floats, y: Floats) -> None:
        """(n,) each."""
        if len(y) == 0:
            return
        both = np.stack([signal, y])
        means = both.mean(axis=1)
        rest = both - means[:, None]
        gap, total = means - self._means, self.rows + len(y)
        self._products += rest @ rest.T + np.outer(gap, gap) * (self.rows * len(y) / total)
        self._means += gap * (len(y) / total)
        self.rows = total
        self.squares += float(np.square(y).sum())
        self.errors += float(np.square(y - signal).sum())

    @property
    def correlation(self) -> float:
        """NaN where one of both does not vary, or nearly not."""
        (one, both), (_, other) = self._products
        tiny = 1e-24 * self.rows * np.square(self._means)
        if self.rows < 3 or one <= tiny[0] or other <= tiny[1]:
            return nan
        return float(both / sqrt(one * other))


class Tally:
    """One signal under one selection."""

    def __init__(self, frame: Frame) -> None:
        self.selected = 0
        self.known = 0  # selected rows whose move after the latency is known
        self.gross = self.cost = 0.0
        # By cell: decided, hits, predicted up, moved up, and rows, selected or not.
        self.marks = np.zeros((5, frame.cells), np.float32)
        self._frame = frame

    def add(self, signal: Floats, chosen: Flags, after: Outcomes) -> None:
        """The next rows, (n,)."""
        y = after.moves
        decided = chosen & (y != 0.0)
        hits = decided & (np.sign(signal) == np.sign(y))
        known = chosen & np.isfinite(after.delayed)
        self.selected += int(chosen.sum())
        self.known += int(known.sum())
        self.gross += float((np.sign(signal) * after.delayed)[known].sum())
        self.cost += float((2.0 * FEE * after.mid + after.spread)[known].sum())
        cell = (after.recv_ns - self._frame.from_ns) // self._frame.cell_ns
        if len(cell) == 0:
            return
        first = int(cell[0])
        every = np.ones(len(y), dtype=np.bool_)
        for row, mark in enumerate((decided, hits, decided & (signal > 0.0), decided & (y > 0.0), every)):
            counted = np.bincount(cell[mark] - first)
            self.marks[row, first : first + len(counted)] += counted

    def filled(self) -> Ints:
        """The cells that hold rows, (m,)."""
        return np.flatnonzero(self.marks[4])

    def influence(self) -> Floats:
        """What each of these adds to the error of the hit rate, (m,)."""
        decided, hits = self.marks[:2, self.filled()].astype(np.float64)
        pulled: Floats = hits - hits.sum() / max(1.0, decided.sum()) * decided
        return pulled


def scored(
    name: str, selection: str, horizon_s: int, tally: Tally, moments: Moments, frame: Frame, *, is_move: bool
) -> Score:
    """The row of the table, as `research.scores.score`."""
    decided, hit, up, moved = (float(total) for total in tally.marks[:4].sum(axis=1, dtype=np.float64))
    rate = hit / decided if decided else nan
    low = high = skill_low = skill_high = block_s = nan
    count = 0
    if decided:
        filled = tally.filled()
        blocks, block_s = frame.blocks(horizon_s, tally.influence(), filled)
        count = blocks.count
        if count >= FEWEST_BLOCKS:
            sums = blocks.sums(tally.marks[:4, filled].astype(np.float64))
            drawn, hits, ups, moves = sums[:, sums[0] > 0.0]
            rates, ups, moves = hits / drawn, ups / drawn, moves / drawn
            gain = rates - (ups * moves + (1.0 - ups) * (1.0 - moves))
            low, high = (float(end) for end in np.quantile(rates, TAILS))
            skill_low, skill_high = (float(end) for end in np.quantile(gain, TAILS))
    chosen = tally.selected
    gross = tally.gross / tally.known if tally.known else nan
    cost = tally.cost / tally.known if tally.known else nan
    is_squared = is_move and moments.squares > 0.0
    return Score(
        horizon_s=horizon_s,
        name=name,
        selection=selection,
        rows=moments.rows,
        selected=chosen,
        coverage=chosen / moments.rows if moments.rows else nan,
        zero_share=1.0 - decided / chosen if chosen else nan,
        hit_rate=rate,
        hit_rate_with_zeros=hit / chosen if chosen else nan,
        skill=skill(up / decided, moved / decided, rate) if decided else nan,
        low=low,
        high=high,
        skill_low=skill_low,
        skill_high=skill_high,
        blocks=count,
        block_s=block_s,
        is_reliable=count >= RELIABLE_BLOCKS,
        r2=1.0 - moments.errors / moments.squares if is_squared else nan,
        ic=moments.correlation,
        gross_edge=gross,
        net_edge=gross - cost,
    )


def paired(
    names: tuple[str, str], selection: str, horizon_s: int, tallies: tuple[Tally, Tally], frame: Frame
) -> Pair:
    """Hit rate of one less that of another, as `research.pairs.pair`."""
    sums = [tally.marks.sum(axis=1, dtype=np.float64) for tally in tallies]
    if not (sums[0][0] and sums[1][0]):
        return Pair(horizon_s, selection, *names, nan, nan, nan, nan, 0, False)
    pulls = [tally.influence() / total[0] for tally, total in zip(tallies, sums, strict=True)]
    filled = tallies[0].filled()  # both are of the same rows
    blocks, _ = frame.blocks(horizon_s, pulls[0] - pulls[1], filled)
    marks = np.concatenate([tally.marks[:2, filled] for tally in tallies]).astype(np.float64)
    count, hit, other_count, other_hit = blocks.sums(marks)
    enough = (count > 0.0) & (other_count > 0.0)
    gaps = hit[enough] / count[enough] - other_hit[enough] / other_count[enough]
    is_told = blocks.count >= FEWEST_BLOCKS
    low, high = np.quantile(gaps, TAILS) if is_told else (nan, nan)
    return Pair(
        horizon_s=horizon_s,
        selection=selection,
        name=names[0],
        against=names[1],
        difference=float(sums[0][1] / sums[0][0] - sums[1][1] / sums[1][0]),
        low=float(low),
        high=float(high),
        error=float(gaps.std(ddof=1)) if is_told else nan,
        blocks=blocks.count,
        is_reliable=blocks.count >= RELIABLE_BLOCKS,
    )
