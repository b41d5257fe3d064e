"""Resident memory of processes over time, and how fast it grows. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import NamedTuple

import numpy as np

from lobflow.processes import rss_bytes

MB = 1e6
FLAT_MB_PER_HOUR = 4.0  # below it a slope is noise of the allocator: a tenth of a gigabyte a day
SURE = 3.0  # standard errors
LEAST_SECONDS = 900.0  # in less a process only settles


class Slope(NamedTuple):
    """Growth in MB (10^6 bytes) per hour by least squares, its standard error, and over which time."""

    mb_per_hour: float
    error: float
    seconds: float
    last_mb: float

    @property
    def is_flat(self) -> bool | None:
        """Whether it does not grow, or by no more than is noise; None where it was watched too briefly."""
        if self.seconds < LEAST_SECONDS:
            return None
        return self.mb_per_hour <= max(FLAT_MB_PER_HOUR, SURE * self.error)


def slope(seconds: list[float], resident_bytes: list[float]) -> Slope | None:
    """The slope of samples; None for fewer than three.

    The error counts with the samples' own lag-1 correlation: memory moves in steps, and a sample says little
    that the one before it did not.

    >>> slope([0.0, 1800.0, 3600.0], [1e6, 2e6, 3e6]).mb_per_hour
    2.0
    """
    if len(seconds) < 3:
        return None
    x, y = np.array(seconds) / 3600.0, np.array(resident_bytes) / MB
    deviation = x - x.mean()
    spread = float((deviation**2).sum())
    growth = float((deviation * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - growth * deviation
    power = float((rest**2).sum())
    lag = float((rest[1:] * rest[:-1]).sum()) / power if power > 0.0 else 0.0
    inflation = sqrt((1.0 + min(max(lag, 0.0), 0.99)) / (1.0 - min(max(lag, 0.0), 0.99)))
    error = sqrt(power / max(len(x) - 2, 1) / spread) * inflation
    return Slope(round(growth, 3), round(error, 3), seconds[-1] - seconds[0], round(float(y[-1]), 1))


@dataclass
class Memory:
    """Samples by name and process: a child that was started again is another one."""

    samples: dict[tuple[str, int], tuple[list[float], list[float]]] = field(default_factory=dict)

    def take(self, name: str, pid: int, at_seconds: float) -> None:
        """Take one sample."""
        value = rss_bytes(pid)
        if value:
            times, values = self.samples.setdefault((name, pid), ([], []))
            times.append(at_seconds)
            values.append(float(value))

    def slopes(self, after_seconds: float) -> dict[str, Slope]:
        """Of each name's process that was seen longest, from so many seconds after its first sample on."""
        found: dict[str, Slope] = {}
        for (name, _), (times, values) in self.samples.items():
            kept = [at for at, time in enumerate(times) if time - times[0] >= after_seconds]
            one = slope([times[at] for at in kept], [values[at] for at in kept])
            if one is not None and (name not in found or one.seconds > found[name].seconds):
                found[name] = one
        return found
