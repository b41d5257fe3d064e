"""The market sockets: one task each, reconnecting, handing on every message as it arrives (shell)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from shared.errors import BadSetting
from shared.runner import sleep_unless

MAX_MESSAGE = 16 * 1024 * 1024
BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
STREAMS = {
    "book": ("depth@100ms", "bookTicker"),  # routed to /public
    "tape": ("aggTrade", "markPrice@1s"),  # routed to /market
}


class Route(NamedTuple):
    """One socket: what it carries (`book` or `tape`) and where it connects."""

    what: str
    url: str


def routes(public_url: str, market_url: str, symbols: Sequence[str]) -> list[Route]:
    """The sockets for `symbols`: categories are never mixed on one connection."""
    out = []
    for what, base in (("book", public_url), ("tape", market_url)):
        names = "/".join(f"{symbol.lower()}@{stream}" for symbol in symbols for stream in STREAMS[what])
        out.append(Route(what, f"{base.rstrip('/')}/stream?streams={names}"))
    return out


async def listen(
    route: Route,
    stop: asyncio.Event,
    log: logging.Logger,
    on_message: Callable[[str, bytes], bool],
    on_lost: Callable[[str, str], None],
) -> None:
    """Keep one socket open until stopped; `on_message(what, bytes)` for each message, `on_lost(what, reason)`
    after each loss. Where `on_message` says that something is to be published, other tasks get their turn
    before the next message: a burst must not hold it back."""
    attempt = 0
    while not stop.is_set():
        try:
            async with connect(
                route.url, compression=None, proxy=None, max_size=MAX_MESSAGE, max_queue=1024, close_timeout=1
            ) as socket:
                attempt = 0
                closer = asyncio.create_task(_close_at(stop, socket.close))
                try:
                    while True:
                        if on_message(route.what, await socket.recv(decode=False)):
                            await asyncio.sleep(0)
                finally:
                    closer.cancel()
        except InvalidURI as error:
            raise BadSetting(f"the {route.what} socket's URL {route.url}: {error}") from error
        except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
            if stop.is_set():
                return
            reason = f"{route.what} socket lost: {error}"
            log.warning("%s", reason)
            on_lost(route.what, reason)
            await sleep_unless(stop, BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)])
            attempt += 1


async def _close_at(stop: asyncio.Event, close: Callable[[], Awaitable[None]]) -> None:
    await stop.wait()
    await close()
