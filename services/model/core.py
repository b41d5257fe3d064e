"""The model service's core: exactly one `Prediction` per `FeatureVector`, under the same id. A `Flow` is
passed on, with how far predictions came true, so that whoever trades has it in its order among them.

A prediction is a function of its vector and of which version serves from which id; what is added to a flow is
one of the last ten minutes. So a copy that starts anywhere, and reads those again, says the same.
"""

from __future__ import annotations

import msgspec

from services.model.predictor import NO_MODEL, Predictor
from services.model.schedule import Id, Schedule
from services.model.trust import LOOKBACK_MS, TrustFollower
from shared import codec
from shared.errors import BadInput, LobflowError
from shared.messages import AnyMessage, FeatureVector, Flow, Message, Prediction
from shared.streams import parse_id
from shared.units import SECOND

NO_VERSION = ""  # serves where no model is of the symbol and none was promoted
LIFE_NS = 1 * SECOND  # how long a prediction may be acted on


class ModelCore:
    """One symbol's predictions. Implements `shared.runner.Core`."""

    lookback_ms = LOOKBACK_MS  # of what is added to a flow

    def __init__(self, symbol: str, default: Predictor | None) -> None:
        self.symbol = symbol
        self._predictors: dict[str, Predictor | None] = {NO_VERSION: None}
        self._schedule = Schedule(NO_VERSION if default is None else default.version)
        if default is not None:
            self.load(default)
        self._trust = TrustFollower()
        self._handled: Id = (0, 0)  # the last id handled; a promotion at or below it came too late

    @property
    def is_warm(self) -> bool:
        """Always: every vector has its prediction, and what is added to a flow says what it rests on."""
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
        """The prediction for one vector; a Flow with its trusts. Raises BadInput for anything else,
        LobflowError where the version that serves this id is not loaded."""
        if isinstance(message, Flow):
            self._handled = parse_id(entry_id)
            trusts = self._trust.fit(message, self._schedule.version(self._handled))
            return [msgspec.structs.replace(message, trusts=trusts)]
        if not isinstance(message, FeatureVector):
            raise BadInput(f"{type(message).__name__} in the features of {self.symbol}")
        self._handled = parse_id(entry_id)
        version = self._schedule.version(self._handled)
        if version not in self._predictors:
            raise LobflowError(
                f"{self.symbol}: version {version} serves id {entry_id.decode()} and is not loaded"
            )
        prediction = self._predict(message, version)
        if self._trust.see(message):
            self._trust.take(prediction)
        return [prediction]

    def recall(self, message: AnyMessage, entry_id: bytes) -> None:
        """An entry that was answered before we started. A version that served then need not be here."""
        self._handled = parse_id(entry_id)
        if isinstance(message, FeatureVector) and self._trust.see(message):
            version = self._schedule.version(self._handled)
            if version in self._predictors:
                self._trust.take(self._predict(message, version))

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
