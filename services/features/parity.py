"""Are the vectors, and the flows, that were published those of their market entries? Pure.

Market entries are folded once more, by a core of its own, and what it makes is held against what was
published under the same ids: byte by byte, so bit by bit. Not checked, and counted as such, is what cannot be
known: vectors before the core is warm, whose market entries are missing, or of another schema, and a `Flow`
of whose ten minutes a part is missing. A hole in the market entries (`seq` jumps) may be one of the copy that
is read, not of the stream that was; the core then begins anew.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from services.features.core import FeaturesCore
from services.features.schema import NAMES, SCHEMA_HASH
from shared import codec
from shared.codec import unpack_values
from shared.errors import BadInput
from shared.messages import AggTrade, AnyMessage, FeatureVector, FeedStatus, Flow, Heartbeat, Lob, MarkPrice
from shared.streams import parse_id

FACTS = ("recv_ns", "clean_ns", "bid_ticks", "ask_ticks", "tick_e9")


class Mismatch(NamedTuple):
    """Where two vectors part: the first feature (or fact of the vector) that differs, as published and as
    computed again. `vector` where one of the two is not there at all, `flow` where a `Flow` is another,
    `bytes` where what was published is neither."""

    entry_id: str
    feature: str
    published: str
    recomputed: str


class _Made(NamedTuple):
    at: tuple[int, int]
    entry_id: str
    data: bytes | None  # None while the core is not warm
    is_after_hole: bool  # between what was made before and this one market entries are missing


class Parity:
    """One symbol. Feed both streams in the order of their ids, at whatever turns; what is published at or
    below `after` serves to warm up alone."""

    def __init__(self, after: str = "0-0") -> None:
        self.compared = 0  # vectors and flows held against each other
        self.mismatches = 0  # of which differ, and vectors that one side alone has
        self.unchecked = 0  # published ones that could not be held against anything
        self.other_schema = 0  # of which were of another schema than this code's, and flows among these
        self.first: Mismatch | None = None
        self._after = parse_id(after)
        self._core = FeaturesCore()
        self._seq: int | None = None  # of the last market entry
        self._hole = True  # since the last Lob
        self._begun = False  # a published vector was met
        self._is_other = False  # the last vector was of another schema, and so of other code
        self._made: deque[_Made] = deque()
        self._published: deque[tuple[tuple[int, int], str, bytes]] = deque()

    def market(self, entry_id: str, data: bytes) -> None:
        """The next market entry. One that is none is passed over, as the service passed it over."""
        try:
            message = codec.decode(data)
        except BadInput:
            return
        if not isinstance(message, Lob | AggTrade | MarkPrice | FeedStatus | Heartbeat):
            return
        if self._seq is not None and message.seq != self._seq + 1:
            self._core, self._hole = FeaturesCore(), True
        self._seq = message.seq
        made = self._core.handle(message, entry_id.encode())
        if made:
            bytes_made = codec.encode(made[0]) if self._core.is_warm else None
            self._made.append(_Made(parse_id(entry_id), entry_id, bytes_made, self._hole))
            self._hole = False
            self._match()

    def published(self, entry_id: str, data: bytes) -> None:
        """The next vector of the stream."""
        self._published.append((parse_id(entry_id), entry_id, data))
        self._match()

    def finish(self) -> None:
        """No more is to come: what is published beyond the last market entry is not checked."""
        self.unchecked += len(self._published)
        self._published.clear()

    def _match(self) -> None:
        while self._made and self._published:
            made, (at, entry_id, data) = self._made[0], self._published[0]
            if made.at < at:
                self._made.popleft()
                if self._begun and made.data is not None and made.at > self._after:
                    self._differs(Mismatch(made.entry_id, "vector", "none", "one"))
                continue
            self._published.popleft()
            self._begun = True
            if made.at > at:
                if made.is_after_hole or isinstance(_decoded(data), Flow):
                    self.unchecked += 1
                else:
                    self._differs(Mismatch(entry_id, "vector", "one", "none: no Lob has this id"))
                continue
            self._made.popleft()
            if at > self._after:
                self._compare(made, data)

    def _compare(self, made: _Made, data: bytes) -> None:
        if made.data is None:
            self.unchecked += 1
            return
        if data == made.data:
            self.compared += 1
            self._is_other = False
            return
        found = parted(made.entry_id, data, made.data)
        # A flow names no schema: it is of the code that made the vector before it.
        self._is_other = found.feature == "schema" or (found.feature == "flow" and self._is_other)
        if self._is_other:
            self.unchecked += 1
            self.other_schema += 1
            return
        self.compared += 1
        self._differs(found)

    def _differs(self, found: Mismatch) -> None:
        self.mismatches += 1
        if self.first is None:
            self.first = found


def parted(entry_id: str, published: bytes, recomputed: bytes) -> Mismatch:
    """Where two encoded vectors that are not equal part. `schema` where the published one is of another."""
    theirs, ours = _decoded(published), _decoded(recomputed)
    if isinstance(theirs, Flow) and isinstance(ours, Flow):
        return Mismatch(entry_id, "flow", repr(theirs), repr(ours))
    if not isinstance(theirs, FeatureVector) or not isinstance(ours, FeatureVector):
        return Mismatch(entry_id, "bytes", repr(published[:40]), f"a {type(ours).__name__}")
    if theirs.schema != SCHEMA_HASH:
        return Mismatch(entry_id, "schema", theirs.schema, SCHEMA_HASH)
    for fact in FACTS:
        one, other = getattr(theirs, fact), getattr(ours, fact)
        if one != other:
            return Mismatch(entry_id, fact, str(one), str(other))
    if len(theirs.values) != len(ours.values):
        return Mismatch(entry_id, "bytes", f"{len(theirs.values)} of values", f"{len(ours.values)} of values")
    bits = np.frombuffer(theirs.values, np.uint64) != np.frombuffer(ours.values, np.uint64)
    if not bits.any():
        return Mismatch(entry_id, "bytes", "another encoding", "of the same vector")
    place = int(np.argmax(bits))
    values = (repr(unpack_values(vector.values)[place]) for vector in (theirs, ours))
    return Mismatch(entry_id, NAMES[place], *values)


def _decoded(data: bytes) -> AnyMessage | None:
    try:
        return codec.decode(data)
    except BadInput:
        return None
