"""How far the market may go: no further than the trader's cursor plus the latency (docs/replay.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Cursors:
    """The trader's cursor, the smallest of its symbols'. A symbol that has not begun holds nobody.

    A cursor counts only when every request it names has arrived: no order comes for a moment that is past.
    """

    def __init__(self, starts_ns: Mapping[str, int]) -> None:
        self._at_ns = dict(starts_ns)  # symbol -> its first entry's time, then its cursor
        self._announced: dict[str, list[tuple[int, frozenset[str]]]] = {symbol: [] for symbol in starts_ns}
        self._received: set[str] = set()

    @property
    def floor_ns(self) -> int:
        """The cursor of the symbol that is furthest behind."""
        return min(self._at_ns.values())

    def receive(self, request_id: str) -> None:
        """Note that a request has arrived."""
        self._received.add(request_id)
        for symbol in self._announced:
            self._settle(symbol)

    def move(self, symbol: str, market_ns: int, under_way: Iterable[str]) -> None:
        """Take a cursor. One of a symbol that is not replayed says nothing."""
        if symbol in self._announced:
            self._announced[symbol].append((market_ns, frozenset(under_way)))
            self._settle(symbol)

    def _settle(self, symbol: str) -> None:
        waiting = []
        for market_ns, under_way in self._announced[symbol]:
            if under_way <= self._received:
                self._at_ns[symbol] = max(self._at_ns[symbol], market_ns)
            else:
                waiting.append((market_ns, under_way))
        self._announced[symbol] = waiting
