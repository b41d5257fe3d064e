"""A linear pipeline (clip, scale, regress, multiply back) folded to one pass over its weights.

Plain Python and `math.fsum`: the sum is correctly rounded, so it depends neither on the order of summation
nor on the machine's BLAS, and two copies publish the same bytes. It is for values outside of what training
saw, where clipping bites; the others take `straight`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from services.model.manifest import Horizon


class Fold:
    """One horizon's model. Weights of zero are left out: LASSO keeps few."""

    def __init__(self, horizon: Horizon, indices: Sequence[int]) -> None:
        self._terms = tuple(
            (index, weight, low, high)
            for index, weight, low, high in zip(
                indices, horizon.weights, horizon.low, horizon.high, strict=True
            )
            if weight != 0.0
        )
        self._offset = horizon.offset
        self._scale = horizon.scale

    def move(self, values: Sequence[float], sigma: float, slow: float) -> float:
        """Expected change of the mid in quote currency. Models in raw units ignore both sigmas."""
        total = fsum(
            [
                self._offset,
                *[
                    weight * (low if (value := values[index]) < low else high if value > high else value)
                    for index, weight, low, high in self._terms
                ],
            ]
        )
        return self._scale(sigma, slow) * total
