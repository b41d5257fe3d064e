"""One symbol's market entries in, one `FeatureVector` per `Lob` out, and once a minute a `Flow`; pure."""

from __future__ import annotations

import numpy as np

from services.features import kernel
from services.features.continuity import MARKET_KINDS, Continuity
from services.features.flow.follower import LOOKBACK_MS, FlowFollower
from services.features.schema import SCHEMA_HASH, WIDTH, WINDOWS_NS
from services.features.state import RING, grown, new_state
from services.features.tiers import check_touch, row_bytes
from shared.messages import AggTrade, AnyMessage, FeatureVector, Lob, Message


class FeaturesCore:
    """A `shared.runner.Core` for one symbol."""

    lookback_ms = LOOKBACK_MS  # of the flow, whose window is the longest

    def __init__(self, ring: int = RING) -> None:
        self._continuity = Continuity()
        self._flow = FlowFollower(self._continuity)
        self._state = new_state(WINDOWS_NS, ring)
        self._row = np.zeros(kernel.ROW, np.int64)  # the tiers of the Lob at hand
        self._row_bytes = memoryview(self._row.data).cast("B")
        self._values = np.zeros(WIDTH, np.float64)  # the vector at hand

    @property
    def is_warm(self) -> bool:
        """Whether the state is that of a process that never stopped."""
        return self._continuity.is_warm

    def handle(self, message: AnyMessage, entry_id: bytes) -> list[Message]:
        """The vector of a Lob; of other entries nothing, or the minute's Flow. Raises ValueError for what no
        collector writes."""
        if not isinstance(message, MARKET_KINDS):
            raise ValueError(f"{entry_id.decode()}: {type(message).__name__} is no market entry")
        is_first = self._continuity.follow(message)
        if isinstance(message, Lob):
            return [self._vector(message, is_first)]
        if isinstance(message, AggTrade) and self._continuity.chain_ns is not None:
            signed_lots = message.side * message.size_lots
            while not kernel.on_trade(self._state, message.recv_ns, signed_lots, message.price_ticks):
                self._state = grown(self._state)
        flow = self._flow.on_other(message)
        return [] if flow is None else [flow]

    def recall(self, message: AnyMessage, entry_id: bytes) -> None:
        """An entry that was answered before we started."""
        self.handle(message, entry_id)

    def _vector(self, lob: Lob, is_first: bool) -> FeatureVector:
        self._row_bytes[:] = row_bytes(lob)
        row, values, recv_ns = self._row, self._values, lob.recv_ns
        bid_ticks, ask_ticks = int(row[0]), int(row[kernel.ASKS])
        check_touch(lob.seq, bid_ticks, ask_ticks)
        if is_first:
            kernel.reset(self._state)
        while not kernel.on_lob(self._state, recv_ns, row):
            self._state = grown(self._state)
        kernel.emit(self._state, recv_ns, row, lob.tick_e9, lob.lot_e9, values)
        self._flow.on_lob(lob, row, is_first)
        return FeatureVector(
            recv_ns=recv_ns,
            schema=SCHEMA_HASH,
            clean_ns=self._continuity.clean_ns(),
            bid_ticks=bid_ticks,
            ask_ticks=ask_ticks,
            tick_e9=lob.tick_e9,
            values=values.tobytes(),
        )
