"""Staged rows of the recordings are those of the dataset in memory, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from research import microprice
from research.dataset import Dataset, load
from research.rows.layout import FRAME, plan
from research.rows.stage import stage
from research.rows.store import Store
from research.table import outcomes
from services.features import schema

pytestmark = pytest.mark.recorded
HORIZONS_S = (5, 15)


@pytest.fixture(scope="module")
def data(btc: Path) -> Dataset:
    return load([btc])


@pytest.fixture(scope="module")
def store(btc: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    # Blocks of a few seconds, so that rows and labels cross many of them.
    return stage([btc], tmp_path_factory.mktemp("rows"), plan("flow", HORIZONS_S), block=257)


def column(store: Store, name: str) -> np.ndarray:
    return np.concatenate([day.columns([name])[name] for day in store.days])


def test_rows_are_those_of_the_dataset(store: Store, data: Dataset) -> None:
    assert store.rows() == len(data.recv_ns)
    for name in FRAME:
        np.testing.assert_array_equal(column(store, name), getattr(data, name), err_msg=name)
    for name, at in zip(store.source.names, schema.indices(store.source.names), strict=True):
        np.testing.assert_array_equal(column(store, f"x.{name}"), data.values[:, at], err_msg=name)


@pytest.mark.parametrize("horizon_s", HORIZONS_S)
def test_labels_are_those_of_the_dataset(store: Store, data: Dataset, horizon_s: int) -> None:
    after, known = outcomes(data, horizon_s)
    np.testing.assert_array_equal(column(store, f"known.{horizon_s}"), known)
    np.testing.assert_array_equal(column(store, f"y.{horizon_s}")[known], after.moves)
    np.testing.assert_array_equal(column(store, f"late.{horizon_s}")[known], after.delayed)


def test_the_source_is_described(store: Store, data: Dataset) -> None:
    source = store.source
    assert (source.symbol, source.sha256, source.entries) == (data.symbol, data.sha256, data.entries)
    assert (source.from_ns, source.until_ns) == (data.from_ns, data.until_ns)
    quotes = microprice.no_counts()
    for day in store.days:
        quotes = quotes.plus(day.page().quotes)
    np.testing.assert_array_equal(microprice.solved(quotes), microprice.adjustment(data.quotes))
