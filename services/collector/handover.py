"""From an old socket to a new one without a gap and without a frame twice (pure).

Both carry the same streams for a while. A stream changes over when the old socket has come up to where the
new one began: from there on the new one has everything, and what it brings again is dropped by its identity
(the diff's or ticker's `u`, the trade's `a`, the mark price's `E`). Until then its frames wait.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from services.collector.routes import kind_of


class _Ticker(msgspec.Struct):
    last: int = msgspec.field(name="u")


class _Diff(msgspec.Struct):
    last: int = msgspec.field(name="u")
    first: int = msgspec.field(name="U")
    previous: int | None = msgspec.field(name="pu", default=None)


class _Trade(msgspec.Struct):
    last: int = msgspec.field(name="a")


class _Mark(msgspec.Struct):
    last: int = msgspec.field(name="E")


class _Combined(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_combined = msgspec.json.Decoder(_Combined)
_diff = msgspec.json.Decoder(_Diff)
_identities: dict[str, msgspec.json.Decoder[_Ticker | _Trade | _Mark]] = {
    "bookTicker": msgspec.json.Decoder(_Ticker),
    "aggTrade": msgspec.json.Decoder(_Trade),
    "markPrice": msgspec.json.Decoder(_Mark),
}


class _Side:
    """One stream on its way over."""

    def __init__(self, is_over: bool) -> None:
        self.is_over = is_over  # the new socket's frames are the ones that count
        self.last: int | None = None  # identity of the last frame that was passed on
        self.held: list[tuple[int, bytes]] = []  # of the new socket: (identity, message)
        self.reach = 0  # the old socket must have come to this identity
        self.brought: int | None = None  # identity of the new socket's last frame


class Handover:
    """The overlap of two sockets. `stale` are streams of which the old one sends nothing any more."""

    def __init__(self, streams: Iterable[str], stale: Iterable[str] = ()) -> None:
        gone = set(stale)
        self._sides = {stream: _Side(stream in gone) for stream in streams}
        self.duplicates = 0

    @property
    def is_done(self) -> bool:
        """Whether every stream has changed over: the old socket may close."""
        return all(side.is_over for side in self._sides.values())

    @property
    def is_caught_up(self) -> bool:
        """Whether the new socket, alone by now, brings nothing any more that the old one had brought."""
        return all(
            side.last is None or (side.brought is not None and side.brought >= side.last)
            for side in self._sides.values()
        )

    def take(self, is_new: bool, message: bytes) -> list[bytes]:
        """The messages to pass on now that one has come, in order. What is no frame of a stream passes."""
        try:
            frame = _combined.decode(message)
            side = self._sides.get(frame.stream)
            if side is None:
                return [message]
            last, reach = _identity(kind_of(frame.stream), frame.data)
        except msgspec.MsgspecError:
            return [message]  # to be parked by whoever reads it
        if is_new:
            side.brought = last
        if not is_new or side.is_over:
            return self._pass(side, last, message) + self._change_over(side)
        if not side.held:
            side.reach = reach
        side.held.append((last, message))
        return self._change_over(side)

    def finish(self) -> list[bytes]:
        """The old socket is gone: all that waits passes. If something is missing, ids will show it."""
        out: list[bytes] = []
        for side in self._sides.values():
            side.is_over = True
            out += self._drain(side)
        return out

    def _change_over(self, side: _Side) -> list[bytes]:
        if side.is_over or not side.held or side.last is None or side.last < side.reach:
            return []
        side.is_over = True
        return self._drain(side)

    def _drain(self, side: _Side) -> list[bytes]:
        held, side.held = side.held, []
        return [one for last, message in held for one in self._pass(side, last, message)]

    def _pass(self, side: _Side, last: int, message: bytes) -> list[bytes]:
        if side.last is not None and last <= side.last:
            self.duplicates += 1
            return []
        side.last = last
        return [message]


def _identity(kind: str, data: msgspec.Raw) -> tuple[int, int]:
    """(the frame's own identity, the identity after which nothing before it is missing)."""
    if kind == "depth":
        diff = _diff.decode(data)
        return diff.last, diff.previous if diff.previous is not None else diff.first - 1
    if kind == "aggTrade":
        trade = _identities[kind].decode(data).last
        return trade, trade - 1
    mark = _identities[kind].decode(data).last
    return mark, mark
