"""The nearest sequence that never falls: pool adjacent violators. scikit-learn's, without scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence


def rising(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The weighted least-squares fit to `values` that never falls. Weights are above 0.

    >>> rising([1.0, 3.0, 2.0], [1.0, 1.0, 1.0])
    [1.0, 2.5, 2.5]
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for value, weight in zip(values, weights, strict=True):
        mean, total, members = value, weight, 1
        while pools and pools[-1][0] > mean:
            before = pools.pop()
            mean = (before[0] * before[1] + mean * total) / (before[1] + total)
            total, members = before[1] + total, before[2] + members
        pools.append((mean, total, members))
    return [mean for mean, _, members in pools for _ in range(members)]
