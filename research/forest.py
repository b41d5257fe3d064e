"""Mirrored boosting written out as trees over the raw features, which a shadow walks without scikit-learn.

Every decision is the pipeline's, also for values that fall on a threshold: thresholds are moved to the last
raw value that goes left. Clipping needs no step of its own: it changes no decision but those of thresholds
beyond the bound, which become certain.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nextafter
from typing import Any

from services.model.manifest import NO_BOUND, Tree

Raw = Callable[[int, float], float]  # (feature, threshold of the pipeline) -> threshold of the raw value


def exported(model: Any, is_scaled: bool) -> tuple[Tree, ...]:
    """The trees of a fitted estimator whose regressor is `MirroredBoosting`: twice as many as it has, half of
    them mirrored, (T(x) - T(-x)) / 2. The sum of their leaves is the target; the baseline cancels."""
    pipeline = model.regressor_ if is_scaled else model
    steps = pipeline.named_steps
    scale = steps["scale"].scale_ if "scale" in steps else None
    bound = steps["clip"].bound_ if "clip" in steps else None

    def raw(feature: int, threshold: float) -> float:
        most = inf if bound is None else float(bound[feature])
        return raw_threshold(threshold, 1.0 if scale is None else float(scale[feature]), most)

    trees = []
    for (predictor,) in steps["regress"].trees_._predictors:
        trees += [_straight(predictor.nodes, raw), _mirrored(predictor.nodes, raw)]
    return tuple(trees)


def raw_threshold(threshold: float, scale: float, bound: float) -> float:
    """The largest x with clip(x, -bound, bound) / scale <= threshold, for a scale above zero; the largest or
    least float where that is every x or none."""
    if bound / scale <= threshold:
        return NO_BOUND
    if -bound / scale > threshold:
        return -NO_BOUND
    found = threshold * scale
    while found / scale > threshold:
        found = nextafter(found, -inf)
    while nextafter(found, inf) / scale <= threshold:
        found = nextafter(found, inf)
    return min(max(found, -NO_BOUND), NO_BOUND)


def _straight(nodes: Any, raw: Raw) -> Tree:
    def threshold(node: Any) -> float:
        return raw(int(node["feature_idx"]), float(node["num_threshold"]))

    return _tree(nodes, threshold, 0.5, "left", "right")


def _mirrored(nodes: Any, raw: Raw) -> Tree:
    """The tree of -x: -x <= t where x >= -t, so what is below -t goes the other way."""

    def threshold(node: Any) -> float:
        return raw(int(node["feature_idx"]), nextafter(-float(node["num_threshold"]), -inf))

    return _tree(nodes, threshold, -0.5, "right", "left")


def _tree(nodes: Any, threshold: Callable[[Any], float], share: float, low: str, high: str) -> Tree:
    rows = [
        (-1, 0.0, 0, 0, share * float(node["value"]))
        if node["is_leaf"]
        else (int(node["feature_idx"]), threshold(node), int(node[low]), int(node[high]), 0.0)
        for node in nodes
    ]
    return Tree(*(tuple(column) for column in zip(*rows, strict=True)))
