"""Whole books, one after the other, as the snapshot and the diffs that the venue would have sent."""

from __future__ import annotations

from collections.abc import Iterator

from research.imports.frames import Levels, depth, snapshot
from services.venue.lines import Line
from shared.errors import BadFrame
from shared.units import e9

NO_PREDECESSOR = 0  # a `pu` that no diff has as its `u`: the reader sees that something is missing


class Ladder:
    """One symbol's book. Update ids are the source's, or made from the receive time in microseconds, so that
    they rise from file to file too."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._bids: dict[str, str] = {}
        self._asks: dict[str, str] = {}
        self._last = 0  # update id of the last diff
        self._is_known = False  # a book was sent, and diffs may follow it

    def lose(self) -> None:
        """Something is missing: the next book begins anew, and the gap is seen."""
        self._is_known = False

    def changes(self, recv_ns: int, exchange_ns: int, bids: Levels, asks: Levels) -> Iterator[Line]:
        """Levels that changed (quantity 0: gone), in canonical texts. Nothing where no book is known."""
        if self._is_known:
            yield self._diff(recv_ns, exchange_ns, self._next_id(recv_ns, None), bids, asks)

    def gap(self, recv_ns: int, exchange_ns: int) -> Line:
        """A diff without predecessor: whoever follows sees that something is missing. The book is lost."""
        self._is_known = False
        self._last = self._next_id(recv_ns, None)
        ids = self._last, self._last, NO_PREDECESSOR
        return depth(recv_ns, self.symbol, exchange_ns, ids, (), ())

    def whole(
        self, recv_ns: int, exchange_ns: int, bids: Levels, asks: Levels, update_id: int | None = None
    ) -> Iterator[Line]:
        """The whole book as it is now, in canonical texts. Raises BadFrame where a side is empty or the book
        is crossed; the book is lost then."""
        try:
            _check(bids, asks)
        except BadFrame:
            self.lose()
            raise
        new_bids, new_asks = dict(bids), dict(asks)
        last = self._next_id(recv_ns, update_id)
        if self._is_known:
            moved = _moved(self._bids, new_bids), _moved(self._asks, new_asks)
            yield self._diff(recv_ns, exchange_ns, last, *moved)
        else:
            yield from self.restart(recv_ns, exchange_ns, bids, asks, last)
        self._bids, self._asks = new_bids, new_asks

    def restart(
        self, recv_ns: int, exchange_ns: int, bids: Levels, asks: Levels, update_id: int | None = None
    ) -> Iterator[Line]:
        """A book that follows nothing: a diff without predecessor, and the snapshot it makes necessary."""
        last = self._next_id(recv_ns, update_id) if update_id is None else update_id
        yield depth(recv_ns, self.symbol, exchange_ns, (last, last, NO_PREDECESSOR), (), ())
        yield snapshot(recv_ns, self.symbol, exchange_ns, last, bids, asks)
        self._last, self._is_known = last, True

    def _diff(self, recv_ns: int, exchange_ns: int, last: int, bids: Levels, asks: Levels) -> Line:
        previous, self._last = self._last, last
        return depth(recv_ns, self.symbol, exchange_ns, (previous + 1, last, previous), bids, asks)

    def _next_id(self, recv_ns: int, update_id: int | None) -> int:
        return max(self._last + 1, recv_ns // 1000 if update_id is None else update_id)


def _check(bids: Levels, asks: Levels) -> None:
    if not bids or not asks:
        raise BadFrame("a side of the book is empty")
    if max(e9(price) for price, _ in bids) >= min(e9(price) for price, _ in asks):
        raise BadFrame("the book is crossed")


def _moved(old: dict[str, str], new: dict[str, str]) -> list[tuple[str, str]]:
    gone = [(price, "0") for price in old if price not in new]
    return gone + [(price, size) for price, size in new.items() if old.get(price) != size]
