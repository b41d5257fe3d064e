"""The rehearsal on drawn recordings: which pairs there are, which rows are later, what the means are."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import START_NS, drawn

from research.dataset import Dataset
from research.rehearsal import rehearse, summarize
from research.train import train_horizons
from services.features import schema
from shared.units import SECOND


def recordings() -> dict[str, Dataset]:
    later_ns = START_NS + 10_000 * SECOND
    return {
        "btc": drawn(400),
        "eth": drawn(400, seed=2, symbol="ETHUSDT"),  # the same minutes
        "later": drawn(300, seed=3, start_ns=later_ns),
    }


def test_every_pair_is_there_and_rows_of_the_same_minutes_are_told_apart() -> None:
    rows = rehearse(recordings(), ["prior"], horizons_s=(5,), threshold=1.0)
    pairs = {(row.trained_on, row.tested_on) for row in rows if not row.is_later}
    assert len(pairs) == 6
    apart = {(row.trained_on, row.tested_on) for row in rows if row.is_later}
    assert apart == {("btc", "later"), ("eth", "later"), ("later", "btc"), ("later", "eth")}
    assert {row.selection for row in rows} == {"|yhat| ≥ 1", "100 %", "50 %", "20 %"}
    only = rehearse(recordings(), ["prior"], horizons_s=(5,), trained_on=["later"])
    assert {row.trained_on for row in only} == {"later"}


def test_a_model_that_finds_what_moves_the_data_beats_noise_and_not_the_imbalance() -> None:
    # In these data the imbalance alone moves the price: nothing can be better than its sign.
    found = summarize(rehearse(recordings(), ["prior", "lasso"], horizons_s=(5,)))
    for one in found:
        assert one.difference < 0.05
    full = {one.model: one for one in found if one.selection == "100 %" and not one.is_later}
    assert full["prior"].pairs == 6
    assert full["prior"].difference == pytest.approx(0.0, abs=0.1)
    assert full["prior"].error > 0.0


def test_means_are_over_pairs_that_have_a_prediction() -> None:
    rows = rehearse({**recordings(), "noise": drawn(400, seed=11, strength=0.0)}, ["lasso"], horizons_s=(5,))
    gaps = [row.difference for row in rows if not row.is_later and row.selection == "100 %"]
    (one,) = [row for row in summarize(rows) if not row.is_later and row.selection == "100 %"]
    assert one.pairs == int(np.isfinite(gaps).sum())
    assert one.difference == pytest.approx(np.nanmean(gaps))


def test_the_default_model_is_whole_within_ten_seconds_of_a_gap() -> None:
    features = train_horizons(drawn(300), horizons_s=(5,)).features
    assert features.longest_window_ns <= 10 * SECOND
    assert set(features.names) <= set(schema.names("flow"))
