"""The venue's sockets: routing, control messages, and what stays silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from test_venue_lockstep import serving, settings_of, write_recording

from services.venue.events import Event, Instrument
from services.venue.feeds import Feed
from shared.units import Scale


@pytest_asyncio.fixture
async def base(tmp_path: Path) -> AsyncIterator[str]:
    """A venue in real time whose audience is there."""
    recording = write_recording(tmp_path / "r", seconds=60)
    settings = settings_of([recording], lockstep=False, venue_speed=5.0)
    async with serving(settings) as host, aiohttp.ClientSession() as session:
        async with session.post(
            f"http://{host}/fapi/v1/listenKey", headers={"X-MBX-APIKEY": "local-key"}
        ) as answer:
            key = (await answer.json())["listenKey"]
        async with (
            session.ws_connect(f"ws://{host}/public/ws/btcusdt@depth"),
            session.ws_connect(f"ws://{host}/market/ws/btcusdt@aggTrade"),
            session.ws_connect(f"ws://{host}/private/ws?listenKey={key}"),
        ):
            yield f"ws://{host}"


async def test_combined_frames_bear_the_subscribed_name(base: str) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{base}/public/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker"
        async with session.ws_connect(url) as socket:
            frames = [await socket.receive_json(timeout=5) for _ in range(6)]
    assert {frame["stream"] for frame in frames} == {"btcusdt@depth@100ms", "btcusdt@bookTicker"}
    assert all(set(frame) == {"stream", "data"} for frame in frames)
    diffs = [frame["data"] for frame in frames if "depth" in frame["stream"]]
    assert all(later["pu"] == former["u"] for former, later in pairwise(diffs))


async def test_raw_path_sends_the_bare_data(base: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{base}/market/ws/btcusdt@aggTrade") as socket,
    ):
        frame = await socket.receive_json(timeout=5)
    assert (frame["e"], frame["s"]) == ("aggTrade", "BTCUSDT")


async def test_subscriptions_can_be_changed_and_listed(base: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{base}/public/stream") as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1})
        assert await socket.receive_json(timeout=5) == {"result": None, "id": 1}
        assert (await socket.receive_json(timeout=5))["stream"] == "btcusdt@bookTicker"
        await socket.send_json({"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 2})
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 3})
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": -3})
        answers = []
        while len(answers) < 3:
            frame = await socket.receive_json(timeout=5)
            if "stream" not in frame:
                answers.append(frame)
        assert answers[:2] == [{"result": None, "id": 2}, {"result": [], "id": 3}]
        assert answers[2]["code"] == 2


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        ("/market/stream", "btcusdt@depth"),
        ("/public/stream", "btcusdt@aggTrade"),
        ("/stream", "btcusdt@depth"),
        ("/ws", "btcusdt@aggTrade"),
        ("/public/stream", "nopeusdt@depth"),
        ("/public/stream", "BTCUSDT@depth"),
        ("/public/stream", "btcusdt@depth20"),
    ],
)
async def test_wrong_stream_is_acknowledged_and_silent(base: str, path: str, stream: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(base + path) as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": [stream], "id": 1})
        assert await socket.receive_json(timeout=5) == {"result": None, "id": 1}
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(timeout=0.2)


@pytest.mark.parametrize("path", ["/public/stream", "/private/ws/nokey", "/private/ws"])
async def test_socket_is_closed_for_broken_json_and_unknown_keys(base: str, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(base + path) as socket:
        if "private" not in path:
            await socket.send_str("{nonsense")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1008


def test_feed_splices_what_was_recorded() -> None:
    feed = Feed("public", True, {"BTCUSDT": Instrument("BTCUSDT", Scale(1, 1), 0, 0, 1)})
    feed.subscribe(["btcusdt@depth@250ms", "btcusdt@depth", "btcusdt@depth"])
    feed.offer(Event(7, 9, "BTCUSDT", "depth", b'{"x": 1}'), b',"replay":[7,9]')
    assert feed.outbox == [
        b'{"stream":"btcusdt@depth@250ms","data":{"x": 1},"replay":[7,9]}',
        b'{"stream":"btcusdt@depth","data":{"x": 1},"replay":[7,9]}',
    ]
    feed.outbox.clear()
    feed.offer(Event(8, 9, "BTCUSDT", "other", b'{"cut\xff'), b"")
    assert len(feed.outbox) == 1
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(feed.outbox[0])
    feed.outbox[0].decode()  # a text frame must be UTF-8
