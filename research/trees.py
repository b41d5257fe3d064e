"""Fitted trees as a manifest holds them, so that a shadow walks them without scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from research.boosting import MirroredBoosting
from services.model.manifest import Tree


def trees_of(fitted: MirroredBoosting) -> tuple[Tree, ...]:
    """Trees whose leaves add up to what `fitted` predicts. Each comes twice, itself and in the mirror, with
    half its values: that the constant the fit began with drops out is the point of it."""
    found: list[Tree] = []
    for (grown,) in fitted.trees_._predictors:
        found += [_tree(grown.nodes, is_mirrored) for is_mirrored in (False, True)]
    return tuple(found)


def _tree(nodes: Any, is_mirrored: bool) -> Tree:
    """`nodes` is scikit-learn's structured array: x <= threshold goes left."""
    inner = ~nodes["is_leaf"].astype(np.bool_)
    left = np.where(inner, nodes["left"], 0).astype(np.int64)
    right = np.where(inner, nodes["right"], 0).astype(np.int64)
    threshold = np.where(inner, nodes["num_threshold"], 0.0).astype(np.float64)
    value = np.where(inner, 0.0, nodes["value"] / 2.0).astype(np.float64)
    if is_mirrored:
        # -x <= t is x >= -t, and x <= the number before -t is its opposite.
        left, right = right, left
        threshold = np.where(inner, np.nextafter(-threshold, -np.inf), 0.0)
        value = -value
    feature = np.where(inner, nodes["feature_idx"].astype(np.int64), -1)
    return Tree(
        feature=tuple(feature.tolist()),
        threshold=tuple(threshold.tolist()),
        left=tuple(left.tolist()),
        right=tuple(right.tolist()),
        value=tuple(value.tolist()),
    )
