"""One file fetched politely: resumed where it broke off, repeated with backoff, silent for as long as asked.

An answer of 429, 418 or 503 stops all requests of the fetcher, not only its own, until `Retry-After` has
passed (else the backoff). A request that fails without getting further into the file than those before counts
as an attempt; one that got further does not, so a slow line ends with the file.
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import aiohttp

from research.downloads.catalog import Remote
from research.downloads.store import PartFile, Store, read_digest
from shared.errors import BadInput

USER_AGENT = f"lobflow/{version('lobflow')}"
CHUNK = 1 << 16
BUSY = (418, 429, 503)
LONGEST_WAIT_S = 3600.0  # a server that asks for more is not waited for

OnBytes = Callable[[Remote, int, int | None], None]  # the file, bytes there, bytes in all where known


class Pace(NamedTuple):
    """How patient a fetcher is, in seconds and attempts."""

    attempts: int = 6
    backoff_s: float = 1.0  # before the first repetition; doubled each time
    longest_backoff_s: float = 60.0
    read_s: float = 60.0  # without a byte, after which the line is given up


class Outcome(NamedTuple):
    """What became of a file. `state`: downloaded, present (verified), missing (not published) or failed."""

    remote: Remote
    path: Path
    state: str
    reason: str = ""
    received: int = 0  # bytes that came over the line
    repeated: int = 0  # requests that had to be repeated


class _Refused(Exception):
    """The server answered what no repetition will change."""


class _Missing(Exception):
    """The server has no such file."""


class _Again(Exception):
    """The request is to be repeated, with `wait_s` seconds between where the server asked for them."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Fetcher:
    """Fetches files into `folder` over one session, several at a time where it is called so."""

    def __init__(
        self, session: aiohttp.ClientSession, folder: Path, pace: Pace, on_bytes: OnBytes | None = None
    ) -> None:
        self._session = session
        self._folder = folder
        self._pace = pace
        self._on_bytes = on_bytes
        self._silent_until = 0.0  # of the event loop's clock: no request before
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=pace.read_s, sock_read=pace.read_s)

    async def fetch(self, remote: Remote) -> Outcome:
        """One file, whole and verified, or why not. What goes wrong with it is a result, never an exception;
        only a disk that cannot be written ends everything."""
        path = self._folder / remote.place
        tally = _Tally()
        try:
            state = await self._fetch(remote, Store(path), tally)
        except _Missing:
            return Outcome(remote, path, "missing", "not published", tally.received, tally.repeated)
        except (_Refused, BadInput) as error:
            return Outcome(remote, path, "failed", str(error), tally.received, tally.repeated)
        return Outcome(remote, path, state, "", tally.received, tally.repeated)

    async def _fetch(self, remote: Remote, store: Store, tally: _Tally) -> str:
        digest = None
        if remote.has_checksum:
            digest = await self._digest(remote, tally)
        if await asyncio.to_thread(store.is_whole, digest):
            return "present"
        attempt = 0
        while True:
            before = tally.furthest
            try:
                await self._receive(remote, store, tally)
                await asyncio.to_thread(store.publish, digest)
            except (_Again, BadInput, *LINE_ERRORS) as error:
                is_further = tally.furthest > before and not isinstance(error, BadInput)
                attempt = 0 if is_further else attempt + 1
                await self._pause(error, attempt, tally)
                continue
            return "downloaded"

    async def _digest(self, remote: Remote, tally: _Tally) -> str:
        attempt = 0
        while True:
            try:
                await self._silence()
                url = f"{remote.url}.CHECKSUM"
                async with self._session.get(url, timeout=self._timeout) as answer:
                    _check(answer)
                    return read_digest(await answer.text(errors="replace"))
            except (_Again, BadInput, *LINE_ERRORS) as error:
                attempt += 1
                await self._pause(error, attempt, tally)

    async def _receive(self, remote: Remote, store: Store, tally: _Tally) -> None:
        await self._silence()
        part = PartFile(store)
        try:
            headers = {"Range": f"bytes={part.size}-"} if part.size else {}
            async with self._session.get(remote.url, headers=headers, timeout=self._timeout) as answer:
                if answer.status == 416:  # there is no more than what is there: whole, or of another file
                    return
                _check(answer)
                if answer.status != 206:
                    part.restart()
                length = answer.content_length
                total = None if length is None else part.size + length
                async for data in answer.content.iter_chunked(CHUNK):
                    part.write(data)
                    tally.received += len(data)
                    tally.furthest = max(tally.furthest, part.size)
                    if self._on_bytes is not None:
                        self._on_bytes(remote, part.size, total)
        finally:
            part.close()

    async def _silence(self) -> None:
        clock = asyncio.get_running_loop().time
        while (left := self._silent_until - clock()) > 0:  # noqa: ASYNC110 - others prolong it meanwhile
            await asyncio.sleep(left)

    async def _pause(self, error: Exception, attempt: int, tally: _Tally) -> None:
        """Wait before the next attempt. Raises _Refused after the last."""
        reason = str(error) or type(error).__name__
        if attempt >= self._pace.attempts:
            raise _Refused(f"given up after {attempt} attempts: {reason}") from error
        tally.repeated += 1
        pause = min(self._pace.backoff_s * 2 ** max(0, attempt - 1), self._pace.longest_backoff_s)
        if isinstance(error, _Again):
            pause = pause if error.wait_s is None else error.wait_s
            if pause > LONGEST_WAIT_S:
                raise _Refused(f"{reason}, and to be left alone for {pause:.0f} s") from error
            until = asyncio.get_running_loop().time() + pause
            self._silent_until = max(self._silent_until, until)
        else:
            await asyncio.sleep(pause)


class _Tally:
    """What one file cost."""

    def __init__(self) -> None:
        self.received = 0  # bytes over the line
        self.furthest = 0  # the longest that the part ever was
        self.repeated = 0


LINE_ERRORS = (aiohttp.ClientError, TimeoutError)


def _check(answer: aiohttp.ClientResponse) -> None:
    status = answer.status
    if status in (200, 206):
        return
    if status == 404:
        raise _Missing
    reason = f"HTTP {status}"
    if status in BUSY:
        raise _Again(reason, _retry_after(answer.headers.get("Retry-After", "")))
    if status >= 500:
        raise _Again(reason)
    raise _Refused(reason + (": not one of the free days" if status == 401 else ""))


def _retry_after(text: str) -> float | None:
    """Seconds to wait, from either form of the header; None where it says nothing that can be read."""
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
