"""How many orders arrive in a window: Poisson, negative binomial, and a self-exciting process (Hawkes).

The article saw that Poisson fails. The Hawkes process has one set of parameters for windows of every length:
rate at t = mu + branching * sum over past orders of decay exp(-decay (t - t_i)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import special, stats

from research.flow.likelihood import Estimate, maximize
from services.features.flow.law import Floats, Ints

SIMULATED_SECONDS = 40_000
MOST_ORDERS = 20_000  # that a fit of the Hawkes process looks at, the latest


class Counts(NamedTuple):
    """A law of the number in a window: `chances` is P(N = n) for n from 0 on."""

    name: str
    parameters: dict[str, float]
    errors: dict[str, float]
    chances: Floats


def counts_of(times_ms: Ints, seconds: float, unseen: Sequence[tuple[int, int]] = ()) -> Ints:
    """Orders in each window of `seconds` between the first and the last whole one, the empty ones too, but
    for those from number until number of `unseen`."""
    width_ms = round(seconds * 1000)
    first, last = int(times_ms[0]) // width_ms + 1, int(times_ms[-1]) // width_ms
    if last <= first:
        return np.empty(0, np.int64)
    inside = times_ms[(times_ms >= first * width_ms) & (times_ms < last * width_ms)]
    counts = np.bincount(inside // width_ms - first, minlength=last - first).astype(np.int64)
    is_seen = np.ones(last - first, np.bool_)
    for start, end in unseen:
        is_seen[max(start - first, 0) : max(end - first, 0)] = False
    return np.asarray(counts[is_seen])


def poisson(counts: Ints) -> Counts:
    """One parameter, the mean."""
    mean = float(counts.mean())
    error = math.sqrt(mean / len(counts))
    return Counts("Poisson", {"mean": mean}, {"mean": error}, stats.poisson.pmf(_support(counts), mean))


def negative_binomial(counts: Ints) -> Counts:
    """Mean and size r: variance = mean + mean^2 / r. Poisson where r is large."""
    found, repeats = np.unique(counts, return_counts=True)

    def log_likelihood(p: Floats) -> float:
        return float((repeats * stats.nbinom.logpmf(found, p[1], p[1] / (p[1] + p[0]))).sum())

    mean, spread = float(counts.mean()), float(counts.var())
    start = mean**2 / (spread - mean) if spread > 1.01 * mean else 100.0 * mean
    best = maximize(log_likelihood, (mean, start))
    (mean, size) = best.values
    return Counts(
        "negative binomial",
        {"mean": mean, "size": size},
        {"mean": best.errors[0], "size": best.errors[1]},
        stats.nbinom.pmf(_support(counts), size, size / (size + mean)),
    )


def _support(counts: Ints) -> Ints:
    return np.arange(max(50, 4 * int(counts.max()) + 20))


class Hawkes(NamedTuple):
    """Per second: base rate, orders that one order brings about (below 1), and how fast its effect decays."""

    base: float
    branching: float
    decay: float
    errors: tuple[float, float, float] = (math.nan, math.nan, math.nan)

    @property
    def rate(self) -> float:
        """Orders per second in the long run."""
        return self.base / (1.0 - self.branching)


def fit_hawkes(times_ms: Ints) -> Hawkes:
    """By maximum likelihood from the times of orders, at least ten, ascending."""
    times = np.ascontiguousarray((times_ms[-MOST_ORDERS:] - times_ms[-MOST_ORDERS:][0]) / 1000.0)
    span = float(times[-1])
    rate = (len(times) - 1) / span

    def log_likelihood(p: Floats) -> float:
        branching = float(special.expit(math.log(p[1])))  # so that it stays below 1
        return float(_hawkes_likelihood(times, p[0], branching, p[2]))

    best: Estimate = maximize(log_likelihood, (rate / 2.0, 1.0, 5.0 * rate))
    odds = best.values[1]
    branching = odds / (1.0 + odds)
    errors = (best.errors[0], best.errors[1] / (1.0 + odds) ** 2, best.errors[2])
    return Hawkes(best.values[0], branching, best.values[2], errors)


@njit("float64(float64[::1], float64, float64, float64)", cache=True)
def _hawkes_likelihood(times: Floats, base: float, branching: float, decay: float) -> float:
    """The log-likelihood of orders at `times` seconds, the first at 0, seen until the last."""
    total, excitement, span = 0.0, 0.0, times[-1]
    for i in range(len(times)):
        if i > 0:
            excitement = (excitement + 1.0) * math.exp(-decay * (times[i] - times[i - 1]))
        total += math.log(base + branching * decay * excitement)
        total -= branching * (1.0 - math.exp(-decay * (span - times[i])))
    return float(total - base * span)


def simulate_hawkes(process: Hawkes, seconds: float, seed: int) -> Floats:
    """Times of orders over `seconds`, ascending: each order's offspring, generation by generation."""
    draws = np.random.default_rng(seed)
    generation = draws.uniform(0.0, seconds, draws.poisson(process.base * seconds))
    everything = [generation]
    while len(generation):
        parents = np.repeat(generation, draws.poisson(process.branching, len(generation)))
        generation = parents + draws.exponential(1.0 / process.decay, len(parents))
        generation = generation[generation < seconds]
        everything.append(generation)
    return np.sort(np.concatenate(everything))


def simulated_ms(process: Hawkes, seed: int = 1) -> Ints:
    """Times of a long run of the process, for `hawkes_counts`."""
    return (simulate_hawkes(process, SIMULATED_SECONDS, seed) * 1000.0).astype(np.int64)


def hawkes_counts(process: Hawkes, simulated: Ints, seconds: float) -> Counts:
    """The law of counts of the process, by simulation: no closed form is known."""
    counts = counts_of(simulated, seconds)
    names = ("base", "branching", "decay")
    return Counts(
        "Hawkes",
        dict(zip(names, process[:3], strict=True)),
        dict(zip(names, process.errors, strict=True)),
        np.bincount(counts) / len(counts),
    )
