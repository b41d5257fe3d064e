"""How large orders and volumes are: the survival function of the article, with and without its correction.

`article`: P(q > d) = (1 + (1 + 20^(-d/m)) d/m)^alpha; `plain`: P(q > d) = (1 + d/m)^alpha. m is the mean;
alpha is chosen so that P(q > m) is the share seen. The correction helps for single orders and for a second,
and hurts for 30 s.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ARTICLE, PLAIN = "article", "plain"
BASES = {ARTICLE: 2.05, PLAIN: 2.0}  # the bracket at d = m


def bracket(ratio: Floats, form: str = ARTICLE) -> Floats:
    """What is raised to the power alpha, at d/m = `ratio`.

    >>> float(bracket(np.array([1.0]))[0]), float(bracket(np.array([1.0]), PLAIN)[0])
    (2.05, 2.0)
    """
    if form == PLAIN:
        return 1.0 + ratio
    return np.asarray(1.0 + (1.0 + np.power(20.0, -ratio)) * ratio)


class SizeLaw(NamedTuple):
    """`mean` is in the unit of the values; `alpha` is below zero."""

    mean: float
    alpha: float
    form: str = ARTICLE

    def survival(self, values: Floats, scale: float = 1.0) -> Floats:
        """P(q > d) at each of `values`, (n,); 1 below zero. `scale` shrinks the law to another window: the
        law of all windows has s = mean interval / D_T."""
        ratio = np.maximum(np.asarray(values, np.float64), 0.0) * (scale / self.mean)
        return np.asarray(bracket(ratio, self.form) ** self.alpha)

    def log_density(self, values: Floats) -> Floats:
        """ln of the density at each of `values` > 0, (n,)."""
        ratio = np.asarray(values, np.float64) / self.mean
        slope = np.ones_like(ratio)
        if self.form == ARTICLE:
            slope = 1.0 + np.power(20.0, -ratio) * (1.0 - ratio * math.log(20.0))
        inner = bracket(ratio, self.form)
        return np.asarray(np.log(-self.alpha * slope / self.mean) + (self.alpha - 1.0) * np.log(inner))


def fit(values: Ints, form: str = ARTICLE) -> SizeLaw:
    """The law of whole numbers (lots), by their mean and the share above it.

    Raises BadInput where there is none: no values, or none above the mean because all are the same.
    """
    count = len(values)
    total = int(values.sum()) if count else 0
    # In whole numbers: q > m means q * n > sum.
    above = int(np.count_nonzero(values > total // count)) if count else 0
    if total <= 0 or above == 0:
        raise BadInput(
            "no law of sizes: there are none" if total <= 0 else "no law of sizes: all are the same"
        )
    return SizeLaw(total / count, alpha_of(above / count, form), form)


def alpha_of(share_above_mean: float, form: str = ARTICLE) -> float:
    """alpha where P(q > m) is `share_above_mean`, in (0, 1)."""
    return math.log(share_above_mean) / math.log(BASES[form])
