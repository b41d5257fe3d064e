"""The benchmark of one prediction: what it times is the product, and trees have no ratio."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from model_data import trained

from bench.predict import full, measure
from services.model.manifest import defect
from shared.errors import BadInput


def test_the_ratio_is_of_one_run(tmp_path: Path) -> None:
    seen: list[float] = []
    figures = measure(None, 3, seen.append)
    assert seen[-1] == 1.0
    assert figures["ratio_least"] <= figures["ratio"] <= figures["ratio_most"]
    assert (figures["features"], figures["horizons"]) == (18, 3)
    assert measure(trained(tmp_path), 3, seen.append)["horizons"] == 3


def test_the_drawn_model_is_a_model() -> None:
    assert defect(full()) == ""


def test_a_model_that_is_not_linear_is_refused() -> None:
    drawn = full()
    (first, *rest) = drawn.horizons
    empty = msgspec.structs.replace(first, kind="", low=(), high=(), weights=())
    with pytest.raises(BadInput, match="not linear in every horizon"):
        measure(msgspec.structs.replace(drawn, horizons=(empty, *rest)), 3, lambda share: None)
