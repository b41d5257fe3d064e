"""The venue in lockstep, against a scripted client that plays collector and trader over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest

from services.venue.server import Venue
from services.venue.signing import sign
from shared.errors import BadInput, BadSetting
from shared.settings import Settings
from shared.units import MS, SECOND

START_NS = 1_700_000_000 * SECOND
LATENCY_NS = 100 * MS


def write_recording(path: Path, symbol: str = "BTCUSDT", seconds: float = 3.0) -> Path:
    """A calm market: bid 100.0, ask 100.1, a diff and a trade every 50 ms; its snapshot 120 ms late."""
    name, rows = symbol.lower(), []
    for i in range(int(seconds * 20)):
        at_ns, ms = START_NS + i * 50 * MS, (START_NS // MS) + i * 50
        bid, ask = f"{100 + (i % 7) / 10:.1f}", f"{100.1 + (i % 7) / 10:.1f}"
        old_bid, old_ask = f"{100 + ((i - 1) % 7) / 10:.1f}", f"{100.1 + ((i - 1) % 7) / 10:.1f}"
        diff = {
            "e": "depthUpdate", "E": ms, "T": ms, "s": symbol,
            "U": i * 10 + 1, "u": i * 10 + 9, "pu": i * 10 - 1,
            "b": [[old_bid, "0"], [bid, "5.000"]], "a": [[old_ask, "0"], [ask, "5.000"]],
        }  # fmt: skip
        rows.append((at_ns, {"stream": f"{name}@depth@0ms", "data": diff}))
        ticker = {"e": "bookTicker", "u": i, "s": symbol, "b": bid, "B": "5.000", "a": ask, "A": "5.000"}
        rows.append((at_ns + 10 * MS, {"stream": f"{name}@bookTicker", "data": ticker}))
        trade = {"e": "trade", "E": ms, "T": ms, "s": symbol, "t": i, "p": ask, "q": "0.001", "X": "MARKET"}
        rows.append((at_ns + 20 * MS, {"stream": f"{name}@trade", "data": {**trade, "m": False}}))
    snapshot = {"lastUpdateId": 5, "bids": [["99.0", "1.000"]], "asks": [["102.0", "1.000"]]}
    rows.append((START_NS + 120 * MS, snapshot))
    rows.sort(key=lambda row: row[0])
    path.write_bytes(b"".join(b"%d %s\n" % (at_ns, msgspec.json.encode(row)) for at_ns, row in rows))
    return path


def settings_of(files: list[Path], **changes: Any) -> Settings:
    changes = {"lockstep": True, "venue_port": 0, "venue_files": tuple(files), **changes}
    return Settings(_env_file=None, **changes)


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """A venue that serves; yields host and port."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    venue = Venue(settings, logging.getLogger("venue"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(venue.run(stop, ready))
        try:
            yield f"127.0.0.1:{await ready}"
        finally:
            stop.set()
            venue.replay.wake.set()


@dataclass
class Robot:
    """Collector and trader in one: follows watermarks with its cursor, sends orders at their causes."""

    host: str
    symbols: list[str]
    orders: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # (cause ns, parameters)
    frames: list[list[int]] = field(default_factory=list)  # `replay` of each market frame, merged
    told: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[str, int, str, Any]] = field(default_factory=list)
    watermarks: dict[str, int] = field(default_factory=lambda: {"public": 0, "market": 0, "private": 0})
    names: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"public": ("depth", "bookTicker"), "market": ("aggTrade",)}
    )

    async def play(self) -> dict[str, Any]:
        """Run to the end of the recording. Returns the venue's last status."""
        async with aiohttp.ClientSession(headers={"X-MBX-APIKEY": "local-key"}) as self.session:
            async with self.session.post(f"http://{self.host}/fapi/v1/listenKey") as answer:
                key = (await answer.json())["listenKey"]
            self.private = await self.session.ws_connect(f"ws://{self.host}/private/ws/{key}")
            async with asyncio.TaskGroup() as tasks:
                self.tasks = tasks
                listener = tasks.create_task(self._hear_private())
                await asyncio.gather(self._hear("public"), self._hear("market"))
                await asyncio.gather(*self.requests)
                listener.cancel()
            self.frames.sort()
            async with asyncio.timeout(10):  # finished is when the last cursor has been taken
                while (status := await self._status())["state"] != "finished":
                    await asyncio.sleep(0.01)
            await self.private.close()
            return status

    async def _status(self) -> dict[str, Any]:
        async with self.session.get(f"http://{self.host}/replay/status") as answer:
            status: dict[str, Any] = await answer.json()
            return status

    def __post_init__(self) -> None:
        self.sent: list[str] = []
        self.requests: list[asyncio.Task[None]] = []
        self.open: list[str] = []
        self.cursor_ns = 0

    async def _hear(self, category: str) -> None:
        streams = "/".join(f"{s.lower()}@{name}" for s in self.symbols for name in self.names[category])
        async with self.session.ws_connect(f"ws://{self.host}/{category}/stream?streams={streams}") as socket:
            async for message in socket:
                frame = msgspec.json.decode(message.data)
                replay = frame["replay"]
                if isinstance(replay, list):
                    assert replay[1] > self.watermarks[category], "a frame at or before a watermark"
                    self.frames.append(replay)
                    continue
                self.watermarks[category] = replay.get("end", replay.get("watermark"))[1]
                await self._move()
                if "end" in replay:
                    return

    async def _move(self) -> None:
        """Send the orders whose causes are reached, then the cursor."""
        at_ns = min(self.watermarks["public"], self.watermarks["market"])
        if at_ns <= self.cursor_ns:
            return
        self.cursor_ns = at_ns
        for cause_ns, params in self.orders:
            name = params.get("newClientOrderId") or "cancel:" + params["origClientOrderId"]
            if cause_ns <= at_ns and name not in self.sent:
                self.sent.append(name)
                self.open.append(name)
                self.requests.append(self.tasks.create_task(self._send(name, cause_ns, params)))
        for symbol in self.symbols:
            await self.private.send_json({"method": "REPLAY_CURSOR", "params": [symbol, at_ns, self.open]})

    async def _send(self, name: str, cause_ns: int, params: dict[str, str]) -> None:
        query = urlencode({**params, "timestamp": str(time.time_ns() // MS)})
        url = f"http://{self.host}/fapi/v1/order?{query}&signature={sign('local-secret', query)}"
        method = "DELETE" if name.startswith("cancel:") else "POST"
        headers = {"X-Replay-Cause": str(cause_ns), "X-Replay-Request": name}
        async with self.session.request(method, url, headers=headers) as answer:
            self.answers.append((name, answer.status, answer.headers["X-Replay"], await answer.json()))
        self.open.remove(name)

    async def _hear_private(self) -> None:
        async for message in self.private:
            frame = msgspec.json.decode(message.data)
            if "watermark" in frame["replay"]:
                self.watermarks["private"] = frame["replay"]["watermark"][1]
            else:
                assert frame["replay"][1] > self.watermarks["private"], "an event at or before a watermark"
                self.told.append(frame)


def limit(name: str, side: str, price: str, quantity: str, tif: str) -> dict[str, str]:
    return {
        "symbol": "BTCUSDT", "side": side, "type": "LIMIT", "price": price, "quantity": quantity,
        "timeInForce": tif, "newClientOrderId": name,
    }  # fmt: skip


def market(name: str, side: str, quantity: str) -> dict[str, str]:
    return {
        "symbol": "BTCUSDT", "side": side, "type": "MARKET", "quantity": quantity, "newClientOrderId": name
    }  # fmt: skip


SCRIPT = [
    (START_NS + 500 * MS, market("a", "BUY", "6")),
    (START_NS + 500 * MS, limit("b", "BUY", "99.0", "1", "GTC")),
    (START_NS + 900 * MS, {"symbol": "BTCUSDT", "origClientOrderId": "b"}),
    (START_NS + 1_050 * MS, limit("c", "BUY", "104.0", "1", "GTX")),
    (START_NS + 1_777 * MS, market("d", "SELL", "6")),
]


async def test_two_replays_at_any_speed_give_the_same_fills(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "r")
    runs = []
    for speed in (0.0, 0.0, 6.0):
        async with serving(settings_of([recording], venue_speed=speed)) as host:
            robot = Robot(host, ["BTCUSDT"], list(SCRIPT))
            status = await robot.play()
            runs.append((robot.frames, robot.told, sorted(robot.answers, key=str), status))
    for run in runs[1:]:
        # Clients are told of wall time nowhere, so whole frames and answers compare.
        assert run == runs[0]
    frames, told, answers, status = runs[0]
    assert status["state"] == "finished"
    assert [row[0] for row in frames] == sorted({row[0] for row in frames})
    assert status["frames"] == len(frames) + 1  # the snapshot has no socket
    by_name = {name: (code, where, body) for name, code, where, body in answers}
    assert by_name["a"][1] == f"0,{START_NS + 500 * MS + 2 * LATENCY_NS}"
    assert by_name["a"][2]["status"] == "FILLED"
    assert by_name["c"][0] == 400
    assert by_name["c"][2]["code"] == -5022
    assert by_name["cancel:b"][2]["status"] == "CANCELED"
    assert [row["replay"][0] for row in told] == list(range(1, len(told) + 1))
    assert told[0]["E"] == (START_NS + 600 * MS) // MS
    assert told[0]["replay"][1] == START_NS + 700 * MS
    assert status["orders"] == 3


async def test_market_waits_for_all_three_subscriptions(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "r", seconds=0.5)
    async with serving(settings_of([recording])) as host, aiohttp.ClientSession() as session:
        url = f"ws://{host}/public/stream?streams=btcusdt@depth"
        async with session.ws_connect(url), session.get(f"http://{host}/replay/status") as answer:
            status = await answer.json()
        assert status["state"] == "waiting"
        assert status["market_ns"] == status["start_ns"] == START_NS


@pytest.mark.parametrize(("at", "expected"), [("1", 8), ("40", 40)])
async def test_snapshot_is_the_recorded_one_that_follows_or_the_book_there(
    tmp_path: Path, at: str, expected: int
) -> None:
    recording = write_recording(tmp_path / "r")
    async with serving(settings_of([recording])) as host, aiohttp.ClientSession() as session:
        url = f"http://{host}/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
        async with session.get(url, headers={"X-Replay-At": at}) as answer:
            body, place = await answer.json(), answer.headers["X-Replay"].split(",")
    assert answer.status == 200
    assert int(place[0]) == expected
    assert body["bids"]
    if expected == 8:
        assert body["lastUpdateId"] == 5


async def test_snapshot_before_the_book_is_whole_is_refused(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "r")
    lines = recording.read_bytes().splitlines(keepends=True)
    gap = [line for i, line in enumerate(lines) if not (30 < i < 60 and b"depth" in line)]
    recording.write_bytes(b"".join(gap))
    async with serving(settings_of([recording])) as host, aiohttp.ClientSession() as session:
        url = f"http://{host}/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
        async with session.get(url, headers={"X-Replay-At": "70"}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, -1000)


def test_symbol_that_is_not_recorded_is_named(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "r", seconds=0.5)
    with pytest.raises(BadInput, match="ETHUSDT"):
        Venue(settings_of([recording], symbols=("BTCUSDT", "ETHUSDT")), logging.getLogger("venue"))


def test_real_time_needs_a_speed(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "r", seconds=0.5)
    with pytest.raises(BadSetting, match="LOBFLOW_VENUE_SPEED"):
        Venue(settings_of([recording], lockstep=False), logging.getLogger("venue"))


@pytest.mark.recorded
async def test_two_symbols_of_a_real_recording_come_in_order(btc: Path, eth: Path) -> None:
    symbols = ["BTCUSDT", "ETHUSDT"]
    async with serving(settings_of([btc, eth], symbols=tuple(symbols))) as host:
        robot = Robot(host, symbols)
        started = time.monotonic()
        status = await robot.play()
    print(f"{status['frames']} frames in {time.monotonic() - started:.1f} s")
    assert status["state"] == "finished"
    assert status["frames"] == 145_823
    assert [row[0] for row in robot.frames] == sorted({row[0] for row in robot.frames})
