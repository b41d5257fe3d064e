"""What a model of set `flow` expects grows with the market: with its prices, and with how wild it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from model_data import START_NS, drawn

from research.dataset import Dataset, sample
from research.estimators import LINEAR, TREES
from research.export import save
from research.forecast import load
from research.market import market_entries
from research.train import train_horizons
from services.features import schema
from services.model.manifest import content_version, defect
from shared.errors import BadInput
from shared.messages import AggTrade, Lob, Message
from shared.units import SECOND

LATER_NS = START_NS + 10_000 * SECOND


def at_level(data: Dataset, factor: float) -> Dataset:
    """The same market with every price `factor` times as large."""
    values = data.values.copy()
    values[:, schema.indices(schema.SIGMAS)] *= factor
    values[:, schema.indices(schema.names("seed"))] *= factor
    track = replace(data.track, mid=data.track.mid * factor)
    return replace(data, values=values, mid=data.mid * factor, spread=data.spread * factor, track=track)


@pytest.mark.parametrize("kind", ["auto", "prior", "ridge", "linear", TREES])
@pytest.mark.parametrize("factor", [1e-3, 7.0])
def test_moves_are_as_many_times_as_large_as_prices(kind: str, factor: float, tmp_path: Path) -> None:
    assert kind in ("auto", TREES, *LINEAR)
    here, later = drawn(400), drawn(200, seed=9, start_ns=LATER_NS)
    save(train_horizons(here, model=kind, horizons_s=(5,)), tmp_path / "here")
    save(train_horizons(at_level(here, factor), model=kind, horizons_s=(5,)), tmp_path / "there")
    expected = factor * load(tmp_path / "here").moves(later, 5)
    assert np.ptp(expected) > 0.0
    for fitted in ("here", "there"):
        moves = load(tmp_path / fitted).moves(at_level(later, factor), 5)
        np.testing.assert_allclose(moves, expected, rtol=1e-9, atol=1e-12 * factor)


def test_longer_windows_are_fitted_on_a_day_and_waited_for(tmp_path: Path) -> None:
    data, later = drawn(400), drawn(200, seed=9, start_ns=LATER_NS)
    with pytest.raises(BadInput, match=r"0\.1 hours of data; feature set flow\+extra needs 24"):
        train_horizons(data, "flow+extra")
    day = replace(data, from_ns=data.until_ns - 86_400 * SECOND)
    manifest = save(train_horizons(day, "flow+extra", horizons_s=(5,)), tmp_path)
    assert (manifest.feature_set, manifest.longest_window_ns) == ("flow+extra", 30 * SECOND)
    assert {"ofi_1_30s", "return_1s"} <= set(manifest.names)
    assert not {"spread_bps", "volatility_5s", "trade_count_1s"} & set(manifest.names)
    later.clean_ns[:50] = 29 * SECOND
    assert np.isnan(load(tmp_path).moves(later, 5)).tolist() == [True] * 50 + [False] * 150


def test_in_a_calm_month_a_model_of_a_wild_one_expects_small_moves(tmp_path: Path) -> None:
    save(train_horizons(drawn(400), model="auto", horizons_s=(5,)), tmp_path)
    wild, sigmas = drawn(200, seed=9, start_ns=LATER_NS), schema.indices(schema.SIGMAS)
    calm = replace(wild, values=wild.values.copy())
    calm.values[:, sigmas] /= 4.0
    model = load(tmp_path)
    np.testing.assert_allclose(model.moves(calm, 5), model.moves(wild, 5) / 4.0, rtol=1e-12)
    # Of wild and calm half minutes within one month the calm one says more.
    calm.values[:, sigmas[1]] = wild.values[:, sigmas[1]]
    np.testing.assert_allclose(model.moves(calm, 5), model.moves(wild, 5) * 2.0, rtol=1e-12)


@pytest.mark.recorded
def test_a_recording_in_thousandths_has_moves_in_thousandths(btc: Path, tmp_path: Path) -> None:
    entries = [(entry_id, message) for _, entry_id, message in market_entries([btc])]
    whole = sample("BTCUSDT", entries)
    save(train_horizons(whole.part(0.0, 0.5), model="auto"), tmp_path)
    small = sample("BTCUSDT", [(entry_id, in_thousandths(message)) for entry_id, message in entries])
    model = load(tmp_path)
    for horizon_s in (5, 10, 15):
        there, here = (model.moves(data.part(0.5, 1.0), horizon_s) for data in (small, whole))
        assert np.isfinite(here).sum() > 100
        np.testing.assert_allclose(1000.0 * there, here, rtol=1e-9, atol=1e-12)


def in_thousandths(message: Message) -> Message:
    if not isinstance(message, Lob | AggTrade):
        return message
    assert message.tick_e9 % 1000 == 0
    return msgspec.structs.replace(message, tick_e9=message.tick_e9 // 1000)


def test_a_manifest_of_before_is_still_none_that_is_damaged(tmp_path: Path) -> None:
    manifest = save(train_horizons(drawn(400), model="auto", horizons_s=(5,)), tmp_path)
    assert (manifest.horizons[0].sigma_power, manifest.horizons[0].slow_power) == (-0.5, 1.5)

    def changed(slow_power: float, **fields: object) -> str:
        rows = (msgspec.structs.replace(manifest.horizons[0], slow_power=slow_power),)
        made = msgspec.structs.replace(manifest, horizons=rows, reference=(), **fields)
        return defect(msgspec.structs.replace(made, version=content_version(made)))

    assert changed(0.0, slow_index=None) == ""
    assert changed(1.5, slow_index=None) == "horizon 5 s is scaled by a slow sigma and none is named"
    assert "has -0.5 and 1 as its powers" in changed(1.0)
    assert "indices do not fit" in changed(1.5, slow_index=manifest.vector_size)
    assert b"slow" not in msgspec.json.encode(
        msgspec.structs.replace(manifest, slow_index=None, horizons=(), reference=())
    )
