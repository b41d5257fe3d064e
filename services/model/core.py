"""The model service's core: exactly one `Prediction` per `FeatureVector`, under the same id. A `Flow` is
passed on, so that whoever trades has it in its order among the predictions.

It keeps no state but which version serves from which id, so that a copy that starts anywhere says the same.
"""

from __future__ import annotations

from services.model.predictor import NO_MODEL, Predictor
from services.model.schedule import Id, Schedule
from shared import codec
from shared.errors import BadInput, LobflowError
from shared.messages import AnyMessage, FeatureVector, Flow, Message, Prediction
from shared.streams import parse_id
from shared.units import SECOND

NO_VERSION = ""  # serves where no model is of the symbol and none was promoted
LIFE_NS = 1 * SECOND  # how long a prediction may be acted on


class ModelCore:
    """One symbol's predictions. Implements `shared.runner.Core`."""

    lookback_ms = 0  # a prediction is a function of its vector and the schedule

    def __init__(self, symbol: str, default: Predictor | None) -> None:
        self.symbol = symbol
        self._predictors: dict[str, Predictor | None] = {NO_VERSION: None}
        self._schedule = Schedule(NO_VERSION if default is None else default.version)
        if default is not None:
            self.load(default)
        self._handled: Id = (0, 0)  # the last id handled; a promotion at or below it came too late

    @property
    def is_warm(self) -> bool:
        """Always: there is nothing to warm up."""
        return True

    def has(self, version: str) -> bool:
        """Whether `version` is loaded."""
        return version in self._predictors

    def load(self, predictor: Predictor) -> None:
        """Make a version available to promotions."""
        self._predictors[predictor.version] = predictor

    def promote(self, version: str, from_id: str) -> None:
        """Serve `version` from `from_id` on. Raises LobflowError where that id is already handled: what was
        published under it may be another version's, and a fresh start is what settles it."""
        at = parse_id(from_id)
        if at <= self._handled:
            raise LobflowError(
                f"{self.symbol}: version {version} was promoted from id {from_id}, which is already handled"
            )
        self._schedule.promote(version, at)

    def handle(self, message: AnyMessage, entry_id: bytes) -> list[Message]:
        """The prediction for one vector; a Flow itself. Raises BadInput for anything that is no vector,
        LobflowError where the version that serves this id is not loaded."""
        if isinstance(message, Flow):
            self._handled = parse_id(entry_id)
            return [message]
        if not isinstance(message, FeatureVector):
            raise BadInput(f"{type(message).__name__} in the features of {self.symbol}")
        self._handled = parse_id(entry_id)
        version = self._schedule.version(self._handled)
        if version not in self._predictors:
            raise LobflowError(
                f"{self.symbol}: version {version} serves id {entry_id.decode()} and is not loaded"
            )
        return [self._predict(message, version)]

    def _predict(self, vector: FeatureVector, version: str) -> Prediction:
        predictor = self._predictors[version]
        values = codec.unpack_values(vector.values)
        if predictor is None:
            return self._answer(vector, version, NO_MODEL)
        moves, reason = predictor.predict(self.symbol, vector, values)
        if reason:
            return self._answer(vector, version, reason)
        return self._answer(
            vector, version, "", predictor.horizons_s, moves, predictor.thresholds(self.symbol)
        )

    def _answer(
        self,
        vector: FeatureVector,
        version: str,
        reason: str,
        horizons_s: tuple[int, ...] = (),
        moves: tuple[float, ...] = (),
        thresholds: tuple[float, ...] = (),
    ) -> Prediction:
        return Prediction(
            recv_ns=vector.recv_ns,
            model=version,
            schema=vector.schema,
            expires_ns=vector.recv_ns + LIFE_NS,
            bid_ticks=vector.bid_ticks,
            ask_ticks=vector.ask_ticks,
            tick_e9=vector.tick_e9,
            horizons_s=horizons_s,
            moves=moves,
            thresholds=thresholds,
            reason=reason,
        )
