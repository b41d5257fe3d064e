"""Drift: the index itself, its histograms, and the references that training writes."""

from __future__ import annotations

from math import log, nan
from pathlib import Path

import numpy as np
import pytest
from model_data import drawn, trained

from research.reference import histogram
from services.model.drift import FEWEST, Drifts, Histogram, psi
from services.model.manifest import defect


def test_the_index_of_equal_shares_is_zero_and_known_otherwise() -> None:
    assert psi([0.25, 0.75], [25, 75]) == 0.0
    assert psi([0.5, 0.5], [90, 10]) == pytest.approx(0.4 * log(1.8) - 0.4 * log(0.2))
    assert 0.0 < psi([0.5, 0.5], [100, 0]) < 10.0  # an empty bin is finite


def test_bins_have_equal_shares_as_far_as_ties_allow() -> None:
    one = histogram("x", np.arange(1000.0))
    assert one.shares == pytest.approx([0.1] * 10, abs=0.002)
    tied = histogram("x", np.array([0.0] * 700 + [1.0] * 300))
    assert sum(tied.shares) == pytest.approx(1.0)
    assert max(tied.shares) == 0.7
    assert histogram("x", np.zeros(5)).shares in ((0.0, 1.0), (1.0,))


def test_the_newest_rows_count() -> None:
    one = Histogram(histogram("x", np.arange(1000.0)), rows=400)
    for value in np.random.default_rng(1).permutation(1000)[: FEWEST - 1]:
        one.add(float(value))
    one.add(nan)
    assert one.psi is None
    one.add(500.0)
    assert one.psi is not None
    assert one.psi < 0.1
    for _ in range(400):
        one.add(-5.0)
    assert one.rows == 400
    assert one.psi > 1.0


def test_training_writes_what_drift_is_measured_against(tmp_path: Path) -> None:
    manifest = trained(tmp_path)
    assert defect(manifest) == ""
    names = {one.name for one in manifest.reference}
    assert names == {*manifest.names, "sigma", "slow sigma", "residual 5 s", "residual 10 s", "residual 15 s"}
    same, other = Drifts(manifest.reference), Drifts(manifest.reference)
    for row in drawn(400, seed=99).values:
        values = {name: row[index] for name, index in zip(manifest.names, manifest.indices, strict=True)}
        same.add(values)
        other.add(values | {"imbalance_1": 0.9})
    same_index = {name: index for name, index, _ in same.indices()}
    other_index = {name: index for name, index, _ in other.indices()}
    assert set(same_index) == set(manifest.names)
    assert max(index for name, index in same_index.items() if name != "imbalance_1") < 0.15
    assert other_index["imbalance_1"] > 1.0
    assert {name: index for name, index in same_index.items() if name != "imbalance_1"} == {
        name: index for name, index in other_index.items() if name != "imbalance_1"
    }
