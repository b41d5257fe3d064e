"""The names of the features and what is said of each."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.features import emission, kernel, schema
from shared.errors import BadInput
from shared.units import SECOND


def test_the_sets_make_up_the_vector_in_order() -> None:
    joined = tuple(name for set_name in schema.SETS for name in schema.names(set_name))
    assert joined == schema.NAMES
    assert len(set(joined)) == len(joined) == schema.WIDTH
    assert schema.names("seed")[:2] == ("spread", "bid_distance_1")
    assert len(schema.names("seed")) == 81


def test_the_kernel_and_the_schema_agree_on_sizes() -> None:
    assert kernel.WIDTH == schema.WIDTH
    assert kernel.TIERS == schema.TIERS
    assert list(schema.WINDOWS_NS) == sorted(schema.WINDOWS_NS)


def test_the_schema_hash_is_the_published_one() -> None:
    # A change here orphans every model in use: raise DEFINITIONS_VERSION or the names knowingly.
    assert schema.SCHEMA_HASH == "d2bcaf596ced"


def test_indices_follow_names() -> None:
    chosen = ("sigma_30s", "imbalance_1", "bid_size_20")
    assert [schema.NAMES[i] for i in schema.indices(chosen)] == list(chosen)


def test_features_of_the_default_models_keep_their_places() -> None:
    # Recorded vectors are read by place: what is new stands behind what was there.
    assert schema.indices(["spread", "imbalance_1", "ofi_5_2s", "sigma_30s"]) == (0, 81, 93, 99)
    assert schema.SETS == ("seed", "flow", "scale", "extra", "slow")
    assert schema.indices(schema.names("extra"))[0] == 100
    assert schema.indices(["sigma_600s"]) == (123,)


def test_default_models_are_whole_within_ten_seconds() -> None:
    back = {name: schema.window_ns(name) for name in schema.NAMES if schema.window_ns(name)}
    default = {name: ns for name, ns in back.items() if name not in schema.names("extra")}
    assert {name.split("_")[0] for name in default} == {"ofi", "trades", "sigma"}
    assert back["trades_500ms"] == SECOND // 2
    assert back["ofi_1_5s"] == 5 * SECOND
    assert max(default.values()) == back["sigma_30s"] == back["sigma_600s"] == 6 * SECOND


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("ofi_5_10s", 10), ("trades_30s", 30), ("volatility_1s", 1), ("mean_size_5s", 5), ("spread_bps", 0),
     ("microprice_spread_5", 0), ("return_1s", 6), ("vwap_5s", 6), ("return_30s", 30)],
)  # fmt: skip
def test_what_is_scaled_by_sigma_needs_sigma(name: str, seconds: int) -> None:
    assert schema.window_ns(name) == seconds * SECOND


def test_the_kernel_and_the_schema_agree_on_places() -> None:
    wide = tuple(schema.ALL_WINDOWS)
    assert len(schema.WINDOWS_NS) == emission.WINDOWS
    assert wide[: emission.FLOW_WINDOWS] == tuple(schema.WINDOWS)
    assert tuple(wide[place] for place in emission.MEASURED) == schema.MEASURED
    assert [f"{seconds:g}s" for seconds in emission.SECONDS] == list(schema.MEASURED)
    at = [emission.BOOK_AT, emission.FLOW_AT, emission.SIGMA_AT, emission.EXTRA_AT, emission.MICROPRICE_AT]
    names = ["imbalance_1", "ofi_1_500ms", "sigma_30s", "ofi_1_10s", "microprice_spread_5"]
    assert tuple(at) == schema.indices(names)
    assert schema.indices(["vwap_1s", "sigma_600s"]) == (emission.MEASURES_AT, emission.SLOW_AT)


@pytest.mark.parametrize("ask", [lambda: schema.names("none"), lambda: schema.window_ns("none")])
def test_unknown_names_are_refused(ask) -> None:
    with pytest.raises(BadInput, match="none"):
        ask()


def test_the_schema_needs_no_numba() -> None:
    code = "import sys, services.features.schema; sys.exit('numba' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
