"""Laws of size by maximum likelihood, beside the article's: which one foretells the next window best.

Each is fitted to the orders of one window and judged on those of the next, by the Kolmogorov-Smirnov distance
and by the log score (mean log density per order, nats; higher is better). The article's form is no fit in
this sense: it takes the mean and one share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from research.flow.distance import distance
from research.flow.likelihood import Estimate, maximize
from services.features.flow import law
from services.features.flow.law import Floats, Ints

POINTS = 400  # of the integral of the truncated power law
CUTS = 45.0  # cutoffs beyond which nothing is left


class Fitted(NamedTuple):
    """A law with its parameters, by name, and their errors."""

    name: str
    parameters: dict[str, float]
    errors: dict[str, float]
    log_density: Callable[[Floats], Floats]
    survival: Callable[[Floats], Floats]


class Score(NamedTuple):
    """One law over all pairs of neighboring windows: means of the distance in the window it was fitted to,
    and of distance and log score in the next. `parameters` are of the last window."""

    name: str
    pairs: int
    distance: float
    next_distance: float
    next_log_score: float
    parameters: dict[str, float]
    errors: dict[str, float]


def article(values: Ints) -> Fitted:
    """The article's form. The errors of m and alpha are those of `law_errors`."""
    found = law.fit(values)
    errors = law_errors(values, found)
    parameters = {"mean": found.mean, "alpha": found.alpha}
    return Fitted("article", parameters, errors, found.log_density, found.survival)


def law_errors(values: Ints, found: law.SizeLaw) -> dict[str, float]:
    """Standard errors of mean and alpha, for independent values: alpha rests on the share above a mean that
    is an estimate itself."""
    count, spread = len(values), float(np.std(values))
    is_above = values > found.mean
    share = float(np.mean(is_above))
    density = float(np.exp(found.log_density(np.array([found.mean])))[0])
    together = float(np.mean(values * is_above)) - share * found.mean
    variance = share * (1.0 - share) + (density * spread) ** 2 - 2.0 * density * together
    of_alpha = math.sqrt(max(variance, 0.0) / count) / share / math.log(law.BASES[found.form])
    return {"mean": spread / math.sqrt(count), "alpha": of_alpha}


def lomax(values: Ints) -> Fitted:
    """P(q > d) = (1 + d / scale)^-shape."""
    data = values.astype(np.float64)

    def log_likelihood(p: Floats) -> float:
        return float(len(data) * math.log(p[0] / p[1]) - (p[0] + 1.0) * np.log1p(data / p[1]).sum())

    found = maximize(log_likelihood, (2.0, float(data.mean())))
    return _of("Lomax", ("shape", "scale"), found, stats.lomax(c=found.values[0], scale=found.values[1]))


def log_normal(values: Ints) -> Fitted:
    """ln q is normal with mean mu and deviation sigma; the closed form."""
    logs = np.log(values)
    mu, sigma, count = float(logs.mean()), float(logs.std()), len(logs)
    errors = (sigma / math.sqrt(count), sigma / math.sqrt(2 * count))
    found = Estimate((mu, sigma), errors, math.nan)
    return _of("log-normal", ("mu", "sigma"), found, stats.lognorm(s=sigma, scale=math.exp(mu)))


def generalized_pareto(values: Ints) -> Fitted:
    """P(q > d) = (1 + xi d / scale)^(-1/xi); xi may be below 0, then there is a largest size."""
    data = values.astype(np.float64)

    def log_likelihood(p: Floats) -> float:
        return float(stats.genpareto.logpdf(data, p[0] - 1.0, scale=p[1]).sum())  # xi + 1 is above 0

    found = maximize(log_likelihood, (1.3, float(data.mean())))
    xi, scale = found.values[0] - 1.0, found.values[1]
    return _of(
        "generalized Pareto",
        ("xi", "scale"),
        Estimate((xi, scale), found.errors, found.log_likelihood),
        stats.genpareto(xi, scale=scale),
    )


def truncated_power(values: Ints) -> Fitted:
    """Density proportional to q^-exponent exp(-q / cutoff) from one lot on."""
    data = values.astype(np.float64)
    logs, total, count = float(np.log(data).sum()), float(data.sum()), len(data)

    def log_likelihood(p: Floats) -> float:
        return float(-p[0] * logs - total / p[1] - count * math.log(_mass(p[0], p[1], 1.0)))

    found = maximize(log_likelihood, (1.2, float(data.mean()) * 3.0))
    exponent, cutoff = found.values
    whole = _mass(exponent, cutoff, 1.0)

    def log_density(sizes: Floats) -> Floats:
        return np.asarray(-exponent * np.log(sizes) - sizes / cutoff - math.log(whole))

    def survival(sizes: Floats) -> Floats:
        return np.array([_mass(exponent, cutoff, max(float(size), 1.0)) / whole for size in sizes])

    names = ("exponent", "cutoff")
    return Fitted(
        "truncated power",
        dict(zip(names, found.values, strict=True)),
        dict(zip(names, found.errors, strict=True)),
        log_density,
        survival,
    )


def _mass(exponent: float, cutoff: float, least: float) -> float:
    """The integral of q^-exponent exp(-q / cutoff) from `least` on, in ln q."""
    logs = np.linspace(math.log(least), math.log(least + CUTS * cutoff), POINTS)
    heights = np.exp((1.0 - exponent) * logs - np.exp(logs) / cutoff)
    return max(float(np.trapezoid(heights, logs)), 1e-300)


def _of(name: str, names: tuple[str, ...], found: Estimate, frozen: stats.rv_continuous) -> Fitted:
    return Fitted(
        name,
        dict(zip(names, found.values, strict=True)),
        dict(zip(names, found.errors, strict=True)),
        frozen.logpdf,
        frozen.sf,
    )


LAWS = (article, lomax, log_normal, generalized_pareto, truncated_power)


def scores(windows: list[Ints]) -> list[Score]:
    """Every law over neighboring windows of sizes in lots, in the order of `LAWS`."""
    out = []
    for fit in LAWS:
        fits = [fit(window) for window in windows]
        pairs = list(zip(fits[:-1], windows[:-1], windows[1:], strict=True))
        own = [distance(here, each.survival) for each, here, _ in pairs]
        after = [distance(sizes, each.survival) for each, _, sizes in pairs]
        told = [
            float(np.mean(each.log_density(following.astype(np.float64)))) for each, _, following in pairs
        ]
        last = fits[-1]
        out.append(
            Score(last.name, len(pairs), _mean(own), _mean(after), _mean(told), last.parameters, last.errors)
        )
    return out


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan
