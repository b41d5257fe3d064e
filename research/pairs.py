"""Two predictors on the same rows: the difference of their hit rates, each on its own selection of the same
size, with an interval that resamples both together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import nan

import numpy as np

from research.blocks import FEWEST_BLOCKS, RELIABLE_BLOCKS, Blocks, block_length
from research.finite import without_nan
from research.labels import Flags, Floats
from research.scores import TAILS, Outcomes, influence


@dataclass(frozen=True)
class Pair:
    """One row of the table of differences: hit rate of `name` less that of `against`."""

    horizon_s: int
    selection: str
    name: str
    against: str
    difference: float
    low: float  # 95 %; NaN with fewer than two blocks, as the error
    high: float
    error: float  # the standard error
    blocks: int
    is_reliable: bool

    def plain(self) -> dict[str, str | int | float | bool | None]:
        """The row for JSON, where NaN is null."""
        row: dict[str, str | int | float | bool | None] = without_nan(asdict(self))
        return row


def pair(
    names: tuple[str, str],
    selection: str,
    signals: tuple[Floats, Floats],
    chosen: tuple[Flags, Flags],
    outcomes: Outcomes,
) -> Pair:
    """Of two signals and their selections, each (n,)."""
    y, times = outcomes.moves, outcomes.recv_ns
    decided = [rows & (y != 0.0) for rows in chosen]
    hits = [rows & (np.sign(signal) == np.sign(y)) for rows, signal in zip(decided, signals, strict=True)]
    if not (decided[0].any() and decided[1].any()):
        return Pair(outcomes.horizon_s, selection, *names, nan, nan, nan, nan, 0, False)
    pulls = [influence(rows, hit) / max(1, rows.sum()) for rows, hit in zip(decided, hits, strict=True)]
    blocks = Blocks(times, block_length(times, outcomes.horizon_s, pulls[0] - pulls[1]))
    count, hit, other_count, other_hit = blocks.sums(np.stack([decided[0], hits[0], decided[1], hits[1]]))
    enough = (count > 0) & (other_count > 0)
    gaps = hit[enough] / count[enough] - other_hit[enough] / other_count[enough]
    gaps = gaps if blocks.count >= FEWEST_BLOCKS else gaps[:0]
    low, high = np.quantile(gaps, TAILS) if len(gaps) else (nan, nan)
    return Pair(
        outcomes.horizon_s,
        selection,
        *names,
        difference=float(hits[0].sum() / decided[0].sum() - hits[1].sum() / decided[1].sum()),
        low=float(low),
        high=float(high),
        error=float(gaps.std(ddof=1)) if len(gaps) > 1 else nan,
        blocks=blocks.count,
        is_reliable=blocks.count >= RELIABLE_BLOCKS,
    )
