"""One model version as the core uses it: either the moves, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, nan

from services.model.fold import Fold
from services.model.forest import Forest
from services.model.manifest import Horizon, Manifest
from services.model.straight import straight
from shared.errors import BadInput
from shared.messages import FeatureVector

NO_MODEL = "no model for the symbol"


class Predictor:
    """A loaded model. Give it manifests that have no `defect`."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.version = manifest.version
        self.horizons_s = tuple(row.horizon_s for row in manifest.horizons)
        self.thresholds = tuple(nan if row.threshold is None else row.threshold for row in manifest.horizons)
        self._folds = tuple(_fold(row, manifest.indices) if row.kind else None for row in manifest.horizons)
        self._line = straight(manifest.horizons, manifest.indices) if manifest.is_linear else None
        self._sigmas = manifest.sigmas
        self._scaled_by = manifest.scaled_by

    def predict(
        self, symbol: str, vector: FeatureVector, values: Sequence[float]
    ) -> tuple[tuple[float, ...], str]:
        """The moves, or none and the reason. Raises BadInput where a vector of our schema has another length:
        then features and schema disagree, which must not go on."""
        reason = self._unfit(symbol, vector, values)
        if reason:
            return (), reason
        if self._line is not None:
            moves = self._line(values, *self._sigmas(values))
            if moves is not None:
                return moves, ""
        reason = self._unknown(values)
        if reason:
            return (), reason
        moves = self._each(values)
        # Features of any size are finite, what follows from them need not be.
        if any(fold is not None and not isfinite(m) for fold, m in zip(self._folds, moves, strict=True)):
            return (), "prediction is not finite"
        return moves, ""

    def refusal(self, symbol: str, vector: FeatureVector, values: Sequence[float]) -> str:
        """Why nothing is predicted for this vector, or an empty text. Raises as `predict` does."""
        return self.predict(symbol, vector, values)[1]

    def moves(self, values: Sequence[float]) -> tuple[float, ...]:
        """Expected changes of the mid per horizon, quote currency; NaN for a horizon without model. For
        values that are whole and finite."""
        if self._line is not None:
            moves = self._line(values, *self._sigmas(values))
            if moves is not None:
                return moves
        return self._each(values)

    def _each(self, values: Sequence[float]) -> tuple[float, ...]:
        sigmas = self._sigmas(values)
        return tuple(nan if fold is None else fold.move(values, *sigmas) for fold in self._folds)

    def _unfit(self, symbol: str, vector: FeatureVector, values: Sequence[float]) -> str:
        """What stands against the vector as a whole."""
        manifest = self.manifest
        fitted = manifest.data.get(symbol)
        if fitted is None:
            return NO_MODEL
        if vector.schema != manifest.schema:
            return f"schema mismatch: the model was fitted on {manifest.schema}"
        if len(values) != manifest.vector_size:
            raise BadInput(f"schema {vector.schema}: {len(values)} values, not {manifest.vector_size}")
        if fitted.from_ns <= vector.recv_ns <= fitted.until_ns:
            return "in training range"
        if vector.clean_ns < manifest.longest_window_ns:
            return "windows not whole"
        for index in self._scaled_by:
            if not 0.0 < values[index] < inf:
                return "volatility not known"
        return ""

    def _unknown(self, values: Sequence[float]) -> str:
        for name, index in zip(self.manifest.names, self.manifest.indices, strict=True):
            if not isfinite(values[index]):
                return f"{name} is not finite"
        return ""


def _fold(row: Horizon, indices: Sequence[int]) -> Fold | Forest:
    return Fold(row, indices) if row.is_linear else Forest(row, indices)
