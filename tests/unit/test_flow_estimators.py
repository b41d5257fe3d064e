"""Estimators on data drawn from laws that are known: within their stated errors, the optimum within one
bin."""

from __future__ import annotations

import math

import numpy as np
import pytest

from research.flow import arrivals, compound, size_fits
from research.flow.calibration import calibration_of
from research.flow.distance import distance
from services.features.flow import impact, law, probe
from services.features.flow.isotonic import rising
from services.features.flow.law import Floats, Ints, SizeLaw
from services.features.flow.optimum import optimum_of
from services.features.flow.orders import Orders
from services.features.flow.windows import windows_of

DEVIATIONS = 4.0  # standard errors: one in 16,000 draws is farther off


def lomax_lots(count: int, shape: float, scale: float, seed: int) -> Ints:
    """Sizes in whole lots, at least one."""
    return np.ceil(np.random.default_rng(seed).pareto(shape, count) * scale).astype(np.int64)


def orders_at(times_ms: Ints, sizes: Ints) -> Orders:
    """Orders of one row each, of a price that stays."""
    ones = np.ones(len(times_ms), np.int64)
    return Orders(times_ms, sizes, 100 * ones, 100 * ones, ones)


@pytest.mark.parametrize("seed", range(3))
def test_lomax_is_found_again(seed: int) -> None:
    shape, scale = 3.0, 20_000.0
    found = size_fits.lomax(lomax_lots(20_000, shape, scale, seed))
    assert abs(found.parameters["shape"] - shape) < DEVIATIONS * found.errors["shape"]
    assert abs(found.parameters["scale"] - scale) < DEVIATIONS * found.errors["scale"]
    assert found.errors["shape"] < 0.2


@pytest.mark.parametrize("seed", range(3))
def test_the_law_of_any_size_is_found_within_its_errors(seed: int) -> None:
    # Sizes need not follow the form: mean and share above it are what is estimated.
    sizes = np.ceil(np.random.default_rng(seed).exponential(5_000.0, 30_000)).astype(np.int64)
    found = law.fit(sizes, law.PLAIN)
    errors = size_fits.law_errors(sizes, found)
    assert abs(found.mean - 5_000.5) < DEVIATIONS * errors["mean"]
    assert abs(found.alpha - law.alpha_of(math.exp(-1.0), law.PLAIN)) < DEVIATIONS * errors["alpha"]


def test_stated_errors_of_alpha_are_those_seen() -> None:
    fits = []
    for seed in range(200):
        sizes = lomax_lots(2_000, 4.0, 3_000.0, seed)
        found = law.fit(sizes)
        fits.append((found.alpha, size_fits.law_errors(sizes, found)["alpha"]))
    alphas, errors = np.array(fits).T
    assert errors.mean() == pytest.approx(alphas.std(), rel=0.35)  # the law is not quite Lomax's


def test_other_laws_are_found_again() -> None:
    draws = np.random.default_rng(5)
    normal = size_fits.log_normal(np.ceil(draws.lognormal(8.0, 1.2, 20_000)).astype(np.int64))
    assert abs(normal.parameters["mu"] - 8.0) < DEVIATIONS * normal.errors["mu"]
    assert abs(normal.parameters["sigma"] - 1.2) < DEVIATIONS * normal.errors["sigma"]
    pareto = size_fits.generalized_pareto(lomax_lots(20_000, 4.0, 40_000.0, 6))
    assert abs(pareto.parameters["xi"] - 0.25) < DEVIATIONS * pareto.errors["xi"]
    gamma = np.ceil(draws.gamma(0.6, 9_000.0, 20_000)).astype(np.int64)  # q^-0.4 exp(-q / 9000)
    power = size_fits.truncated_power(gamma)
    assert power.parameters["exponent"] == pytest.approx(
        0.4, abs=0.05
    )  # rounding up to lots moves it a little
    assert power.parameters["cutoff"] == pytest.approx(9_000.0, rel=0.06)


def test_the_true_law_foretells_the_next_window_best() -> None:
    windows = [lomax_lots(4_000, 2.5, 10_000.0, seed) for seed in range(4)]
    scores = {score.name: score for score in size_fits.scores(windows)}
    assert scores["Lomax"].pairs == 3
    best = max(scores.values(), key=lambda score: score.next_log_score)
    assert best.name in ("Lomax", "generalized Pareto")
    assert scores["Lomax"].next_distance < 0.03
    assert scores["log-normal"].next_log_score < best.next_log_score - 0.005


def test_the_distance_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(8).pareto(2.0, 500) * 10.0
    found = distance(values, lambda at: stats.lomax.sf(at, 2.0, scale=9.0))
    assert found == pytest.approx(
        stats.kstest(values, lambda at: stats.lomax.cdf(at, 2.0, scale=9.0)).statistic
    )


def test_poisson_and_negative_binomial_are_found_again() -> None:
    draws = np.random.default_rng(9)
    plain = arrivals.poisson(draws.poisson(4.0, 20_000))
    assert abs(plain.parameters["mean"] - 4.0) < DEVIATIONS * plain.errors["mean"]
    mixed = arrivals.negative_binomial(draws.negative_binomial(2.5, 2.5 / (2.5 + 6.0), 20_000))
    assert abs(mixed.parameters["mean"] - 6.0) < DEVIATIONS * mixed.errors["mean"]
    assert abs(mixed.parameters["size"] - 2.5) < DEVIATIONS * mixed.errors["size"]
    assert mixed.chances.sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("truth", [arrivals.Hawkes(1.5, 0.5, 4.0), arrivals.Hawkes(4.0, 0.2, 10.0)])
def test_hawkes_is_found_again(truth: arrivals.Hawkes) -> None:
    times_ms = np.unique((arrivals.simulate_hawkes(truth, 2_500.0, 11) * 1e6).astype(np.int64)) / 1e3
    found = arrivals.fit_hawkes(times_ms)
    for value, error, right in zip(found[:3], found.errors, truth[:3], strict=True):
        assert abs(value - right) < DEVIATIONS * error
        assert error < 0.6 * right
    assert found.rate == pytest.approx(truth.rate, rel=0.1)


@pytest.mark.parametrize("process", ["Poisson", "negative binomial", "Hawkes"])
def test_the_compound_law_of_the_true_counts_is_nearest(process: str) -> None:
    draws = np.random.default_rng(12)
    seconds = 6_000
    if process == "Hawkes":
        times = arrivals.simulate_hawkes(arrivals.Hawkes(1.0, 0.6, 3.0), seconds, 13)
    else:
        size = 1.0 if process == "negative binomial" else 1e9
        counts = draws.poisson(draws.gamma(size, 3.0 / size, seconds))
        times = np.repeat(np.arange(seconds, dtype=np.float64), counts) + draws.uniform(
            0.0, 1.0, counts.sum()
        )
    times_ms = np.unique((times * 1000.0).astype(np.int64))
    orders = orders_at(times_ms, lomax_lots(len(times_ms), 3.0, 50.0, 14))
    fitted = arrivals.fit_hawkes(times_ms)
    simulated = arrivals.simulated_ms(fitted)
    laws = {each.name: each for each in compound.compounds(orders, 1.0, fitted, simulated)}
    assert laws[process].distance < 0.03
    assert laws[process].distance <= min(each.distance for each in laws.values()) + 0.01
    if process != "Poisson":
        assert laws["Poisson"].distance > 2.0 * laws[process].distance


def test_the_optimum_is_found_within_one_bin() -> None:
    """Seconds whose volume follows a known law and whose move is a known line of it, with noise."""
    truth = SizeLaw(1_000.0, -3.0, law.PLAIN)  # P(V > d) = (1 + d/1000)^-3, of mean 500
    slope, intercept, step = 0.05, -10.0, 100
    expected = optimum_of(truth, slope, intercept)
    draws = np.random.default_rng(15)
    volumes = np.ceil((draws.uniform(size=60_000) ** (-1.0 / 3.0) - 1.0) * 1_000.0).astype(np.int64) + 1
    moves = np.round(slope * volumes + intercept + draws.normal(0.0, 5.0, len(volumes))).astype(np.int64)
    starts = np.arange(len(volumes), dtype=np.int64) * 1_000
    times = np.stack([starts, starts + 500], axis=1).ravel()
    sizes = np.stack([volumes - 1, np.ones_like(volumes)], axis=1).ravel()
    prices = np.stack([np.zeros_like(moves), moves], axis=1).ravel()
    windows = windows_of(Orders(times, sizes, prices, prices, np.ones_like(times)), 1.0)
    line = impact.line_of(impact.groups_of(windows, step))
    assert line is not None
    assert abs(line.slope - slope) < 0.03 * slope  # moves that round to 0 are left out
    lomax = size_fits.lomax(windows.volumes_lots)
    fitted = SizeLaw(lomax.parameters["scale"], -lomax.parameters["shape"], law.PLAIN)
    assert abs(optimum_of(fitted, line.slope, line.intercept).quantity - expected.quantity) <= step


def test_rising_is_isotonic_regression() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    draws = np.random.default_rng(16)
    values, weights = draws.normal(size=60) + np.arange(60) / 20.0, draws.uniform(1.0, 5.0, 60)
    expected = isotonic.IsotonicRegression().fit(np.arange(60), values, weights).predict(np.arange(60))
    assert rising(values.tolist(), weights.tolist()) == pytest.approx(expected.tolist())


def test_recalibration_mends_a_wrong_prediction() -> None:
    draws = np.random.default_rng(17)
    records = np.zeros((2_000, probe.COLUMNS), np.int64)
    records[:, probe.PLACED] = np.arange(2_000) * 10**9
    truth = draws.uniform(0.0, 1.0, 2_000)
    is_filled = draws.uniform(size=2_000) < truth
    records[:, probe.STATE] = np.where(is_filled, probe.MARKED, probe.EXPIRED)
    known: list[int] = []

    def foretell(first: Ints, asked: Ints) -> Floats:
        known.append(len(first))
        return np.asarray(truth[: len(asked)] ** 4)  # rises with the truth, and is far too low

    found = calibration_of(records, foretell, 20 * 10**9)
    assert known == [1_000 - 20]  # those that are done when the second half begins
    assert found is not None
    assert found.brier_recalibrated == pytest.approx(1.0 / 6.0, abs=0.02)  # of the truth itself
    assert found.brier_predicted > found.brier_recalibrated + 0.05
    assert found.brier_depth_share == pytest.approx(0.25, abs=0.01)
    assert calibration_of(records[:50], foretell, 20 * 10**9) is None
