"""A model read for judging: asked through the very code that serves it, or shows it as a shadow."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from research.dataset import Dataset
from research.labels import Flags, Floats
from services.model import artifact
from services.model.manifest import Manifest, Range
from services.model.predictor import Predictor
from shared.errors import BadInput

CHALLENGER = (
    "challenger.json"  # in the place of the manifest, where trees are: no service takes it for a model
)


class Forecaster(Protocol):
    """What evaluation and simulation ask of a model."""

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        """Expected moves, (n,), quote currency, for each row of `data`; NaN where nothing is predicted.
        Raises BadInput for a horizon without a model."""


class Loaded(Forecaster, Protocol):
    """A model that knows what it was fitted on."""

    @property
    def manifest(self) -> Manifest:
        """What is written about it."""


class Served:
    """A model from a folder, which knows what it was fitted on."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._predictor = Predictor(manifest)

    def moves(self, data: Dataset, horizon_s: int) -> Floats:
        """See `Forecaster`. As where it serves, nothing is predicted in the time that it was fitted on, and
        data of another symbol or schema are refused."""
        column = column_of(self.manifest, horizon_s)
        fitted = fitted_on(self.manifest, data)
        usable = whole(self.manifest, data)
        usable &= (data.recv_ns < fitted.from_ns) | (data.recv_ns > fitted.until_ns)
        moves = np.full(len(usable), np.nan)
        moves[usable] = [self._predictor.moves(row)[column] for row in data.values[usable].tolist()]
        return moves


def load(folder: Path) -> Served:
    """The model in `folder`. Raises BadInput with the file and what is wrong with it."""
    described = CHALLENGER if (folder / CHALLENGER).exists() else artifact.MANIFEST
    return Served(artifact.load(folder, described).manifest)


def fitted_on(manifest: Manifest, data: Dataset) -> Range:
    """What the model was fitted on of the symbol of `data`. Raises BadInput for a model of another symbol or
    feature schema."""
    if data.symbol not in manifest.data:
        raise BadInput(f"the model is of {', '.join(manifest.symbols)}, the data of {data.symbol}")
    if manifest.schema != data.schema:
        raise BadInput(f"the model is of feature schema {manifest.schema}, the data of {data.schema}")
    return manifest.data[data.symbol]


def whole(manifest: Manifest, data: Dataset) -> Flags:
    """The rows, (n,), on which every feature of the model is whole and finite."""
    mask: Flags = data.clean_ns >= manifest.longest_window_ns
    mask = mask & np.isfinite(data.values[:, list(manifest.used)]).all(axis=1)
    mask &= (data.values[:, list(manifest.scaled_by)] > 0.0).all(axis=1)
    return mask


def column_of(manifest: Manifest, horizon_s: int) -> int:
    """Which of the manifest's horizons. Raises BadInput where it has no model for it."""
    for column, row in enumerate(manifest.horizons):
        if row.horizon_s == horizon_s and row.kind:
            return column
    held = ", ".join(f"{row.horizon_s} s" for row in manifest.horizons if row.kind) or "none"
    raise BadInput(f"model {manifest.version} has no model for {horizon_s} s; it has {held}")
