"""The streams of a running system, read along as they grow: gaps, and whether ids match one to one."""

from __future__ import annotations

from collections.abc import Sequence

from shared import bus, codec
from shared.bus import Link
from shared.messages import FeedStatus, Fill, Flow, Lob
from shared.streams import Stream, key, parse_id

BROKEN = ("gap", "crossed", "stale")
Id = tuple[int, int]


class Trail:
    """The ids of one stream in order, and what else is wanted of its entries."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ids: list[Id] = []
        self.last = b"0-0"


class Audit:
    """One symbol. `read` it along at least as often as the streams are trimmed."""

    def __init__(self, link: Link, run_id: str, symbol: str) -> None:
        self._link = link
        self.symbol = symbol
        streams = (Stream.MARKET, Stream.FEATURES, Stream.PREDICTIONS, Stream.EXECUTIONS)
        self._trails = {stream: Trail(key(run_id, stream, symbol)) for stream in streams}
        self.broken: list[tuple[Id, str, str]] = []  # (id, state, reason) of each FeedStatus that is a break
        self.trade_ids: list[int] = []  # of each Fill

    async def read(self) -> None:
        """Take every entry that is new. What follows from a book is read first: its book is there then."""
        for stream in reversed(self._trails):
            trail = self._trails[stream]
            while entries := await bus.span(self._link, trail.name, f"({trail.last.decode()}"):
                trail.last = entries[-1][0]
                for entry_id, data in entries:
                    self._take(stream, trail, parse_id(entry_id), data)

    def _take(self, stream: Stream, trail: Trail, entry_id: Id, data: bytes) -> None:
        message = codec.decode(data)
        if stream in (Stream.FEATURES, Stream.PREDICTIONS):
            if not isinstance(message, Flow):  # which has the id of another entry than a book
                trail.ids.append(entry_id)
            return
        if isinstance(message, Lob):
            trail.ids.append(entry_id)
        elif isinstance(message, FeedStatus) and message.state in BROKEN:
            self.broken.append((entry_id, message.state, message.reason))
        elif isinstance(message, Fill):
            self.trade_ids.append(message.trade_id)

    def problems(self) -> list[str]:
        """What does not match: each book has one vector and one prediction, and neither has another."""
        books, vectors, predictions = (
            self._trails[stream].ids for stream in (Stream.MARKET, Stream.FEATURES, Stream.PREDICTIONS)
        )
        return [
            *differences(f"{self.symbol}: features of market", books, vectors),
            *differences(f"{self.symbol}: predictions of features", vectors, predictions),
            *([f"{self.symbol}: a fill twice"] if len(set(self.trade_ids)) < len(self.trade_ids) else []),
        ]

    @property
    def books(self) -> int:
        """How many books were read."""
        return len(self._trails[Stream.MARKET].ids)


def differences(what: str, causes: Sequence[Id], effects: Sequence[Id]) -> list[str]:
    """How `effects` is not `causes`, but for what had none before the first effect and may still follow.

    >>> differences("b of a", [(1, 0), (2, 0), (3, 0)], [(2, 0)])
    []
    >>> differences("b of a", [(1, 0), (2, 0), (3, 0)], [(1, 0), (3, 0), (4, 0)])
    ['b of a: 1 missing (first 2-0)', 'b of a: 1 too many (first 4-0)']
    """
    if not effects:
        return [f"{what}: none"] if causes else []
    wanted = {one for one in causes if effects[0] <= one <= effects[-1]}
    found = set(effects)
    out = []
    for rows, word in ((sorted(wanted - found), "missing"), (sorted(found - wanted), "too many")):
        if rows:
            out.append(f"{what}: {len(rows)} {word} (first {rows[0][0]}-{rows[0][1]})")
    if len(found) < len(effects):
        out.append(f"{what}: {len(effects) - len(found)} twice")
    return out
