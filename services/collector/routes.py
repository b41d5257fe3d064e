"""Which socket carries which stream (pure): categories apart, symbols spread, the venue's limits kept.

The venue allows 1024 streams and 10 messages a second per connection, and a URL has an end: what does not fit
into it is subscribed afterwards, in few messages. Source: USD-M futures, WebSocket market streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

STREAMS = {
    "book": ("depth@100ms", "bookTicker"),  # routed to /public
    "tape": ("aggTrade", "markPrice@1s"),  # routed to /market
}
URL_LIMIT = 2000  # characters: proxies and servers cut longer ones
CHUNK = 100  # streams in one SUBSCRIBE, about 2 kB
MESSAGES_A_SECOND = 4  # of the 10 that are allowed; pings and pongs count too


class Route(NamedTuple):
    """One socket. `what` is `book` or `tape`; `later` are the streams to be subscribed once it is open."""

    name: str
    what: str
    base: str
    symbols: tuple[str, ...]
    streams: tuple[str, ...]
    url: str
    later: tuple[tuple[str, ...], ...]


def kind_of(stream: str) -> str:
    """`depth` of `btcusdt@depth@100ms`."""
    return stream.partition("@")[2].partition("@")[0]


def symbol_of(stream: str) -> str:
    """`BTCUSDT` of `btcusdt@depth@100ms`."""
    return stream.partition("@")[0].upper()


def routes(
    public_url: str,
    market_url: str,
    symbols: Sequence[str],
    socket_streams: int = 200,
    url_limit: int = URL_LIMIT,
) -> list[Route]:
    """The sockets for `symbols`, with at most `socket_streams` streams on each and URLs of at most
    `url_limit` characters; both streams of a symbol's category share a socket."""
    found = []
    for what, base in (("book", public_url), ("tape", market_url)):
        share = socket_streams // len(STREAMS[what])
        groups = [tuple(symbols[at : at + share]) for at in range(0, len(symbols), share)]
        for number, group in enumerate(groups):
            name = what if len(groups) == 1 else f"{what}-{number}"
            found.append(_route(name, what, base.rstrip("/"), group, url_limit))
    return found


def _route(name: str, what: str, base: str, symbols: tuple[str, ...], url_limit: int) -> Route:
    streams = tuple(f"{symbol.lower()}@{kind}" for symbol in symbols for kind in STREAMS[what])
    url, taken = f"{base}/stream?streams={streams[0]}", 1
    while taken < len(streams) and len(url) + 1 + len(streams[taken]) <= url_limit:
        url, taken = f"{url}/{streams[taken]}", taken + 1
    rest = streams[taken:]
    later = tuple(rest[at : at + CHUNK] for at in range(0, len(rest), CHUNK))
    return Route(name, what, base, symbols, streams, url, later)
