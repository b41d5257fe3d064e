"""One linear prediction for all horizons, beside the bare numpy dot products of the same size.

What is timed is `Predictor.predict`: the checks of the vector, the clipping, the sums and the scaling, from
unpacked values to the moves of every horizon. Beside it: one `numpy.dot` of as many weights per horizon, on
arrays that lie ready. Rounds alternate and the ratio is taken in each pair, so that a busy machine disturbs
both alike.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from services.features import schema
from services.model.core import ModelCore
from services.model.manifest import FORMAT, Horizon, Manifest, Range, content_version
from services.model.predictor import Predictor
from shared import codec
from shared.errors import BadInput
from shared.messages import FeatureVector
from shared.units import SECOND

HORIZONS_S = (5, 10, 15)
CALLS = 2_000  # in one round of each
SYMBOL = "BENCH"


def measure(manifest: Manifest | None, rounds: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Times in microseconds and their ratio. Without `manifest` all features of set `flow` have weights.
    Raises BadInput for a model that is not linear in every horizon."""
    manifest = full() if manifest is None else manifest
    if not manifest.is_linear or not all(row.kind for row in manifest.horizons):
        raise BadInput(f"model {manifest.version} is not linear in every horizon")
    symbol, predictor = manifest.symbols[0], Predictor(manifest)
    core = ModelCore(symbol, predictor)
    vector = _vector(manifest)
    values = codec.unpack_values(vector.values)
    moves, reason = predictor.predict(symbol, vector, values)
    if reason:
        raise BadInput(f"model {manifest.version} refuses the vector that is timed: {reason}")
    x = np.array(values)[list(manifest.indices)]
    rows = [np.array(row.weights) for row in manifest.horizons]
    _check(manifest, moves, rows, x, values)

    def bare() -> None:
        for weights in rows:
            np.dot(weights, x)

    def ours() -> None:
        predictor.predict(symbol, vector, values)

    def whole() -> None:
        core.handle(vector, b"1-0")

    times: dict[str, list[float]] = {"bare": [], "ours": [], "whole": []}
    gc.disable()
    try:
        for done in range(rounds):
            for name, call in (("bare", bare), ("ours", ours), ("whole", whole)):
                times[name].append(_per_call(call))
            progress((done + 1) / rounds)
    finally:
        gc.enable()
    ratios = [ours_s / bare_s for ours_s, bare_s in zip(times["ours"], times["bare"], strict=True)]
    return {
        "bench": "predict",
        "version": manifest.version,
        "features": len(manifest.names),
        "horizons": len(manifest.horizons),
        "rounds": rounds,
        "cores": os.cpu_count(),
        "predict_us": round(1e6 * median(times["ours"]), 2),
        "dots_us": round(1e6 * median(times["bare"]), 2),
        "vector_to_message_us": round(1e6 * median(times["whole"]), 2),
        "ratio": round(median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
        "ratio_most": round(max(ratios), 3),
    }


def full() -> Manifest:
    """A model with a weight for every feature of set `flow` and every horizon: the largest that the default
    training gives. Its numbers are drawn; it is worth nothing."""
    draw = np.random.default_rng(1)
    names = tuple(schema.names("flow"))
    rows = []
    for horizon_s in HORIZONS_S:
        bound = draw.uniform(1.0, 2.0, len(names))
        rows.append(
            Horizon(
                horizon_s=horizon_s,
                kind="linear",
                reason="drawn",
                alpha=None,
                low=tuple((-bound).tolist()),
                high=tuple(bound.tolist()),
                weights=tuple(draw.normal(size=len(names)).tolist()),
                offset=0.0,
                is_scaled=True,
                threshold=None,
                scores=(),
            )
        )
    sigma, slow = schema.indices(schema.SIGMAS)
    manifest = Manifest(
        format=FORMAT,
        version="",
        created="",
        symbols=(SYMBOL,),
        data={SYMBOL: Range(0, 1, 0, "")},
        sample_ms=1000,
        feature_set="flow",
        names=names,
        dropped=(),
        indices=tuple(int(index) for index in schema.indices(names)),
        sigma_index=sigma,
        slow_index=slow,
        vector_size=schema.WIDTH,
        schema=schema.SCHEMA_HASH,
        longest_window_ns=10 * SECOND,
        horizons=tuple(rows),
        joblib_file="",
        joblib_sha256="",
        libraries={},
        git_revision="",
    )
    return msgspec.structs.replace(manifest, version=content_version(manifest))


def _vector(manifest: Manifest) -> FeatureVector:
    """Values in the middle of what training saw, after all of it."""
    values = np.zeros(manifest.vector_size)
    for row in manifest.horizons:
        low, high = np.array(row.low), np.array(row.high)
        if len(low):
            values[list(manifest.indices)] = np.clip(0.3, low / 2.0, high / 2.0)
    values[list(manifest.scaled_by)] = 2.0
    until_ns = max(one.until_ns for one in manifest.data.values())
    return FeatureVector(
        recv_ns=until_ns + SECOND,
        schema=manifest.schema,
        clean_ns=60 * SECOND,
        bid_ticks=600_000,
        ask_ticks=600_001,
        tick_e9=100_000_000,
        values=codec.pack_values(values.tolist()),
    )


def _check(
    manifest: Manifest,
    moves: Sequence[float],
    rows: Sequence[npt.NDArray[np.float64]],
    x: npt.NDArray[np.float64],
    values: Sequence[float],
) -> None:
    """What is timed must be the same product."""
    for row, move, weights in zip(manifest.horizons, moves, rows, strict=True):
        expected = row.scale(*manifest.sigmas(values)) * (row.offset + float(np.dot(weights, x)))
        if abs(move - expected) > 1e-9 * max(1.0, abs(expected)):
            raise BadInput(f"{row.horizon_s} s: predicted {move}, the dot product gives {expected}")


def _per_call(call: Callable[[], None]) -> float:
    begun = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - begun) / CALLS
