"""A model folder read for judging: folded weights by the very code that serves them, trees by their joblib
file.

A folder with `manifest.json` may be served. One with `challenger.json`, the same text, holds kinds that are
not folded: it is evaluated here and never served, since the service looks for `manifest.json` alone.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import joblib
import msgspec
import numpy as np

from research.dataset import Dataset
from research.labels import Flags, Floats
from services.model import artifact
from services.model.manifest import Manifest, content_version
from services.model.predictor import Predictor
from shared.errors import BadInput

CHALLENGER = "challenger.json"


class Forecaster(Protocol):
    """What evaluation and simulation ask of a model."""

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        """Expected moves, (n,), quote currency, for each row of `data`; NaN where nothing is predicted.
        Raises BadInput for a horizon without a model."""


class Loaded(Forecaster, Protocol):
    """A model from a folder, which knows what it was fitted on."""

    @property
    def manifest(self) -> Manifest:
        """What is written about it."""


class Served:
    """A model as the service predicts with it."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._predictor = Predictor(manifest)

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        """See `Forecaster`."""
        column = column_of(self.manifest, horizon_s)
        usable = whole(self.manifest, data)
        moves = np.full(len(usable), np.nan)
        moves[usable] = [self._predictor.moves(row)[column] for row in data.values[usable].tolist()]
        return moves


class Challenger:
    """A model that is asked through its pipelines, by horizon."""

    def __init__(self, manifest: Manifest, pipelines: Mapping[int, Any]) -> None:
        self.manifest = manifest
        self._pipelines = pipelines

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        """See `Forecaster`."""
        column_of(self.manifest, horizon_s)
        usable = whole(self.manifest, data)
        moves = np.full(len(usable), np.nan)
        if usable.any():
            X = data.values[usable][:, used(self.manifest)]
            moves[usable] = self._pipelines[horizon_s].predict(X)
        return moves


def load(folder: Path) -> Served | Challenger:
    """The model in `folder`. Raises BadInput with the file and what is wrong with it.

    A challenger's joblib file is unpickled, which runs what is in it: read folders of your own alone.
    """
    if (folder / CHALLENGER).exists():
        return _challenger(folder)
    artifact.load(folder)  # checks the joblib file as well
    return Served(artifact.read_manifest(folder))


def used(manifest: Manifest) -> list[int]:
    """Columns of X in the published vector: the features, and sigma last where there is one."""
    return [*manifest.indices, *(() if manifest.sigma_index is None else (manifest.sigma_index,))]


def whole(manifest: Manifest, data: Dataset) -> Flags:
    """The rows, (n,), on which every feature of the model is whole and finite."""
    mask: Flags = data.clean_ns >= manifest.longest_window_ns
    mask = mask & np.isfinite(data.values[:, used(manifest)]).all(axis=1)
    if manifest.sigma_index is not None:
        mask &= data.values[:, manifest.sigma_index] > 0.0
    return mask


def column_of(manifest: Manifest, horizon_s: int) -> int:
    """Which of the manifest's horizons. Raises BadInput where it has no model for it."""
    for column, row in enumerate(manifest.horizons):
        if row.horizon_s == horizon_s and row.kind:
            return column
    held = ", ".join(f"{row.horizon_s} s" for row in manifest.horizons if row.kind) or "none"
    raise BadInput(f"model {manifest.version} has no model for {horizon_s} s; it has {held}")


def _challenger(folder: Path) -> Challenger:
    path = folder / CHALLENGER
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        data = (folder / manifest.joblib_file).read_bytes()
    except OSError as error:
        raise BadInput(f"{error.filename}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BadInput(f"{path}: {error}") from error
    if "/" in manifest.joblib_file or content_version(manifest) != manifest.version:
        raise BadInput(f"{path}: its content does not hash to its version {manifest.version}")
    if hashlib.sha256(data).hexdigest() != manifest.joblib_sha256:
        raise BadInput(f"{folder / manifest.joblib_file}: its sha256 is not the one in {CHALLENGER}")
    return Challenger(manifest, joblib.load(io.BytesIO(data)))
