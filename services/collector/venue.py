"""The venue's REST as the collector needs it: instruments and depth snapshots (shell)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import aiohttp
import msgspec

from shared.errors import VenueError
from shared.units import Scale, e9

SNAPSHOT_DEPTH = 1000
START_SECONDS = 20.0


class SymbolFilter(msgspec.Struct):
    """One filter of exchangeInfo; only the two that give sizes are read."""

    kind: str = msgspec.field(name="filterType")
    tick: str | None = msgspec.field(name="tickSize", default=None)
    step: str | None = msgspec.field(name="stepSize", default=None)


class SymbolInfo(msgspec.Struct):
    """One symbol of exchangeInfo."""

    symbol: str
    filters: list[SymbolFilter]


class ExchangeInfo(msgspec.Struct):
    """The part of exchangeInfo that is needed."""

    symbols: list[SymbolInfo]


class Snapshot(NamedTuple):
    """A depth snapshot's body, and its place in a replayed recording (0, 0 elsewhere)."""

    seq: int
    recv_ns: int
    body: bytes


class VenueRest:
    """Market data requests to `base`."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self._base = base.rstrip("/")
        self._session = session

    async def scales(self, symbols: Sequence[str]) -> dict[str, Scale]:
        """Tick and lot sizes. Waits for a venue that is starting; raises VenueError where it does not come,
        or does not know a symbol."""
        body = await self._first_answer("/fapi/v1/exchangeInfo")
        try:
            info = msgspec.json.decode(body, type=ExchangeInfo)
        except msgspec.MsgspecError as error:
            raise VenueError(f"{self._base}/fapi/v1/exchangeInfo: not an exchangeInfo: {error}") from error
        known = {row.symbol: row for row in info.symbols}
        missing = [symbol for symbol in symbols if symbol not in known]
        if missing:
            raise VenueError(f"{self._base} does not know {', '.join(missing)}; LOBFLOW_SYMBOLS names it")
        return {symbol: _scale(known[symbol]) for symbol in symbols}

    async def snapshot(self, symbol: str, at_seq: int | None) -> Snapshot:
        """A depth snapshot. Raises VenueError where none can be had now. `at_seq` (replay only): where we
        stand in the recording."""
        headers = {} if at_seq is None else {"X-Replay-At": str(at_seq)}
        params = {"symbol": symbol, "limit": str(SNAPSHOT_DEPTH)}
        try:
            async with self._session.get(
                self._base + "/fapi/v1/depth", params=params, headers=headers
            ) as answer:
                body = await answer.read()
                if answer.status != 200:
                    raise VenueError(
                        f"depth snapshot of {symbol}: HTTP {answer.status} {body[:200]!r}",
                        status=answer.status,
                    )
                seq, _, recv_ns = answer.headers.get("X-Replay", "0,0").partition(",")
                return Snapshot(int(seq), int(recv_ns), body)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise VenueError(f"depth snapshot of {symbol}: {error!r}") from error

    async def _first_answer(self, path: str) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while True:
            try:
                async with self._session.get(self._base + path) as answer:
                    body = await answer.read()
                    if answer.status == 200:
                        return body
                    problem = f"HTTP {answer.status} {body[:200]!r}"
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = str(error) or repr(error)
            if loop.time() > deadline:
                raise VenueError(f"no answer from the venue at {self._base}{path}: {problem}")
            await asyncio.sleep(0.1)


def _scale(info: SymbolInfo) -> Scale:
    tick = next((row.tick for row in info.filters if row.kind == "PRICE_FILTER" and row.tick), None)
    step = next((row.step for row in info.filters if row.kind == "LOT_SIZE" and row.step), None)
    if tick is None or step is None:
        raise VenueError(f"exchangeInfo gives no tick or step size for {info.symbol}")
    return Scale(e9(tick), e9(step))
