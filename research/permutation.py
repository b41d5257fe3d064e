"""Whether a hit rate is more than what two series that both wander would show: circular shifts.

The signal is shifted against the outcomes by every number of rows that is farther from nothing, and from a
whole turn, than the horizon and the longest window, so that what is left in common is chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from research.labels import Flags, Floats, Ints


@dataclass(frozen=True)
class Null:
    """Hit rates under all shifts. `center` is their mean, `p_value` one-sided, the unshifted rate among
    them."""

    shifts: int
    center: float
    p_value: float


def permuted(signal: Floats, chosen: Flags, moves: Floats, recv_ns: Ints, reach_ns: int) -> Null:
    """The null of a signal's hit rate over the rows of `chosen`; all of shape (n,). NaN without a shift."""
    count = len(signal)
    if count < 3:
        return Null(0, nan, nan)
    step_ns = max(1.0, float(np.median(np.diff(recv_ns))))
    least = int(reach_ns // step_ns) + 1
    asked = np.where(chosen, np.sign(signal), 0.0)
    came = np.sign(moves)
    agreed = _turns(asked, came)
    decided = _turns(np.abs(asked), np.abs(came))
    shifts = np.arange(least, count - least + 1)
    shifts = shifts[decided[shifts] > 0.5] if len(shifts) else shifts
    if len(shifts) == 0 or decided[0] < 0.5:
        return Null(0, nan, nan)
    rates = (agreed / np.maximum(decided, 1.0) + 1.0) / 2.0
    as_good = int((rates[shifts] >= rates[0] - 1e-12).sum())
    return Null(len(shifts), float(rates[shifts].mean()), (1 + as_good) / (1 + len(shifts)))


def _turns(left: Floats, right: Floats) -> Floats:
    """sum over t of left[t] right[t + k], circular, for each k: (n,), whole numbers."""
    products = np.conj(np.fft.rfft(left)) * np.fft.rfft(right)
    turned: Floats = np.round(np.fft.irfft(products, len(left)))
    return turned
