"""What the versions that do not serve would have predicted, once a second, and how far features and residuals
have drifted. Pure; nobody waits for it, so it may take its time and lag.

The first vector of each second of receive time is predicted by every version but the one that serves that id.
Restarted, it goes on with the second after the last one published; the drift begins to count anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple

from services.model.drift import Drifts
from services.model.manifest import SIGMA_NAMES, residual_name
from services.model.predictor import Predictor
from services.model.schedule import Schedule
from shared import codec
from shared.errors import BadInput
from shared.messages import AnyMessage, Drift, FeatureVector, Flow, Message, Shadow, Shadows
from shared.streams import parse_id
from shared.units import SECOND

LOOKBACK_MS = 2_000  # the second of the last entry, whole
MINUTE_NS = 60 * SECOND
CLEAN_NS = 60 * SECOND  # `clean_ns` is clamped there


class Waiting(NamedTuple):
    """A prediction whose outcome is not known yet."""

    version: str
    recv_ns: int
    twice_mid: float  # quote currency
    move: float
    unit: float  # in which its error counts


class ShadowCore:
    """One symbol's shadows. Implements `shared.runner.Core`, and what `Control` promotes."""

    lookback_ms = LOOKBACK_MS

    def __init__(self, symbol: str, default: str) -> None:
        self.symbol = symbol
        self._schedule = Schedule(default)
        self._predictors: dict[str, Predictor] = {}
        self._drifts: dict[str, Drifts] = {}
        self._waiting: dict[int, deque[Waiting]] = {}  # by horizon in seconds
        self._twice_mid: float | None = None  # of the last vector
        self._second = self._minute = -1

    @property
    def is_warm(self) -> bool:
        """Always: a second is remembered by its last entry."""
        return True

    @property
    def champion(self) -> str:
        """The version of the newest promotion, or the default."""
        return self._schedule.version((1 << 63, 0))

    def promote(self, version: str, from_id: str) -> None:
        """`version` serves from `from_id` on, and is no shadow there."""
        self._schedule.promote(version, parse_id(from_id))

    def has(self, version: str) -> bool:
        """Always: what is loaded is chosen by `follow`."""
        return True

    def load(self, predictor: Predictor) -> None:
        """Follow one version more."""
        self.follow([*self._predictors.values(), predictor])

    def follow(self, predictors: Sequence[Predictor]) -> None:
        """The versions to follow from now on, the one that serves among them."""
        self._predictors = {one.version: one for one in sorted(predictors, key=lambda one: one.version)}
        self._drifts = {
            version: self._drifts.get(version) or Drifts(one.manifest.of(self.symbol).reference)
            for version, one in self._predictors.items()
        }

    def handle(self, message: AnyMessage, entry_id: bytes) -> list[Message]:
        """What all versions say of the first vector of a second; nothing of the others, nor of a Flow."""
        if isinstance(message, Flow):
            return []
        if not isinstance(message, FeatureVector):
            raise BadInput(f"{type(message).__name__} in the features of {self.symbol}")
        self._settle(message)
        self._twice_mid = (message.bid_ticks + message.ask_ticks) * message.tick_e9 / 1e9
        second = message.recv_ns // SECOND
        if second == self._second:
            return []
        self._second = second
        serving = self._schedule.version(parse_id(entry_id))
        values = codec.unpack_values(message.values)
        shadows = []
        for version, predictor in self._predictors.items():
            moves, reason = predictor.predict(self.symbol, message, values)
            if not reason:
                self._count(predictor, message, values, moves)
            if version == serving:
                continue
            bars = () if reason else predictor.thresholds(self.symbol)
            made = ((), (), ()) if reason else (predictor.horizons_s, moves, bars)
            shadows.append(Shadow(version, *made, reason))
        drift = self._drift(message.recv_ns // MINUTE_NS)
        if not shadows and not drift:
            return []
        return [
            Shadows(
                recv_ns=message.recv_ns,
                schema=message.schema,
                bid_ticks=message.bid_ticks,
                ask_ticks=message.ask_ticks,
                tick_e9=message.tick_e9,
                shadows=tuple(shadows),
                drift=drift,
            )
        ]

    def recall(self, message: AnyMessage, entry_id: bytes) -> None:
        """An entry that was answered before we started."""
        self.handle(message, entry_id)

    def _count(
        self, predictor: Predictor, vector: FeatureVector, values: Sequence[float], moves: Sequence[float]
    ) -> None:
        manifest = predictor.manifest
        seen: dict[str, float] = {
            name: values[index] for name, index in zip(manifest.names, manifest.indices, strict=True)
        }
        seen |= {name: values[index] for name, index in zip(SIGMA_NAMES, manifest.scaled_by, strict=False)}
        sigma, _ = manifest.sigmas(values)
        self._drifts[predictor.version].add(seen)
        if self._twice_mid is None or vector.bid_ticks <= 0 or vector.ask_ticks <= 0:
            return
        for row, move in zip(manifest.horizons, moves, strict=True):
            if not isnan(move):
                asked = Waiting(predictor.version, vector.recv_ns, self._twice_mid, move, row.unit(sigma))
                self._waiting.setdefault(row.horizon_s, deque()).append(asked)

    def _settle(self, vector: FeatureVector) -> None:
        """The outcome is the mid of the last vector at or before the horizon's end: the one before this."""
        for horizon_s, waiting in self._waiting.items():
            while waiting and waiting[0].recv_ns + horizon_s * SECOND < vector.recv_ns:
                asked = waiting.popleft()
                is_whole = vector.clean_ns >= min(vector.recv_ns - asked.recv_ns, CLEAN_NS)
                drifts = self._drifts.get(asked.version)
                if drifts is None or not is_whole or self._twice_mid is None:
                    continue
                change = (self._twice_mid - asked.twice_mid) / 2.0
                drifts.add({residual_name(horizon_s): (change - asked.move) / asked.unit})

    def _drift(self, minute: int) -> tuple[Drift, ...]:
        if minute == self._minute:
            return ()
        self._minute = minute
        return tuple(
            Drift(version, name, index, rows)
            for version, one in self._drifts.items()
            for name, index, rows in one.indices()
        )


def chosen(shadows: Sequence[Predictor], champion: Predictor | None, count: int) -> Mapping[str, Predictor]:
    """The champion and at most `count` others, by version."""
    others = [one for one in shadows if champion is None or one.version != champion.version][:count]
    return {one.version: one for one in ([] if champion is None else [champion]) + others}
