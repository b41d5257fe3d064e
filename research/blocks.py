"""Intervals for sums over rows that depend on each other: moving blocks of time, resampled.

A block is as long as the dependence asks for: at least 30 s, at least two horizons (labels overlap), at least
the automatic length of Politis and White (2004), as corrected by Patton, Politis and White (2009), "Automatic
block-length selection for the dependent bootstrap", Econometric Reviews 23(1) and 28(4).
"""

from __future__ import annotations

from math import ceil, log10, sqrt

import numpy as np

from research.labels import Floats, Ints
from shared.units import SECOND

RESAMPLES = 1000
RELIABLE_BLOCKS = 30
FEWEST_BLOCKS = 2  # one block resampled is always itself: an interval without width, which says nothing
LEAST_S = 30
SEED = 20240808  # a table is a function of its data


def automatic_length(series: Floats) -> float:
    """The block length, in rows, under which a mean's moving-block variance has the least expected error.

    1 where the series, (n,), does not vary or is too short to tell; at most min(3 sqrt n, n / 3).
    """
    count = len(series)
    centered = series - series.mean() if count else series
    if count < 10 or not np.square(centered).sum() > 0.0:
        return 1.0
    most = min(3.0 * sqrt(count), count / 3.0)
    run = max(5, ceil(sqrt(log10(count))))
    lags = min(ceil(sqrt(count)) + run, count - 1)
    size = 1 << (2 * count - 1).bit_length()
    power = np.square(np.abs(np.fft.rfft(centered, size)))
    covariance = np.fft.irfft(power, size)[: lags + 1] / count
    significant = np.abs(covariance / covariance[0]) > 2.0 * sqrt(log10(count) / count)
    # The first lag after which `run` lags in a row say nothing.
    last = 0
    for lag in range(1, lags + 1):
        if significant[lag]:
            last = lag
        elif lag - last >= run:
            break
    bandwidth = min(2 * max(last, 1), lags)
    at = np.arange(1, bandwidth + 1)
    share = at / bandwidth
    weights = np.where(share <= 0.5, 1.0, 2.0 * (1.0 - share))  # the flat-top window
    spectrum = covariance[0] + 2.0 * float((weights * covariance[at]).sum())
    slope = 2.0 * float((weights * at * covariance[at]).sum())
    if spectrum <= 0.0:
        return most
    length = (2.0 * slope**2 / (4.0 / 3.0 * spectrum**2)) ** (1.0 / 3.0) * count ** (1.0 / 3.0)
    return float(min(max(length, 1.0), most))


def block_length(recv_ns: Ints, horizon_s: int, series: Floats) -> int:
    """Length of a block in ns for rows at `recv_ns`, (n,), and what is averaged over them, (n,)."""
    least = max(LEAST_S, 2 * horizon_s) * SECOND
    if len(recv_ns) < 2:
        return least
    step_ns = float(np.median(np.diff(recv_ns)))
    return max(least, round(automatic_length(series) * step_ns))


class Blocks:
    """Resampled blocks of one length over the rows at `recv_ns`, (n,) ascending, n > 0. Two of the same
    length over the same rows resample the same blocks: differences are paired.

    Time without rows that is longer than a block (between two files of a capture, say) parts the rows into
    runs. It holds no blocks, and none reaches over it.
    """

    def __init__(self, recv_ns: Ints, block_ns: int) -> None:
        first = np.flatnonzero(np.diff(recv_ns, prepend=recv_ns[0] - block_ns - 1) > block_ns)
        last = np.append(first[1:], len(recv_ns)) - 1
        end_ns = np.repeat(recv_ns[last], last - first + 1)
        # Blocks begin where a whole one fits; a run shorter than one block is its own only block.
        fits = recv_ns + block_ns <= end_ns + 1
        fits[first] = True
        self._starts = np.flatnonzero(fits)
        self._ends = np.searchsorted(recv_ns, recv_ns + block_ns, "left")[self._starts]
        if len(first) == 1:
            share = int(recv_ns[-1] - recv_ns[0]) / block_ns
        else:  # a resample has as many rows as there are
            share = len(recv_ns) / float((self._ends - self._starts).mean())
        self.count = int(share)  # of blocks that do not overlap
        shape = (RESAMPLES, max(1, ceil(share)))
        self._draws = np.random.default_rng(SEED).integers(0, len(self._starts), shape)

    def sums(self, marks: Floats) -> Floats:
        """Sums of each row of `marks`, (m, n), in each resample: (m, 1000)."""
        running = np.concatenate([np.zeros((len(marks), 1)), np.cumsum(marks, axis=1)], axis=1)
        blocks = running[:, self._ends] - running[:, self._starts]
        # One row at a time: drawn blocks are the largest thing that scoring holds.
        return np.stack([row[self._draws].sum(axis=1) for row in blocks])
