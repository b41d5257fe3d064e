"""What a served model is: the contents of `manifest.json`. Pure: reading files is `artifact.py`.

Floats survive the JSON exactly (shortest round-trip digits), so the served weights are the trained ones.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, sqrt

import msgspec

FORMAT = 1
POWERS = ((1.0, 0.0), (-0.5, 0.0), (-0.5, 1.5))  # of sigma and of the slow sigma, in a scale
SIGMA_NAMES = ("sigma", "slow sigma")  # of their references
NO_BOUND = sys.float_info.max  # JSON has no infinity; a finite feature never lies beyond it


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The data of one symbol that a model was fitted on; both ends belong to it."""

    from_ns: int
    until_ns: int  # no label used in fitting looks beyond this receive time
    rows: int
    sha256: str  # of the market entries, ids and bytes
    files: tuple[str, ...] = ()  # names of what was read, without their folders


class Tree(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One regression tree, node by node, the root first: where `left` is not 0, the value of feature
    `feature` (an index into the manifest's names) goes left if it is at most `threshold`, else right; a
    leaf adds `value`."""

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a quantity was distributed in training: `shares` of the rows in the bins between `edges`, one more
    than these, the first and the last open. A value on an edge lies in the upper bin."""

    name: str  # a feature's, `sigma`, `slow sigma`, or a horizon's `residual 5 s`: (y - prediction) / unit
    edges: tuple[float, ...]
    shares: tuple[float, ...]


class Horizon(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One horizon's model, folded: move = scale * (offset + sum weight * clip(value, low, high)), and where
    there are `trees`: move = scale * (offset + sum of their leaves).

    `scale` is sigma^sigma_power * slow^slow_power * sqrt(horizon_s) where `is_scaled`, else 1. `low`, `high`
    and `weights` have one entry per name of the manifest. `kind` is empty and `weights` are too where there
    is no model for the horizon, and the three are empty for trees.
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
    threshold: float | None  # a quantile (80 %) of |move| in training, USDT
    scores: tuple[dict[str, str | int | float | bool | None], ...]
    sigma_power: float = 1.0  # both together one of POWERS
    slow_power: float = 0.0
    prior_weight: float | None = None  # of the prior in a kind that has one
    majority: float | None = None  # the direction of most training labels, a baseline
    trees: tuple[Tree, ...] = ()

    @property
    def is_linear(self) -> bool:
        """Whether it is fast enough to serve: trees are for shadows."""
        return not self.trees

    def scale(self, sigma: float, slow: float) -> float:
        """Of the move, quote currency. A square root is correctly rounded everywhere, a power is not."""
        if self.sigma_power == 1.0:
            return self.unit(sigma)
        if not self.is_scaled:
            return 1.0
        return (slow * sqrt(slow / sigma) if self.slow_power else 1.0 / sqrt(sigma)) * sqrt(self.horizon_s)

    def unit(self, sigma: float) -> float:
        """In which errors count, quote currency."""
        return sigma * sqrt(self.horizon_s) if self.is_scaled else 1.0


class Own(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model that was fitted on several symbols together keeps of each: what `Horizon` and `Manifest`
    say of one alone. The first three have one entry per horizon."""

    thresholds: tuple[float | None, ...]
    majorities: tuple[float | None, ...]
    scores: tuple[tuple[dict[str, str | int | float | bool | None], ...], ...]
    microprice: tuple[float, ...] = ()
    reference: tuple[Reference, ...] = ()


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything about one trained model. `version` is the hash of all the rest but `created`.

    Fields with a default came later: left out where they say nothing, they change no version.
    """

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
    reference: tuple[Reference, ...] = ()  # what drift is measured against
    slow_index: int | None = None  # where the slow scale feature lies, of models that know one
    own: dict[str, Own] = {}  # by symbol, of models of several

    def of(self, symbol: str) -> Manifest:
        """The same with what it keeps of `symbol` alone in its place. Only the version is still that of the
        whole."""
        own = self.own.get(symbol)
        if own is None:
            return self
        kept = zip(self.horizons, own.thresholds, own.majorities, own.scores, strict=True)
        horizons = tuple(
            msgspec.structs.replace(row, threshold=threshold, majority=majority, scores=scores)
            for row, threshold, majority, scores in kept
        )
        return msgspec.structs.replace(
            self, horizons=horizons, microprice=own.microprice, reference=own.reference, own={}
        )

    def has_seen(self, from_ns: int, until_ns: int) -> bool:
        """Whether it was fitted on anything of this time, of whichever symbol: they move together."""
        return any(one.from_ns <= until_ns and from_ns <= one.until_ns for one in self.data.values())

    @property
    def used(self) -> tuple[int, ...]:
        """Columns of X in the published vector: the features, then the sigmas."""
        return (*self.indices, *self.scaled_by)

    @property
    def scaled_by(self) -> tuple[int, ...]:
        """Where the sigmas lie that the model knows, in the order of `SIGMA_NAMES`."""
        return tuple(index for index in (self.sigma_index, self.slow_index) if index is not None)

    def sigmas(self, values: Sequence[float]) -> tuple[float, float]:
        """Both sigmas in a vector, 0 for what the model does not know."""
        fast, slow = self.sigma_index, self.slow_index
        return 0.0 if fast is None else values[fast], 0.0 if slow is None else values[slow]

    @property
    def is_linear(self) -> bool:
        """Whether it may serve, and not only be a shadow."""
        return all(row.is_linear for row in self.horizons)


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
    if len(manifest.indices) != count or any(not 0 <= at < manifest.vector_size for at in manifest.used):
        return "its indices do not fit its names and its vector"
    if manifest.sigma_index is None and manifest.slow_index is not None:
        return "it names a slow scale feature alone"
    for row in manifest.horizons:
        width = count if row.kind and row.is_linear else 0
        if any(len(part) != width for part in (row.low, row.high, row.weights)):
            return f"horizon {row.horizon_s} s has not {width} weights and bounds"
        if row.is_scaled and manifest.sigma_index is None:
            return f"horizon {row.horizon_s} s is scaled and no scale feature is named"
        if (row.sigma_power, row.slow_power) not in POWERS:
            powers = f"{row.sigma_power:g} and {row.slow_power:g}"
            return f"horizon {row.horizon_s} s has {powers} as its powers of sigma and slow sigma"
        if row.slow_power and manifest.slow_index is None:
            return f"horizon {row.horizon_s} s is scaled by a slow sigma and none is named"
        if not all(map(isfinite, (row.offset, *row.low, *row.high, *row.weights))):
            return f"horizon {row.horizon_s} s has weights or bounds that are not finite"
        if any(not _is_tree(tree, count) for tree in row.trees):
            return f"horizon {row.horizon_s} s has a tree that leads nowhere"
    if manifest.own and set(manifest.own) != set(manifest.symbols):
        return "it keeps values of other symbols than it has data of"
    for symbol, own in manifest.own.items():
        if {len(own.thresholds), len(own.majorities), len(own.scores)} != {len(manifest.horizons)}:
            return f"what it keeps of {symbol} does not fit its horizons"
    known = {*manifest.names, *SIGMA_NAMES[: len(manifest.scaled_by)]}
    known |= {residual_name(row.horizon_s) for row in manifest.horizons if row.kind}
    references = [*manifest.reference, *(one for own in manifest.own.values() for one in own.reference)]
    for one in references:
        if one.name not in known or not _is_histogram(one):
            return f"its reference {one.name!r} is no histogram of anything it knows"
    return ""


def residual_name(horizon_s: int) -> str:
    """What the reference of a horizon's residuals is called."""
    return f"residual {horizon_s} s"


def _is_tree(tree: Tree, features: int) -> bool:
    """Whether every way ends at a leaf: children come after their parents."""
    nodes = len(tree.value)
    if not nodes or any(len(part) != nodes for part in (tree.feature, tree.threshold, tree.left, tree.right)):
        return False
    for node, (left, right, feature) in enumerate(zip(tree.left, tree.right, tree.feature, strict=True)):
        if (left or right) and not (node < left < nodes and node < right < nodes and 0 <= feature < features):
            return False
    return all(map(isfinite, tree.value))


def _is_histogram(one: Reference) -> bool:
    return len(one.shares) == len(one.edges) + 1 and _rises(one.edges) and abs(sum(one.shares) - 1.0) < 1e-6


def _rises(values: tuple[float, ...]) -> bool:
    return all(one < other for one, other in pairwise(values))
