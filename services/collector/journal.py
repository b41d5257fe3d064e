"""What the core was told, line by line into the raw archive; nothing where there is none (shell)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.collector.core import CollectorCore
from services.collector.feed import Out, Output, Resume
from services.collector.notes import Beat, Begin, Lost, Stale, Start
from services.collector.raw import RawArchive
from services.collector.routes import Route
from shared.messages import Heartbeat


class Journal:
    """Called after the core was, with what it was told and what came of it. A line's time is the final stamp:
    never below the entry before it."""

    def __init__(self, archive: RawArchive | None, core: CollectorCore) -> None:
        self._archive = archive
        self._core = core

    def start(self, resumes: Mapping[str, Resume], now_ns: int) -> None:
        """A collector begins where its streams stand."""
        if self._archive is None:
            return
        for symbol, feed in self._core.feeds.items():
            start = Start(symbol, feed.scale.tick_e9, feed.scale.lot_e9, resumes.get(symbol))
            self._archive.note(symbol, max(now_ns, feed.last_ns), start)

    def begin(self, now_ns: int) -> None:
        """Time has begun for all symbols."""
        if self._archive is None:
            return
        for symbol in self._core.feeds:
            self._archive.note(symbol, self._stamp(symbol, now_ns), Begin())

    def frame(self, symbol: str, now_ns: int, outputs: Sequence[Output], text: bytes) -> None:
        """A frame as it came, or a snapshot's body."""
        if self._archive is None:
            return
        self._beat(outputs)
        self._archive.put(symbol, self._stamp(symbol, now_ns), text)

    def ticked(self, outputs: Sequence[Output]) -> None:
        """Time passed and made heartbeats."""
        if self._archive is not None:
            self._beat(outputs)

    def lost(self, route: Route, now_ns: int, reason: str, outputs: Sequence[Output]) -> None:
        """A socket was lost."""
        if self._archive is None:
            return
        self._beat(outputs)
        for symbol in route.symbols:
            self._archive.note(symbol, self._stamp(symbol, now_ns), Lost(route.what, reason))

    def stale(self, symbol: str, now_ns: int, kind: str, reason: str, outputs: Sequence[Output]) -> None:
        """A stream is silent."""
        if self._archive is None:
            return
        self._beat(outputs)
        self._archive.note(symbol, self._stamp(symbol, now_ns), Stale(kind, reason))

    def _beat(self, outputs: Sequence[Output]) -> None:
        """The last of each symbol's heartbeats stands for those before it: the core makes them all again."""
        assert self._archive is not None
        last: dict[str, int] = {}
        for output in outputs:
            if isinstance(output, Out) and isinstance(output.message, Heartbeat):
                last[output.symbol] = output.message.recv_ns
        for symbol, at_ns in last.items():
            self._archive.note(symbol, at_ns, Beat())

    def _stamp(self, symbol: str, now_ns: int) -> int:
        return max(now_ns, self._core.feeds[symbol].last_ns)
