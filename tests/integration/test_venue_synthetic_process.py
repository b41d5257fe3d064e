"""The venue with a synthetic market as a process: it streams like the real one and outlives kill -9."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from test_venue_rest import KEY, Client

from lobflow.replay import free_port
from shared.settings import to_environment

SECONDS = 30.0


class VenueProcess:
    """One venue that may be killed and started again on the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, **settings: object) -> None:
        values = {
            "symbols": ("BTCUSDT",), "venue_port": self.port, "venue_state_dir": self.folder, "venue_seed": 3,
            **settings,
        }  # fmt: skip
        environment = {**os.environ, **to_environment(values)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.venue"], env=environment, stderr=subprocess.PIPE
        )

    def end(self, signal_: int) -> bytes:
        assert self._process is not None
        self._process.send_signal(signal_)
        _, words = self._process.communicate(timeout=10)
        return words

    def words(self) -> tuple[int, bytes]:
        assert self._process is not None
        _, words = self._process.communicate(timeout=SECONDS)
        return self._process.returncode, words


@pytest.fixture
def process(tmp_path: Path) -> Iterator[VenueProcess]:
    found = VenueProcess(tmp_path / "venue")
    yield found
    if found._process is not None and found._process.poll() is None:
        found.end(signal.SIGKILL)


@pytest_asyncio.fixture
async def client(process: VenueProcess) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(process.host, session)


async def reached(client: Client) -> dict[str, Any]:
    """The venue's status, as soon as it answers."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return (await client.raw("GET", "/replay/status"))[1]
        except aiohttp.ClientError:
            assert time.monotonic() < deadline, "the venue does not answer"


async def test_every_stream_flows_and_diffs_follow_each_other(process: VenueProcess, client: Client) -> None:
    process.start()
    await reached(client)
    names = "btcusdt@depth@100ms/btcusdt@bookTicker", "btcusdt@aggTrade/btcusdt@markPrice@1s"
    found: dict[str, list[dict[str, Any]]] = {}
    for path, streams in zip(("public", "market"), names, strict=True):
        async with client.session.ws_connect(f"{client.ws}/{path}/stream?streams={streams}") as socket:
            wanted = set(streams.split("/"))
            while wanted or len(found.get("btcusdt@depth@100ms", ())) < 20:
                message = await socket.receive_json()
                found.setdefault(message["stream"], []).append(message["data"])
                wanted.discard(message["stream"])
    diffs = found["btcusdt@depth@100ms"]
    assert all(after["pu"] == before["u"] for before, after in itertools.pairwise(diffs))
    assert abs(diffs[-1]["E"] / 1e3 - time.time()) < 5.0
    mark = found["btcusdt@markPrice@1s"][0]
    assert mark["T"] % 28_800_000 == 0
    assert mark["T"] > mark["E"]


async def test_orders_positions_and_ids_outlive_kill_9(process: VenueProcess, client: Client) -> None:
    process.start()
    await reached(client)
    order = {"side": "BUY", "type": "MARKET", "quantity": "0.01", "newClientOrderId": "first"}
    status, answer = await client.order(**order)
    assert (status, answer["status"], answer["executedQty"]) == (200, "FILLED", "0.01")
    price = str(
        int(float((await client.raw("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=5"))[1]["bids"][0][0]))
    )
    resting = {"side": "BUY", "type": "LIMIT", "quantity": "0.01", "timeInForce": "GTC"}
    status, rests = await client.order(**resting, price=str(int(price) - 1500), newClientOrderId="rests")
    assert (status, rests["status"]) == (200, "NEW")
    before = [await client.call("GET", path, symbol="BTCUSDT") for path in PATHS]
    told = (await client.raw("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=5"))[1]["lastUpdateId"]
    process.end(signal.SIGKILL)
    process.start()
    await reached(client)
    after = [await client.call("GET", path, symbol="BTCUSDT") for path in PATHS]
    assert after == before
    assert (await client.raw("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=5"))[1]["lastUpdateId"] >= told
    status, answer = await client.call(
        "DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="rests"
    )
    assert (status, answer["status"]) == (200, "CANCELED")
    status, answer = await client.order(
        side="SELL", type="MARKET", quantity="0.01", reduceOnly="true", newClientOrderId="last"
    )
    assert answer["orderId"] == rests["orderId"] + 1
    wallet = (await client.call("GET", "/fapi/v3/balance"))[1][0]["balance"]
    process.end(signal.SIGTERM)
    process.start()
    status = await reached(client)
    assert status["wallet"] == wallet
    assert status["orders"] == rests["orderId"] + 1


PATHS = ("/fapi/v1/openOrders", "/fapi/v1/userTrades")


async def test_a_folder_that_holds_no_checkpoint_is_named(process: VenueProcess) -> None:
    process.folder.mkdir()
    (process.folder / "checkpoint-7").write_bytes(b"nothing of ours")
    process.start()
    code, words = process.words()
    assert code == 1
    assert b"checkpoint-7: not a checkpoint of the venue" in words


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"symbols": ("DOGEUSDT",)}, b"LOBFLOW_SYMBOLS: there is no synthetic market of DOGEUSDT"),
        ({"venue_speed": 2.0}, b"LOBFLOW_VENUE_SPEED"),
        ({"lockstep": True}, b"LOBFLOW_LOCKSTEP"),
    ],
)
async def test_what_it_cannot_be_is_refused(
    process: VenueProcess, settings: dict[str, object], named: bytes
) -> None:
    process.start(**settings)
    code, words = process.words()
    assert code == 2
    assert named in words


async def test_it_needs_a_key(process: VenueProcess, client: Client) -> None:
    process.start()
    await reached(client)
    status, _ = await client.call("GET", "/fapi/v3/balance", headers={**KEY, "X-MBX-APIKEY": "other"})
    assert status == 401
