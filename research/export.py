"""A training written down as a model that can be served: joblib file and manifest, checked by loading it."""

from __future__ import annotations

import hashlib
import io
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from math import fsum
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np

from research.estimators import SIGMA_POWER, TREES
from research.forecast import CHALLENGER, load
from research.forest import exported
from research.labels import Floats
from research.microprice import adjustment
from research.reference import references
from research.train import HorizonFit, Training
from services.features import schema
from services.model import artifact
from services.model.manifest import FORMAT, NO_BOUND, Horizon, Manifest, Range, Tree, content_version
from shared.errors import BadInput

LIBRARIES = ("joblib", "numba", "numpy", "scikit-learn", "scipy")


def folded(model: Any, is_scaled: bool) -> tuple[Floats, Floats, Floats, float]:
    """(low, high, weights, offset) of a fitted estimator, in units of the raw features.

    The prediction is scale * (offset + sum weights * clip(value, low, high)); scale is that of
    `services.model.manifest.Horizon`.
    """
    pipeline = model.regressor_ if is_scaled else model
    scaler, regression = pipeline.named_steps.get("scale"), pipeline["regress"]
    weights = np.asarray(regression.coef_, dtype=np.float64)
    if scaler is not None:
        weights = weights / scaler.scale_
    if is_scaled:
        bound = pipeline["clip"].bound_
        return -bound, bound, weights, float(regression.intercept_)
    unbounded = np.full(len(weights), NO_BOUND)
    offset = fsum([float(regression.intercept_), *(-weights * scaler.mean_).tolist()])
    return -unbounded, unbounded, weights, offset


def save(training: Training, folder: Path) -> Manifest:
    """Write the model into `folder`, in place of the one there. Returns its manifest.

    Trees are written as a challenger, which no service takes for a model (see `research.forecast`) until it
    is registered, and then as a shadow. The joblib file carries its hash in its name and the manifest is
    renamed into place last, so that a reader finds the old model or the new one, never a mixture.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder}: not a folder")
    pipelines = {row.horizon_s: row.served.model for row in training.horizons}
    buffer = io.BytesIO()
    joblib.dump(pipelines, buffer, compress=3)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    name = f"pipelines-{digest[:12]}.joblib"
    manifest = describe(training, name, digest)
    try:
        _write(folder, manifest, buffer.getvalue())
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error.strerror}") from error
    load(folder)
    return manifest


def _write(folder: Path, manifest: Manifest, pipelines: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = manifest.joblib_file
    (folder / name).write_bytes(pipelines)
    is_challenger = any(row.kind == TREES for row in manifest.horizons)
    described, other = artifact.MANIFEST, CHALLENGER
    if is_challenger:
        described, other = other, described
    fresh = folder / f".{described}.new"
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    fresh.replace(folder / described)
    (folder / other).unlink(missing_ok=True)
    for path in folder.glob("pipelines-*.joblib"):
        if path.name != name:
            path.unlink()


def describe(training: Training, joblib_file: str, joblib_sha256: str) -> Manifest:
    """The manifest of a training."""
    data, features, staged = training.data, training.features, training.staged
    rows = len(data.recv_ns) if staged is None else staged.rows
    manifest = Manifest(
        format=FORMAT,
        version="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        symbols=(data.symbol,),
        data={data.symbol: Range(data.from_ns, data.until_ns, rows, data.sha256, data.files)},
        sample_ms=data.sample_ms,
        feature_set=features.feature_set,
        names=features.names,
        dropped=features.dropped,
        indices=features.indices,
        sigma_index=features.sigma_index,
        slow_index=features.slow_index,
        vector_size=schema.WIDTH,
        schema=schema.SCHEMA_HASH,
        longest_window_ns=features.longest_window_ns,
        horizons=tuple(_horizon(row, features.is_scaled) for row in training.horizons),
        joblib_file=joblib_file,
        joblib_sha256=joblib_sha256,
        libraries={"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        git_revision=git_revision(),
        reference=references(training) if staged is None else staged.references,
        microprice=tuple(adjustment(data.quotes).tolist()) if staged is None else staged.microprice,
    )
    return msgspec.structs.replace(manifest, version=content_version(manifest))


def _horizon(row: HorizonFit, is_scaled: bool) -> Horizon:
    empty = np.empty(0)
    power = SIGMA_POWER.get(row.served.kind, 1.0)
    low, high, weights, offset = (empty, empty, empty, 0.0)
    trees: tuple[Tree, ...] = ()
    if row.served.model is not None:
        if row.served.kind == TREES:
            trees = exported(row.served.model, is_scaled)
        else:
            low, high, weights, offset = folded(row.served.model, is_scaled)
    return Horizon(
        horizon_s=row.horizon_s,
        kind=row.served.kind if row.served.model is not None else "",
        reason=row.reason,
        alpha=row.served.alpha,
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        weights=tuple(weights.tolist()),
        offset=offset,
        is_scaled=is_scaled,
        threshold=row.threshold,
        scores=tuple(score.plain() for score in row.scores),
        sigma_power=power,
        slow_power=1.0 - power,
        prior_weight=row.served.prior_weight,
        majority=row.majority,
        trees=trees,
    )


def git_revision() -> str:
    """The commit of the code that trained, empty where there is no repository or no git."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except OSError:  # no git: the code came from a wheel
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
