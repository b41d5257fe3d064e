"""The names of the features and what is said of each."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.features import kernel, schema
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
    assert schema.SCHEMA_HASH == "fde6e560cd58"


def test_indices_follow_names() -> None:
    chosen = ("sigma_30s", "imbalance_1", "bid_size_20")
    assert [schema.NAMES[i] for i in schema.indices(chosen)] == list(chosen)


def test_only_flows_and_sigma_look_back() -> None:
    back = {name: schema.window_ns(name) for name in schema.NAMES if schema.window_ns(name)}
    assert {name.split("_")[0] for name in back} == {"ofi", "trades", "sigma"}
    assert back["trades_500ms"] == SECOND // 2
    assert back["ofi_1_5s"] == 5 * SECOND
    assert max(back.values()) == back["sigma_30s"] == 6 * SECOND


@pytest.mark.parametrize("ask", [lambda: schema.names("none"), lambda: schema.window_ns("none")])
def test_unknown_names_are_refused(ask) -> None:
    with pytest.raises(BadInput, match="none"):
        ask()


def test_the_schema_needs_no_numba() -> None:
    code = "import sys, services.features.schema; sys.exit('numba' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
