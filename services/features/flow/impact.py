"""How far volume moves the price: the mean change of one-second windows by their volume, and a straight line.

The article groups volume in steps of 100, a tenth of its mean. Its printed table centers the first group at
99.5, its code at 49.5: both are given, as shares of a step. Windows whose price did not change are left out,
as there, so the line is of moves that happened.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from services.features.flow.law import Ints
from services.features.flow.windows import Windows

CODE, TABLE = 0.495, 0.995  # where in a step a group's center lies: 49.5 and 99.5 of 100
FEWEST_GROUPS = 3  # a line through two says nothing of its error


class Groups(NamedTuple):
    """(g,) each, ascending: number of the group, windows in it, sum of their changes in ticks."""

    step_lots: int
    numbers: Ints
    counts: Ints
    changes_ticks: Ints


class Line(NamedTuple):
    """dp = slope * Q + intercept, ticks and lots, fitted by least squares weighted with the windows of each
    group. `r2` is of the groups."""

    slope: float
    intercept: float
    slope_error: float
    intercept_error: float
    r2: float
    groups: int


def step_of(mean_lots: float) -> int:
    """A tenth of the mean volume of a second, as 1, 2 or 5 times a power of ten, at least a lot.

    >>> step_of(1000.0), step_of(817.0), step_of(3.0)
    (100, 100, 1)
    """
    wanted = max(mean_lots / 10.0, 1.0)
    power = int(10 ** math.floor(math.log10(wanted)))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / wanted)))


def groups_of(windows: Windows, step_lots: int) -> Groups:
    """Windows with a change, grouped by volume: group g holds (g step, (g + 1) step]."""
    moved = windows.changes_ticks != 0
    numbers = (windows.volumes_lots[moved] - 1) // step_lots
    found, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    sums = np.zeros(len(found), np.int64)
    np.add.at(sums, places, windows.changes_ticks[moved])
    return Groups(step_lots, found, counts, sums)


def line_of(groups: Groups, center: float = CODE) -> Line | None:
    """The line through the groups' means; None where there are fewer than three groups."""
    if len(groups.numbers) < FEWEST_GROUPS:
        return None
    xs = [(int(number) + center) * groups.step_lots for number in groups.numbers]
    weights = [int(count) for count in groups.counts]
    ys = [int(change) / weight for change, weight in zip(groups.changes_ticks, weights, strict=True)]
    # fsum rounds once: the same line on every processor.
    total = sum(weights)
    x_mean = math.fsum(w * x for w, x in zip(weights, xs, strict=True)) / total
    y_mean = math.fsum(w * y for w, y in zip(weights, ys, strict=True)) / total
    rows = list(zip(weights, xs, ys, strict=True))
    sxx = math.fsum(w * (x - x_mean) ** 2 for w, x, _ in rows)
    sxy = math.fsum(w * (x - x_mean) * (y - y_mean) for w, x, y in rows)
    syy = math.fsum(w * (y - y_mean) ** 2 for w, _, y in rows)
    slope = sxy / sxx
    intercept = y_mean - slope * x_mean
    rest = math.fsum(w * (y - slope * x - intercept) ** 2 for w, x, y in rows)
    noise = rest / (len(rows) - 2)
    slope_error = math.sqrt(noise / sxx)
    intercept_error = math.sqrt(noise * (1.0 / total + x_mean * x_mean / sxx))
    return Line(slope, intercept, slope_error, intercept_error, 1.0 - rest / syy if syy else 0.0, len(rows))
