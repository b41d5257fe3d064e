"""The benchmark of training, in short: what it walks, equal weights on both sides, its memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.footprint import Footprint, family
from bench.train import COMPARED, HORIZONS_S, MODELS, measure
from shared.errors import BadInput

pytestmark = pytest.mark.timeout(600)


def test_two_days_are_walked_and_compared(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    found = measure(2, tmp_path, "loky", 2, "", lambda what, share: told.append((what, share)))
    assert found["rows"] == 2 * 86_400
    assert found["fits"] == len(HORIZONS_S) * len(MODELS)
    assert found["rows_fitted"] > 0.99 * 86_400 * len(HORIZONS_S) * len(COMPARED)
    assert 0.0 <= found["largest_difference"] < 1e-9
    assert found["ratio"] > 1.0
    skill = found["skill_5s"]
    assert set(MODELS) < set(skill)
    assert min(skill[model] for model in MODELS) > skill["imbalance 1"] > 0.0
    assert found["peak_rss_mb"] is None or found["peak_rss_mb"] >= found["peak_pss_mb"] > 50
    assert {what for what, _ in told} > {"drawing rows", "walk: compressing days", "walk: scoring"}
    assert all(0.0 <= share <= 1.0 for _, share in told)
    assert list(tmp_path.iterdir()) == []


def test_one_day_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 day: walking by days needs two"):
        measure(1, tmp_path, "loky", 2, "", lambda what, share: None)


def test_a_footprint_sees_what_is_held() -> None:
    with Footprint() as empty:
        pass
    with Footprint() as full:
        held = bytearray(80_000_000)
        held[::4096] = b"x" * len(held[::4096])
    if empty.resident_mb is None or full.resident_mb is None:
        pytest.skip("no /proc here")
    assert len(family(1)) > 1
    assert full.resident_mb - empty.resident_mb > 70.0
    assert full.cpu_seconds is not None
