"""The venue's REST as the collector needs it: instruments and depth snapshots (shell)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import aiohttp
import msgspec

from services.collector.budget import FIRST_PAUSE_NS, Budget
from shared.errors import VenueError
from shared.runner import sleep_unless
from shared.units import SECOND, Scale, e9

T = TypeVar("T")

SNAPSHOT_DEPTH = 1000
SNAPSHOT_WEIGHT = 20  # of that depth
START_SECONDS = 20.0
START_PAUSE_SECONDS = 0.1  # between two requests to a venue that is not there yet
REFUSED = (418, 429)


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


class ServerTime(msgspec.Struct):
    """The answer of `/fapi/v1/time`."""

    time_ms: int = msgspec.field(name="serverTime")


class Day(msgspec.Struct):
    """The part of a 24 h ticker that is needed."""

    count: int


class Snapshot(NamedTuple):
    """A depth snapshot's body, and its place in a replayed recording (0, 0 elsewhere)."""

    seq: int
    recv_ns: int
    body: bytes


class VenueRest:
    """Market data requests to `base`. `budget` bounds the snapshots of all symbols together (None: no bound);
    waiting for it ends when `stop` is set."""

    def __init__(
        self,
        base: str,
        session: aiohttp.ClientSession,
        stop: asyncio.Event,
        budget: Budget | None = None,
    ) -> None:
        self._base = base.rstrip("/")
        self._session = session
        self._stop = stop
        self._budget = budget

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
        await self._turn(SNAPSHOT_WEIGHT)
        headers = {} if at_seq is None else {"X-Replay-At": str(at_seq)}
        body, answered = await self._get(
            "/fapi/v1/depth",
            {"symbol": symbol, "limit": str(SNAPSHOT_DEPTH)},
            f"depth snapshot of {symbol}",
            headers,
        )
        seq, _, recv_ns = answered.get("X-Replay", "0,0").partition(",")
        return Snapshot(int(seq), int(recv_ns), body)

    async def time_ms(self) -> int:
        """The venue's clock. Raises VenueError where it does not tell."""
        return await self._read("/fapi/v1/time", {}, "the venue's time", ServerTime, lambda row: row.time_ms)

    async def trades_a_day(self, symbol: str) -> int | None:
        """How many trades `symbol` had in the last 24 h; None where the venue does not tell."""
        try:
            return await self._read(
                "/fapi/v1/ticker/24hr", {"symbol": symbol}, f"24 h of {symbol}", Day, lambda row: row.count
            )
        except VenueError:
            return None

    async def _read(
        self, path: str, params: dict[str, str], what: str, type_: type[T], pick: Callable[[T], int]
    ) -> int:
        await self._turn(1)
        body, _ = await self._get(path, params, what, {})
        try:
            return pick(msgspec.json.decode(body, type=type_))
        except msgspec.MsgspecError as error:
            raise VenueError(f"{what}: {error}") from error

    async def _turn(self, weight: int) -> None:
        """Wait until the budget allows a request of `weight`."""
        if self._budget is None:
            return
        while wait_ns := self._budget.wait_ns(time.time_ns(), weight):
            await sleep_unless(self._stop, wait_ns / SECOND)
            if self._stop.is_set():
                raise VenueError("stopped while waiting for the venue's limit")
        self._budget.spend(time.time_ns(), weight)

    async def _get(
        self, path: str, params: dict[str, str], what: str, headers: dict[str, str]
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of a 200; 429 and 418 hold up everything that the budget covers."""
        try:
            async with self._session.get(self._base + path, params=params, headers=headers) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise VenueError(f"{what}: {error!r}") from error
        if answer.status == 200:
            if self._budget is not None:
                self._budget.answered()
            return body, answer.headers
        text = f"{what}: HTTP {answer.status} {body[:200]!r}"
        if answer.status in REFUSED and self._budget is not None:
            text += f"; no snapshot for {self._refused(answer, body) / SECOND:.0f} s"
        raise VenueError(text, status=answer.status)

    def _refused(self, answer: aiohttp.ClientResponse, body: bytes) -> int:
        """How long nothing is sent after a 429 or 418, in ns."""
        if self._budget is None:
            return FIRST_PAUSE_NS
        retry_after = answer.headers.get("Retry-After", "")
        return self._budget.refused(time.time_ns(), answer.status, retry_after, body)

    async def _first_answer(self, path: str) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while True:
            pause = START_PAUSE_SECONDS
            try:
                async with self._session.get(self._base + path) as answer:
                    body = await answer.read()
                    if answer.status == 200:
                        return body
                    problem = f"HTTP {answer.status} {body[:200]!r}"
                    if answer.status in REFUSED:  # to ask on would prolong a ban
                        pause = self._refused(answer, body) / SECOND
                        problem += f", not to be asked for {pause:.0f} s"
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = str(error) or repr(error)
            if loop.time() + pause > deadline:
                raise VenueError(f"no answer from the venue at {self._base}{path}: {problem}")
            await asyncio.sleep(pause)


def _scale(info: SymbolInfo) -> Scale:
    tick = next((row.tick for row in info.filters if row.kind == "PRICE_FILTER" and row.tick), None)
    step = next((row.step for row in info.filters if row.kind == "LOT_SIZE" and row.step), None)
    if tick is None or step is None:
        raise VenueError(f"exchangeInfo gives no tick or step size for {info.symbol}")
    return Scale(e9(tick), e9(step))
