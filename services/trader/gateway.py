"""Signed REST to the trading venue: orders, cancels, queries.

One `Gateway` serves all symbols. It takes `Approved` only, never sends an order twice but for a refused
clock, and leaves to its caller what to do about an answer that is unknown. What concerns single orders goes
over the `OrderLine`, everything else over aiohttp.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from services.trader.answers import Outcome, classify
from services.trader.orderline import Lost, NotSent, OrderLine
from services.trader.risk import Approved
from services.trader.signing import Signer, offset_ms, order_query, query_of
from shared.errors import BadSetting, VenueError
from shared.telemetry import Stamps
from shared.units import MS, Scale

CLOCK_SAMPLES = 5
PAUSE_SECONDS = 10.0  # after a limit without Retry-After: the length of the venue's short window
LOST = (aiohttp.ClientError, TimeoutError, OSError)
Headers = dict[str, str]


class Gateway:
    """REST of one account. `seconds` bounds each request."""

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        recv_window_ms: int,
        seconds: float = 5.0,
        stamps: Stamps | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.recv_window_ms = recv_window_ms
        self.offset_ms = 0  # venue time minus ours
        self._signer = Signer(secret, recv_window_ms)
        self._orders_from = 0.0  # loop time before which orders are held back (429, -1015)
        self._all_from = 0.0  # loop time before which everything is held back (418)
        self._seconds = seconds
        self._stamps = stamps
        try:
            self._line = OrderLine(self.url, key)
        except ValueError as error:
            raise BadSetting(f"LOBFLOW_TRADE_REST_URL or LOBFLOW_API_KEY: {error}") from error
        self._session = aiohttp.ClientSession(
            headers={"X-MBX-APIKEY": key},
            connector=aiohttp.TCPConnector(limit=32, keepalive_timeout=300, enable_cleanup_closed=False),
            timeout=aiohttp.ClientTimeout(total=seconds),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._line.close()
        await self._session.close()

    def now_ms(self) -> int:
        """The venue's time."""
        return time.time_ns() // MS + self.offset_ms

    async def place(
        self, symbol: str, approved: Approved, scale: Scale, cause: str = "", extra: Headers | None = None
    ) -> Outcome:
        """Send one approved order. Nothing is sent while the venue told us to wait."""
        if asyncio.get_running_loop().time() < max(self._orders_from, self._all_from):
            return Outcome("not_placed", "held back: the venue told us to wait", sent_ms=self.now_ms())
        query = order_query(symbol, approved.request, scale)
        return await self._ask("POST", "/fapi/v1/order", query, cause, extra)

    async def cancel(
        self, symbol: str, approved: Approved, cause: str = "", extra: Headers | None = None
    ) -> Outcome:
        """Cancel one order by its client id. Safe to repeat."""
        query = query_of({"symbol": symbol, "origClientOrderId": approved.request.client_id})
        return await self._ask("DELETE", "/fapi/v1/order", query, cause, extra)

    async def query(self, symbol: str, client_id: str) -> Outcome:
        """Ask what became of one order. `missing` where the venue has no record (yet)."""
        return await self._ask(
            "GET", "/fapi/v1/order", query_of({"symbol": symbol, "origClientOrderId": client_id}), "", None
        )

    async def fetch(self, path: str, **params: str | int) -> Any:
        """A signed GET. Raises VenueError for anything but a JSON answer with status 200."""
        return await self._fetch("GET", path, self._signer.signed(query_of(params), self.now_ms()))

    async def exchange_info(self) -> dict[str, Any]:
        """The venue's symbols and filters."""
        info: dict[str, Any] = await self._fetch("GET", "/fapi/v1/exchangeInfo", "")
        return info

    async def listen_key(self) -> str:
        """The key of the user stream, created or extended by 60 minutes."""
        return str((await self._fetch("POST", "/fapi/v1/listenKey", ""))["listenKey"])

    async def keep_alive(self) -> None:
        """Extend the listen key. Raises VenueError with code -1125 where it is gone."""
        await self._fetch("PUT", "/fapi/v1/listenKey", "")

    async def sync_clock(self) -> None:
        """Measure the venue's clock."""
        samples = []
        for _ in range(CLOCK_SAMPLES):
            before = time.time_ns()
            server_ms = (await self._fetch("GET", "/fapi/v1/time", ""))["serverTime"]
            samples.append((before, int(server_ms), time.time_ns()))
        self.offset_ms = offset_ms(samples)

    async def warm(self) -> None:
        """Open spare connections, so that an order does not wait for a handshake. Raises VenueError."""
        try:
            await self._line.warm("/fapi/v1/time", self._seconds)
        except NotSent as error:
            raise VenueError(f"no connection to {self.url}: {error}") from error

    async def _ask(self, verb: str, path: str, query: str, cause: str, extra: Headers | None) -> Outcome:
        outcome = await self._once(verb, path, query, cause, extra)
        if outcome.kind == "clock":
            # Certainly not executed: the only request that is ever sent again.
            await self.sync_clock()
            outcome = await self._once(verb, path, query, cause, extra)
        if outcome.kind in ("limited", "banned"):
            wait = _seconds(outcome.headers.get("Retry-After"))
            until = asyncio.get_running_loop().time() + wait
            self._orders_from = max(self._orders_from, until)
            if outcome.kind == "banned":
                self._all_from = max(self._all_from, until)
        return outcome

    async def _once(self, verb: str, path: str, query: str, cause: str, extra: Headers | None) -> Outcome:
        sent_ms = self.now_ms()
        if asyncio.get_running_loop().time() < self._all_from:
            return Outcome("banned", "held back: banned", sent_ms=sent_ms)
        head = self._line.head(verb, f"{path}?{self._signer.signed(query, sent_ms)}", extra)
        deadline = asyncio.get_running_loop().time() + self._seconds
        waiting = self._line.send_now(head, deadline)
        if waiting is None:
            try:
                waiting = await self._line.send(head, deadline)
            except NotSent as error:
                return Outcome("not_placed", f"no connection: {error}", sent_ms=sent_ms)
        if self._stamps and cause:
            self._stamps.mark("sent", cause)
        answer = await waiting
        if isinstance(answer, Lost):
            return Outcome("unknown", f"no answer: {answer.reason}", sent_ms=sent_ms)
        return classify(answer.status, answer.body, answer.headers, sent_ms)

    async def _fetch(self, verb: str, path: str, query: str) -> Any:
        url = URL(f"{self.url}{path}{'?' if query else ''}{query}", encoded=True)
        try:
            async with self._session.request(verb, url) as answer:
                body = await answer.read()
        except LOST as error:
            raise VenueError(f"{verb} {path}: no answer from {self.url}: {error!r}") from error
        try:
            found = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise VenueError(
                f"{verb} {path}: HTTP {answer.status} without JSON", status=answer.status
            ) from error
        if answer.status != 200:
            code = int(found.get("code", 0)) if isinstance(found, dict) else 0
            text = f"{verb} {path}: HTTP {answer.status}: {found}"
            raise VenueError(text, code=code, status=answer.status)
        return found


def _seconds(retry_after: str | None) -> float:
    """The pause that an answer asks for; the header may also hold a date, which is not worth parsing."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else PAUSE_SECONDS
