"""Stoikov's microprice (2018): the expected mid after the next few changes, given imbalance and spread.

A Markov chain over states (tenth of the range of the best-level imbalance, spread of one tick or more),
estimated from update to update and made symmetric by counting each transition once more in the mirror. It is
a baseline: a model that does not beat it has learned nothing that the first level does not say.

Stoikov, S. (2018). The micro-price: a high-frequency estimator of future prices. Quantitative Finance 18(12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from research.labels import Floats, Ints

BINS = 10
STATES = 2 * BINS  # state = bin + BINS * (spread is more than one tick)
CHANGES = 6  # of the mid that are looked ahead; the sum converges within a few
LARGEST = 4  # half ticks: jumps are counted as this, or a few of them would be the estimate


@dataclass(frozen=True)
class Quotes:
    """The best of the book at every valid book of a recording, all (n,)."""

    recv_ns: Ints
    half_ticks: Ints  # bid + ask, in ticks: twice the mid
    imbalance: Floats  # (bid size - ask size) / their sum at the best level
    spread_ticks: Ints
    breaks_before: Ints

    def between(self, from_ns: int, until_ns: int) -> Quotes:
        """The quotes with from_ns <= recv_ns <= until_ns."""
        low = int(np.searchsorted(self.recv_ns, from_ns, "left"))
        high = int(np.searchsorted(self.recv_ns, until_ns, "right"))
        return Quotes(
            self.recv_ns[low:high],
            self.half_ticks[low:high],
            self.imbalance[low:high],
            self.spread_ticks[low:high],
            self.breaks_before[low:high],
        )


def states(imbalance: Floats, spread_ticks: Ints) -> Ints:
    """The state of each quote, (n,)."""
    bins = np.clip(np.floor((imbalance + 1.0) / 2.0 * BINS), 0, BINS - 1).astype(np.int64)
    return bins + BINS * (spread_ticks > 1)


class Counts(NamedTuple):
    """Transitions from quote to quote, each counted once more in the mirror. Counts of parts that follow each
    other add up to those of the whole: whole numbers, so exactly."""

    stays: Floats  # (20, 20), from state to state while the mid stays
    moves: Floats  # (20, 20), while it moves
    drift: Floats  # (20,), sum of its moves from each state, half ticks

    def plus(self, other: Counts) -> Counts:
        """Of both parts."""
        return Counts._make((mine + its for mine, its in zip(self, other, strict=True)))


def no_counts() -> Counts:
    """Nothing seen yet."""
    return Counts(np.zeros((STATES, STATES)), np.zeros((STATES, STATES)), np.zeros(STATES))


def count(quotes: Quotes) -> Counts:
    """The transitions between consecutive quotes, none over a break."""
    state = states(quotes.imbalance, quotes.spread_ticks)
    follows = np.diff(quotes.breaks_before) == 0
    before, after = state[:-1][follows], state[1:][follows]
    change = np.clip(np.diff(quotes.half_ticks)[follows], -LARGEST, LARGEST)
    before = np.concatenate([before, _mirrored(before)])
    after = np.concatenate([after, _mirrored(after)])
    change = np.concatenate([change, -change])
    stays, moves, drift = no_counts()
    np.add.at(stays, (before[change == 0], after[change == 0]), 1.0)
    np.add.at(moves, (before[change != 0], after[change != 0]), 1.0)
    np.add.at(drift, before, change.astype(np.float64))
    return Counts(stays, moves, drift)


def adjustment(quotes: Quotes) -> Floats:
    """Microprice less mid per state, (20,), in half ticks; 0 for states that were not seen.

    >>> empty = np.empty(0, dtype=np.int64)
    >>> adjustment(Quotes(empty, empty, np.empty(0), empty, empty)).any()
    False
    """
    return solved(count(quotes))


def solved(counts: Counts) -> Floats:
    """The same from counted transitions."""
    stays, moves, drift = counts
    seen = np.maximum(1.0, (stays + moves).sum(axis=1))
    # A class of states that the mid was never seen to leave makes the system singular: it has no estimate,
    # and least squares gives it the smallest.
    system = np.eye(STATES) - stays / seen[:, None]
    until_change = np.linalg.pinv(system)
    first: Floats = until_change @ (drift / seen)
    after_change = until_change @ (moves / seen[:, None])
    total: Floats = first.copy()
    term = first
    for _ in range(CHANGES - 1):
        term = after_change @ term
        total += term
    return total


def _mirrored(state: Ints) -> Ints:
    """The states with bid and ask exchanged."""
    mirrored: Ints = (BINS - 1 - state % BINS) + BINS * (state // BINS)
    return mirrored
