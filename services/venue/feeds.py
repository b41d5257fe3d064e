"""What one market socket is subscribed to, and the frames it gets: raw bytes spliced, never encoded anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from services.venue.events import Event, Instrument

STREAM = re.compile(r"^([^@/]+)@(depth(?:@(?:0|100|250|500)ms)?|bookTicker|aggTrade|markPrice(?:@1s)?)$")
CATEGORY = {
    "depth": "public",
    "bookTicker": "public",
    "other": "public",
    "aggTrade": "market",
    "markPrice": "market",
}

Route = tuple[str, str]  # (symbol, kind)


class Feed:
    """Subscriptions of one socket and the frames that wait to be sent on it.

    A stream of another category, of an unknown symbol or kind is accepted and stays silent, as at the venue.
    `category` is None for paths without a category.
    """

    def __init__(
        self, category: str | None, is_combined: bool, instruments: Mapping[str, Instrument]
    ) -> None:
        self.category = category
        self.is_combined = is_combined
        self.names: list[str] = []  # subscribed streams, silent ones included
        self.outbox: list[bytes] = []
        self._symbols = frozenset(instruments)
        self._prefixes: dict[Route, list[bytes]] = {}

    @property
    def is_subscribed(self) -> bool:
        """Whether any of its streams has data here."""
        return bool(self._prefixes)

    def subscribe(self, names: Iterable[str]) -> None:
        """Add streams; one that is there already stays one."""
        self.names += [name for name in dict.fromkeys(names) if name not in self.names]
        self._route()

    def unsubscribe(self, names: Iterable[str]) -> None:
        """Remove streams."""
        gone = set(names)
        self.names = [name for name in self.names if name not in gone]
        self._route()

    def offer(self, event: Event, replay: bytes) -> None:
        """Put the event's frames into the outbox. `replay` follows `data` inside the frame; may be empty."""
        prefixes = self._prefixes.get((event.symbol, event.kind))
        if prefixes is None:
            return
        data = event.data
        if event.kind == "other":  # a text frame must be UTF-8, whatever was recorded
            data = data.decode("utf-8", "replace").encode()
        for prefix in prefixes:
            if prefix:
                self.outbox.append(prefix + data + replay + b"}")
            elif replay:
                self.outbox.append(data[:-1] + replay + b"}")
            else:
                self.outbox.append(data)

    def _route(self) -> None:
        self._prefixes.clear()
        for name in self.names:
            match = STREAM.match(name)
            if match is None or match[1].upper() not in self._symbols or match[1] != match[1].lower():
                continue
            kind = match[2].partition("@")[0]
            if CATEGORY[kind] != self.category:
                continue
            prefix = f'{{"stream":"{name}","data":'.encode() if self.is_combined else b""
            self._prefixes.setdefault((match[1].upper(), kind), []).append(prefix)
            if (
                self.category == "public"
            ):  # what is no frame of any kind goes out once, under the first stream
                self._prefixes.setdefault((match[1].upper(), "other"), [prefix])
