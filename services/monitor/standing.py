"""What a scoreboard's rows say: hit rate at equal coverage, skill, correlation and edge of every version and
baseline, each with an interval that knows that labels overlap, and against the version that serves. Pure.

Intervals are those of blocks of max(30 s, 2 h) of time; fewer than 30 blocks make them unreliable.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.monitor.board import Board, Floats
from shared.units import SECOND

COVERAGES = (1.0, 0.5, 0.2)
BASELINES = ("imbalance 1", "last return", "majority")
LEAST_BLOCK_S = 30
RELIABLE_BLOCKS = 30
Z = 1.96
SEED = 20240808  # of the breaking of ties

Flags = npt.NDArray[np.bool_]


class Standing(NamedTuple):
    """One row. Shares are 0 to 1, edges in quote currency, NaN where nothing was selected or decided."""

    name: str  # a version, or one of BASELINES
    horizon_s: int
    asked: float  # coverage asked for
    rows: int  # labelled rows that it predicted
    coverage: float
    zero_share: float
    hit_rate: float
    hit_rate_with_zeros: float
    low: float  # 95 % interval of the hit rate
    high: float
    blocks: int
    is_reliable: bool
    skill: float
    ic: float
    gross_edge: float
    net_edge: float
    difference: float  # of hit rates to the version that serves, on the rows of both
    difference_error: float


class _Tested(NamedTuple):
    """A signal on labelled rows of one horizon, all (n,)."""

    signal: Floats
    moves: Floats
    delayed: Floats
    cost: Floats
    blocks: npt.NDArray[np.int64]  # number of each row's block


def standings(board: Board, champion: str, fee_bps: float) -> list[Standing]:
    """All, by horizon: the version that serves (`champion`, if it has predicted), the others, baselines."""
    out: list[Standing] = []
    others = sorted(name for name in board.moves if name != champion and board.is_heard(name))
    for horizon_s, labels in sorted(board.labels.items()):
        signals = {
            name: board.moves[name].get(horizon_s) for name in (champion, *others) if name in board.moves
        }
        known = ~np.isnan(labels.moves)
        own = signals.get(champion)
        ruled = known if own is None else known & ~np.isnan(own)
        for name, signal in signals.items():
            if signal is not None:
                rows = known & ~np.isnan(signal)
                out += _of(board, name, horizon_s, signal, rows, fee_bps, None if name == champion else own)
        baselines = (board.imbalance, board.last_return, labels.majority)
        for name, signal in zip(BASELINES, baselines, strict=True):
            out += _of(board, name, horizon_s, np.nan_to_num(signal), ruled, fee_bps, own)
    return out


def at_coverage(signal: Floats, coverage: float) -> Flags:
    """The share of rows with the largest |signal|, ties broken by a fixed shuffle; a signal of 0 is none."""
    shuffle = np.random.default_rng(SEED).permutation(len(signal))
    order = np.lexsort((shuffle, -np.abs(signal)))
    chosen = np.zeros(len(signal), dtype=np.bool_)
    chosen[order[: round(len(signal) * coverage)]] = True
    chosen &= signal != 0.0
    return chosen


def _of(
    board: Board,
    name: str,
    horizon_s: int,
    signal: Floats,
    rows: Flags,
    fee_bps: float,
    champion: Floats | None,
) -> Iterator[Standing]:
    if not rows.any():
        return
    tested = _tested(board, horizon_s, signal, rows, fee_bps)
    both = rows if champion is None else rows & ~np.isnan(champion)
    ours = tested if both.sum() == rows.sum() else _tested(board, horizon_s, signal, both, fee_bps)
    theirs = None if champion is None else _tested(board, horizon_s, champion, both, fee_bps)
    for asked in COVERAGES:
        against = (nan, nan) if theirs is None else _difference(ours, theirs, asked)
        yield _standing(name, horizon_s, asked, tested, against)


def _tested(board: Board, horizon_s: int, signal: Floats, rows: Flags, fee_bps: float) -> _Tested:
    # The ring in the order of time, so that a share of it does not depend on where it was cut.
    order = np.roll(np.arange(board.rows), -(board.count % board.rows) if board.count > board.rows else 0)
    chosen = order[rows[order]]
    labels, block_ns = board.labels[horizon_s], max(LEAST_BLOCK_S, 2 * horizon_s) * SECOND
    return _Tested(
        signal[chosen],
        labels.moves[chosen],
        labels.delayed[chosen],
        2e-4 * fee_bps * board.mid[chosen] + board.spread[chosen],
        board.times[chosen] // block_ns,
    )


def _standing(name: str, horizon_s: int, asked: float, of: _Tested, against: tuple[float, float]) -> Standing:
    chosen = at_coverage(of.signal, asked)
    decided, hits = _hits(of, chosen)
    selected, count = int(chosen.sum()), int(decided.sum())
    rate = hits.sum() / count if count else nan
    error, blocks = _error(of.blocks, np.where(decided, hits - rate, 0.0), count) if count else (nan, 0)
    up = (of.signal[decided] > 0.0).mean() if count else nan
    rose = (of.moves[decided] > 0.0).mean() if count else nan
    earned = np.sign(of.signal) * of.delayed
    known = chosen & ~np.isnan(of.delayed)
    return Standing(
        name=name,
        horizon_s=horizon_s,
        asked=asked,
        rows=len(of.moves),
        coverage=selected / len(of.moves),
        zero_share=1.0 - count / selected if selected else nan,
        hit_rate=float(rate),
        hit_rate_with_zeros=float(hits.sum() / selected) if selected else nan,
        low=float(rate - Z * error),
        high=float(rate + Z * error),
        blocks=blocks,
        is_reliable=blocks >= RELIABLE_BLOCKS,
        skill=float(rate - (up * rose + (1.0 - up) * (1.0 - rose))),
        ic=_correlation(of.signal, of.moves),
        gross_edge=float(earned[known].mean()) if known.any() else nan,
        net_edge=float((earned - of.cost)[known].mean()) if known.any() else nan,
        difference=against[0],
        difference_error=against[1],
    )


def _hits(of: _Tested, chosen: Flags) -> tuple[Flags, Flags]:
    decided = chosen & (of.moves != 0.0)
    return decided, decided & (np.sign(of.signal) == np.sign(of.moves))


def _difference(ours: _Tested, theirs: _Tested, asked: float) -> tuple[float, float]:
    """Hit rate of one less that of the other, on the same rows, and its standard error."""
    pulls, rates = [], []
    for of in (ours, theirs):
        decided, hits = _hits(of, at_coverage(of.signal, asked))
        count = int(decided.sum())
        if not count:
            return nan, nan
        rates.append(float(hits.sum() / count))
        pulls.append(np.where(decided, hits - rates[-1], 0.0) / count)
    return rates[0] - rates[1], _error(ours.blocks, pulls[0] - pulls[1], 1)[0]


def _error(blocks: npt.NDArray[np.int64], pull: Floats, count: int) -> tuple[float, int]:
    """By blocks, the standard error of a mean over `count` with deviations `pull`, (n,); and how many."""
    _, places = np.unique(blocks, return_inverse=True)
    sums = np.bincount(places, weights=pull)
    many = len(sums)
    if many < 2:
        return nan, many
    return sqrt(float(np.square(sums).sum()) * many / (many - 1)) / count, many


def _correlation(left: Floats, right: Floats) -> float:
    if len(left) < 3 or np.ptp(left) == 0.0 or np.ptp(right) == 0.0:
        return nan
    return float(np.corrcoef(left, right)[0, 1])
