"""What a served model is: the contents of `manifest.json`. Pure: reading files is `artifact.py`.

Floats survive the JSON exactly (shortest round-trip digits), so the served weights are the trained ones.
"""

from __future__ import annotations

import hashlib
import sys

import msgspec

FORMAT = 1
SIGMA_POWERS = (1.0, -0.5)
NO_BOUND = sys.float_info.max  # JSON has no infinity; a finite feature never lies beyond it


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The data of one symbol that a model was fitted on; both ends belong to it."""

    from_ns: int
    until_ns: int  # no label used in fitting looks beyond this receive time
    rows: int
    sha256: str  # of the market entries, ids and bytes
    files: tuple[str, ...] = ()  # names of what was read, without their folders


class Horizon(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One horizon's model, folded: move = scale * (offset + sum weight * clip(value, low, high)).

    `scale` is sigma^sigma_power * sqrt(horizon_s) where `is_scaled`, else 1. `low`, `high` and `weights` have
    one entry per name of the manifest. `kind` is empty and `weights` are too where there is no model for the
    horizon.
    """

    horizon_s: int
    kind: str  # as of `lobflow train --model`, or empty
    reason: str  # why this kind
    alpha: float | None  # the penalty, where the kind has one
    low: tuple[float, ...]
    high: tuple[float, ...]
    weights: tuple[float, ...]
    offset: float
    is_scaled: bool
    threshold: float | None  # 90 % quantile of |move| in training, USDT
    scores: tuple[dict[str, str | int | float | bool | None], ...]
    sigma_power: float = 1.0  # one of SIGMA_POWERS
    prior_weight: float | None = None  # of the prior in a kind that has one
    majority: float | None = None  # the direction of most training labels, a baseline


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything about one trained model. `version` is the hash of all the rest but `created`."""

    format: int
    version: str
    created: str
    symbols: tuple[str, ...]
    data: dict[str, Range]
    sample_ms: int
    feature_set: str
    names: tuple[str, ...]  # the features used, in order
    dropped: tuple[str, ...]  # features of the set that were constant in training
    indices: tuple[int, ...]  # where they lie in the published vector
    sigma_index: int | None  # where the scale feature lies; None for models in raw units
    vector_size: int
    schema: str
    longest_window_ns: int
    horizons: tuple[Horizon, ...]
    joblib_file: str
    joblib_sha256: str
    libraries: dict[str, str]
    git_revision: str
    microprice: tuple[float, ...] = ()  # a baseline learned beside the model, by state: research.microprice


def content_version(manifest: Manifest) -> str:
    """The version a manifest must carry: 12 hex digits of the hash of its content."""
    bare = msgspec.structs.replace(manifest, version="", created="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()[:12]


def defect(manifest: Manifest) -> str:
    """Why a manifest cannot be served, or an empty text."""
    if manifest.format != FORMAT:
        return f"format {manifest.format} is not {FORMAT}"
    if content_version(manifest) != manifest.version:
        return f"its content does not hash to its version {manifest.version}"
    if not manifest.symbols or set(manifest.symbols) != set(manifest.data):
        return "it names other symbols than it has data of"
    if "/" in manifest.joblib_file:
        return "its joblib file lies elsewhere"
    count = len(manifest.names)
    used = (*manifest.indices, *(() if manifest.sigma_index is None else (manifest.sigma_index,)))
    if len(manifest.indices) != count or any(not 0 <= index < manifest.vector_size for index in used):
        return "its indices do not fit its names and its vector"
    for row in manifest.horizons:
        width = count if row.kind else 0
        if any(len(part) != width for part in (row.low, row.high, row.weights)):
            return f"horizon {row.horizon_s} s has not {width} weights and bounds"
        if row.is_scaled and manifest.sigma_index is None:
            return f"horizon {row.horizon_s} s is scaled and no scale feature is named"
        if row.sigma_power not in SIGMA_POWERS:
            return f"horizon {row.horizon_s} s has {row.sigma_power:g} as its power of sigma"
    return ""
