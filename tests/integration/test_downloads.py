"""Downloads from a server that has the publishers' layout, and misbehaves as servers do."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import random
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import Result
from import_data import TARDIS_L2, entries, tardis_rows
from typer.testing import CliRunner

from lobflow.cli import app
from research.downloads import catalog
from research.downloads.catalog import Remote
from research.downloads.fetch import Outcome, Pace
from research.downloads.run import download
from research.downloads.store import PartFile, Store
from shared.errors import BadInput, BadSetting

PACE = Pace(attempts=3, backoff_s=0.01, longest_backoff_s=0.05, read_s=0.4)
FIRST, LAST = date(2024, 1, 1), date(2024, 1, 4)
Handler = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


class Publisher:
    """Files by path. `faults` are taken one by one for a path before it is served as it should be."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Handler]] = defaultdict(list)
        self.asked: list[tuple[float, str, str]] = []  # (clock, path, Range)
        self.agents: set[str] = set()
        self.url = ""
        self.under_way = self.most = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lstrip("/")
        self.asked.append((time.monotonic(), path, request.headers.get("Range", "")))
        self.agents.add(request.headers.get("User-Agent", ""))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if path not in self.files:
                return web.Response(status=404, text="NoSuchKey")
            faults = self.faults[path]
            return await (faults.pop(0) if faults else self.serve)(request, self.files[path])
        finally:
            self.under_way -= 1

    async def serve(self, request: web.Request, body: bytes) -> web.StreamResponse:
        begin = request.http_range.start or 0
        if not begin:
            return web.Response(body=body)
        if begin >= len(body):
            return web.Response(status=416)
        headers = {"Content-Range": f"bytes {begin}-{len(body) - 1}/{len(body)}"}
        return web.Response(status=206, body=body[begin:], headers=headers)

    def publish(self, remote: Remote, body: bytes) -> bytes:
        place = str(remote.place)
        self.files[place] = body
        if remote.has_checksum:
            text = f"{hashlib.sha256(body).hexdigest()}  {remote.place.name}\n"
            self.files[f"{place}.CHECKSUM"] = text.encode()
        return body

    def ranges(self, remote: Remote) -> list[str]:
        return [asked for _, path, asked in self.asked if path == str(remote.place)]


async def truncated(request: web.Request, body: bytes) -> web.StreamResponse:
    """Promise all, send half, hang up."""
    return await _half(request, body)


async def stalled(request: web.Request, body: bytes) -> web.StreamResponse:
    """Promise all, send half, fall silent for longer than anybody waits."""
    return await _half(request, body, silence_s=5.0)


async def _half(request: web.Request, body: bytes, silence_s: float = 0.0) -> web.StreamResponse:
    begin = request.http_range.start or 0
    rest = body[begin:]
    answer = web.StreamResponse(status=206 if begin else 200, headers={"Content-Length": str(len(rest))})
    await answer.prepare(request)
    await answer.write(rest[: len(rest) // 2])
    await asyncio.sleep(silence_s)
    assert request.transport is not None
    request.transport.close()
    return answer


async def dripping(request: web.Request, body: bytes) -> web.StreamResponse:
    """All bytes, slowly."""
    answer = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await answer.prepare(request)
    for begin in range(0, len(body), 10_000):
        await answer.write(body[begin : begin + 10_000])
        await asyncio.sleep(0.01)
    return answer


async def corrupt(request: web.Request, body: bytes) -> web.StreamResponse:
    """All bytes, one of them wrong."""
    return web.Response(body=body[:-1] + bytes([body[-1] ^ 1]))


def busy(status: int, retry_after: str) -> Handler:
    """Too many requests."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(status=status, headers={"Retry-After": retry_after} if retry_after else {})

    return answer


@asynccontextmanager
async def publisher() -> AsyncIterator[Publisher]:
    one = Publisher()
    app = web.Application()
    app.router.add_get("/{path:.*}", one.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    one.url = f"http://{host}:{port}"
    try:
        yield one
    finally:
        await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[Publisher]:
    async with publisher() as one:
        yield one


def vision(server: Publisher, last: date = LAST) -> list[Remote]:
    return catalog.binance(server.url, "um", "aggTrades", "BTCUSDT", FIRST, last)


def noise(seed: int, size: int = 300_000) -> bytes:
    return random.Random(seed).randbytes(size)


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


async def test_days_are_fetched_verified_and_not_fetched_again(server: Publisher, tmp_path: Path) -> None:
    remotes = vision(server)
    bodies = {remote: server.publish(remote, noise(n)) for n, remote in enumerate(remotes) if n != 2}
    outcomes = await download(remotes, tmp_path, pace=PACE)
    assert states(outcomes) == ["downloaded", "downloaded", "missing", "downloaded"]
    for outcome in outcomes:
        if outcome.state == "downloaded":
            assert outcome.path.read_bytes() == bodies[outcome.remote]
            kept = outcome.path.with_name(f"{outcome.path.name}.CHECKSUM").read_text()
            assert kept == f"{hashlib.sha256(bodies[outcome.remote]).hexdigest()}  {outcome.path.name}\n"
    asked = len(server.asked)
    assert states(await download(remotes, tmp_path, pace=PACE)) == [
        "present",
        "present",
        "missing",
        "present",
    ]
    assert all(path.endswith(".CHECKSUM") for _, path, _ in server.asked[asked:])
    assert not list(tmp_path.rglob("*.part"))  # noqa: ASYNC240
    (agent,) = server.agents
    assert agent.startswith("lobflow/")


async def test_a_broken_line_goes_on_where_it_broke(server: Publisher, tmp_path: Path) -> None:
    (remote,) = vision(server, FIRST)
    body = server.publish(remote, noise(1))
    server.faults[str(remote.place)] = [truncated, stalled, truncated, truncated, truncated]
    (outcome,) = await download([remote], tmp_path, pace=PACE)
    # More breaks than attempts: each brought something, so none of them counts.
    assert (outcome.state, outcome.repeated) == ("downloaded", 5)
    assert outcome.path.read_bytes() == body
    begins = [int(asked.removeprefix("bytes=").rstrip("-") or 0) for asked in server.ranges(remote)]
    assert begins == sorted(set(begins))
    assert begins[0] == 0 < begins[1]
    assert outcome.received == len(body)


async def test_a_part_of_an_earlier_run_is_gone_on_with(server: Publisher, tmp_path: Path) -> None:
    (remote,) = vision(server, FIRST)
    body = server.publish(remote, noise(1))
    part = (tmp_path / remote.place).with_name(f"{remote.place.name}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(body[:100_000])
    (outcome,) = await download([remote], tmp_path, pace=PACE)
    assert (outcome.state, outcome.received) == ("downloaded", len(body) - 100_000)
    assert server.ranges(remote) == ["bytes=100000-"]


@pytest.mark.parametrize("size", [100_000, 300_000, 400_000])
async def test_a_part_of_another_file_is_thrown_away(server: Publisher, tmp_path: Path, size: int) -> None:
    (remote,) = vision(server, FIRST)
    body = server.publish(remote, noise(1))
    part = (tmp_path / remote.place).with_name(f"{remote.place.name}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(noise(2, size))
    (outcome,) = await download([remote], tmp_path, pace=PACE)
    assert (outcome.state, outcome.repeated) == ("downloaded", 1)
    assert outcome.path.read_bytes() == body


async def test_a_wrong_checksum_is_never_a_file(server: Publisher, tmp_path: Path) -> None:
    first, second = vision(server, date(2024, 1, 2))
    server.publish(first, noise(1))
    body = server.publish(second, noise(2))
    server.files[f"{first.place}.CHECKSUM"] = f"{'0' * 64}  {first.place.name}".encode()
    server.faults[str(second.place)] = [corrupt]
    outcomes = await download([first, second], tmp_path, pace=PACE)
    assert states(outcomes) == ["failed", "downloaded"]
    assert "given up after 3 attempts: sha256 is " in outcomes[0].reason
    assert len(server.ranges(first)) == 3
    assert not outcomes[0].path.exists()
    assert outcomes[1].path.read_bytes() == body


async def test_a_checksum_that_is_none(server: Publisher, tmp_path: Path) -> None:
    (remote,) = vision(server, FIRST)
    server.publish(remote, noise(1))
    server.files[f"{remote.place}.CHECKSUM"] = b"<html>"
    (outcome,) = await download([remote], tmp_path, pace=PACE)
    assert (outcome.state, server.ranges(remote)) == ("failed", [])
    assert "not with a sha256" in outcome.reason


async def test_a_replaced_file_is_fetched_again(server: Publisher, tmp_path: Path) -> None:
    (remote,) = vision(server, FIRST)
    server.publish(remote, noise(1))
    await download([remote], tmp_path, pace=PACE)
    body = server.publish(remote, noise(2))
    (outcome,) = await download([remote], tmp_path, pace=PACE)
    assert outcome.state == "downloaded"
    assert outcome.path.read_bytes() == body


@pytest.mark.parametrize("form", ["seconds", "date", "none"])
async def test_all_are_silent_as_long_as_the_server_asks(
    server: Publisher, tmp_path: Path, form: str
) -> None:
    remotes = vision(server)
    for number, remote in enumerate(remotes):
        server.publish(remote, noise(number, 1000))
    header = {"seconds": "1", "date": formatdate(time.time() + 2.0, usegmt=True), "none": ""}[form]
    server.faults[f"{remotes[0].place}.CHECKSUM"] = [busy(429, header)]
    outcomes = await download(remotes, tmp_path, parallel=1, pace=PACE)
    assert states(outcomes) == ["downloaded"] * 4
    times = [at for at, _, _ in server.asked]
    pauses = [after - before for before, after in pairwise(times)]
    least = {"seconds": 0.99, "date": 0.5, "none": 0.009}[form]
    assert pauses[0] >= least


async def test_a_server_that_stays_busy_is_given_up(server: Publisher, tmp_path: Path) -> None:
    (remote,) = vision(server, FIRST)
    server.publish(remote, noise(1))
    server.faults[str(remote.place)] = [busy(503, "0")] * 9
    (outcome,) = await download([remote], tmp_path, pace=PACE)
    assert (outcome.state, outcome.reason) == ("failed", "given up after 3 attempts: HTTP 503")
    server.faults[f"{remote.place}.CHECKSUM"] = [busy(418, "86400")]
    (outcome,) = await download([remote], tmp_path, pace=PACE)
    assert outcome.reason == "HTTP 418, and to be left alone for 86400 s"


async def test_no_more_at_a_time_than_asked(server: Publisher, tmp_path: Path) -> None:
    remotes = vision(server, date(2024, 1, 20))
    for number, remote in enumerate(remotes):
        server.publish(remote, noise(number, 50_000))
        server.faults[str(remote.place)] = [dripping]
    outcomes = await download(remotes, tmp_path, parallel=3, pace=PACE)
    assert Counter(states(outcomes)) == {"downloaded": 20}
    assert 1 < server.most <= 3


async def test_a_server_that_is_not_there(tmp_path: Path, server: Publisher) -> None:
    (remote,) = vision(server, FIRST)
    gone = remote._replace(url="http://127.0.0.1:9/x")
    (outcome,) = await download([gone], tmp_path, pace=PACE)
    assert outcome.state == "failed"
    assert "given up after 3 attempts: Cannot connect" in outcome.reason


async def test_the_free_days_of_tardis(server: Publisher, tmp_path: Path) -> None:
    remotes = catalog.tardis(
        server.url, "binance-futures", "trades", "BTCUSDT", date(2024, 1, 2), date(2024, 6, 1)
    )
    assert [remote.day for remote in remotes] == [date(2024, month, 1) for month in range(2, 7)]
    whole, cut, paid = remotes[:3]
    body = server.publish(whole, gzip.compress(noise(1)))
    server.publish(cut, gzip.compress(noise(2))[:-9])
    server.publish(paid, b"")
    server.faults[str(paid.place)] = [busy(401, "")]
    outcomes = await download(remotes, tmp_path, pace=PACE)
    assert states(outcomes) == ["downloaded", "failed", "failed", "missing", "missing"]
    assert outcomes[0].path.read_bytes() == body
    assert "the gzip data are cut or broken" in outcomes[1].reason
    assert outcomes[2].reason == "HTTP 401: not one of the free days"
    asked = len(server.asked)
    assert states(await download([whole], tmp_path, pace=PACE)) == ["present"]
    assert len(server.asked) == asked  # the checksum kept beside it is enough


def test_one_process_at_a_time_writes_a_part(tmp_path: Path) -> None:
    store = Store(tmp_path / "x.zip")
    part = PartFile(store)
    with pytest.raises(BadInput, match="another download is writing it"):
        PartFile(store)
    part.close()
    PartFile(store).close()


async def lobflow(*arguments: str) -> Result:
    """The command, in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["data", *arguments], catch_exceptions=False)


async def test_the_commands_from_the_server_to_parquet(server: Publisher, tmp_path: Path) -> None:
    day = date(2024, 1, 1)
    start_us = 1_704_067_200_000_000
    rows = [TARDIS_L2, *tardis_rows(start_us, True, [("100", "1")], [("101", "1")])]
    rows += tardis_rows(start_us + 100_000, False, [("99", "2")], [])
    (book,) = catalog.tardis(server.url, "binance-futures", "incremental_book_L2", "BTCUSDT", day, day)
    server.publish(book, gzip.compress("".join(f"{row}\n" for row in rows).encode()))
    (trades,) = catalog.binance(server.url, "um", "trades", "BTCUSDT", day, day)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("BTCUSDT-trades-2024-01-01.csv", f"1,101,1,101,{start_us // 1000 + 50},false\n")
    server.publish(trades, buffer.getvalue())
    span = (
        "--symbol",
        "btcusdt",
        "--from",
        "2024-01-01",
        "--to",
        "2024-01-02",
        "-o",
        str(tmp_path / "files"),
    )
    files = []
    for source, kind in (("tardis", "incremental_book_L2"), ("binance", "trades")):
        options = ("--type", kind, "--base-url", server.url, "--json")
        answer = await lobflow("download", source, *span, *options)
        summary = json.loads(answer.stdout.splitlines()[-1])
        assert (answer.exit_code, summary["downloaded"], summary["failed"]) == (0, 1, 0)
        files += [row["file"] for row in summary["files"] if row["state"] == "downloaded"]
    assert summary["missing_days"] == ["2024-01-02"]
    assert "Not published: 2024-01-02" in answer.stderr
    answer = await lobflow("import", "auto", *files, "-o", str(tmp_path / "out"), "--json")
    assert answer.exit_code == 0
    summary = json.loads(answer.stdout.splitlines()[-1])
    published = [hashlib.sha256(server.files[str(remote.place)]).hexdigest() for remote in (book, trades)]
    assert [row["sha256"] for row in summary["files"]] == published
    (row,) = summary["symbols"]
    assert (row["entries"]["Lob"], row["entries"]["AggTrade"], row["gaps"]) == (2, 1, 0)
    assert entries(tmp_path / "out", "BTCUSDT")[0][0].startswith("1704067200000-")


async def test_the_command_fails_where_a_file_failed(server: Publisher, tmp_path: Path) -> None:
    (remote,) = catalog.tardis(server.url, "binance-futures", "trades", "BTCUSDT", FIRST, FIRST)
    server.publish(remote, b"")
    server.faults[str(remote.place)] = [busy(403, "")]
    span = ("--symbol", "BTCUSDT", "--from", "2024-01-01", "--to", "2024-01-01", "-o", str(tmp_path))
    options = ("--type", "trades", "--base-url", server.url)
    answer = await lobflow("download", "tardis", *span, *options)
    assert answer.exit_code == 1
    assert "failed     v1/binance-futures/trades/2024/01/01/BTCUSDT.csv.gz: HTTP 403" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nasdaq", "--type", "trades"), "source 'nasdaq': one of binance, tardis"),
        (("binance", "--type", "klines"), "type 'klines': one of aggTrades, trades, bookTicker"),
        (("binance", "--type", "trades", "--to", "2023-01-01"), "is no span of days"),
        (("binance", "--type", "trades", "--to", "tomorrow"), "'tomorrow' is no day"),
        (("binance", "--type", "trades", "--base-url", "ftp://x"), "begins with http:// or https://"),
        (("tardis", "--type", "trades", "--from", "2024-01-02"), "Tardis gives the first day of each month"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    given = {"--symbol": "BTCUSDT", "--from": "2024-01-01", "--to": "2024-01-04", "-o": str(tmp_path)}
    given |= dict(zip(arguments[1::2], arguments[2::2], strict=True))
    options = [part for pair in given.items() for part in pair]
    with pytest.raises(BadSetting, match=text):
        CliRunner().invoke(app, ["data", "download", arguments[0], *options], catch_exceptions=False)
    assert not list(tmp_path.iterdir())
