"""Boosting written out as trees is the pipeline, also on its thresholds and beyond its bounds."""

from __future__ import annotations

from math import inf, nextafter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_data import drawn, trained

from lobflow import registry
from research.estimators import TREES
from research.export import save
from research.forest import raw_threshold
from research.train import train_horizons
from services.model.artifact import Registry
from services.model.manifest import NO_BOUND, defect
from services.model.predictor import Predictor
from shared.errors import BadInput


@given(
    threshold=st.floats(-3.0, 3.0),
    scale=st.floats(1e-3, 1e3),
    bound=st.one_of(st.just(inf), st.floats(1e-3, 1e3)),
)
def test_the_raw_threshold_is_the_last_value_that_goes_left(
    threshold: float, scale: float, bound: float
) -> None:
    def goes_left(x: float) -> bool:
        return bool(np.clip(x, -bound, bound) / scale <= threshold)

    found = raw_threshold(threshold, scale, bound)
    assert found == -NO_BOUND or goes_left(found)
    assert found == NO_BOUND or not goes_left(nextafter(found, inf))


def test_trees_equal_the_pipeline_register_and_never_serve(tmp_path: Path) -> None:
    data = drawn(600)
    training = train_horizons(data, model=TREES)
    manifest = save(training, tmp_path / "source")
    assert defect(manifest) == ""
    assert not manifest.is_linear
    predictor = Predictor(manifest)
    draw = np.random.default_rng(3)
    values = np.vstack([data.values, 2.0 * data.values, -data.values])
    values[:, manifest.scaled_by] = np.abs(values[:, manifest.scaled_by])
    for row in manifest.horizons[:1]:  # values on and next to the thresholds
        edges = [
            (f, t) for tree in row.trees for f, t in zip(tree.feature, tree.threshold, strict=True) if f >= 0
        ]
        for feature, threshold in edges[:200]:
            one = data.values[draw.integers(len(data.values))].copy()
            one[manifest.indices[feature]] = draw.choice([threshold, nextafter(threshold, inf), -threshold])
            values = np.vstack([values, one])
    values = values[np.isfinite(values).all(axis=1)]
    moves = np.array([predictor.moves(row) for row in values.tolist()])
    X = values[:, manifest.used]
    for column, fit in enumerate(training.horizons):
        np.testing.assert_allclose(moves[:, column], fit.served.predict(X), rtol=1e-9, atol=1e-9)
        assert np.ptp(moves[:, column]) > 0.0

    root = tmp_path / "models"
    trained(root / "linear")
    entry = registry.register(root, tmp_path / "source")
    assert entry.folder == root / manifest.version
    serving = Registry(root).default("BTCUSDT")
    assert serving is not None
    assert serving.manifest.is_linear  # it serves as before
    found, defects = Registry(root).shadows("BTCUSDT", 3)
    assert (len(found), defects) == (2, [])
    assert "only be a shadow" in registry.may_serve(manifest, "BTCUSDT")
    (root / "serving").write_text(f"BTCUSDT {manifest.version}\n")
    with pytest.raises(BadInput, match="can only be a shadow"):
        Registry(root).default("BTCUSDT")
