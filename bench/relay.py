"""A bare relay: the hops, entry sizes and round trips of the system, and nothing else.

`source` takes depth frames from the venue's socket, as the collector does; `hop` reads one stream and appends
an entry of a fixed size to the next under the same id; `order` appends the intent and then writes an order's
bytes to a socket. Each process notes the monotonic time of each step in a file.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from websockets.asyncio.client import connect

from shared import bus
from shared.bus import Link
from shared.telemetry import Stamps

app = typer.Typer(add_completion=False)

Redis = Annotated[str, typer.Option()]
Key = Annotated[str, typer.Option()]
Size = Annotated[int, typer.Option()]
Out = Annotated[Path, typer.Option()]


def _run(body: object, stamps: Stamps) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            await body(stop)  # type: ignore[operator]
        finally:
            stamps.write()

    uvloop.run(main())


@app.command()
def source(redis: Redis, to: Key, size: Size, out: Out, url: Key, offset_ms: Size) -> None:
    """Append an entry for each frame of the socket at `url`, `offset_ms` after it arrived: between two frames
    of the system rather than on top of one."""
    stamps = Stamps(out)

    async def body(stop: asyncio.Event) -> None:
        link = await Link(redis).open(5)
        due: asyncio.Queue[tuple[float, int]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def publish() -> None:
            entry = bytes(size)
            while True:
                at, number = await due.get()
                await asyncio.sleep(max(0.0, at - loop.time()))
                entry_id = f"{number}-0".encode()
                stamps.mark("received", entry_id)
                await bus.publish(link, to, [(entry_id, entry)])
                stamps.mark("collector", entry_id)

        async def receive() -> None:
            number = 0
            async with connect(url, compression=None, proxy=None, max_size=None) as socket:
                while True:
                    await socket.recv(decode=False)
                    number += 1
                    due.put_nowait((loop.time() + offset_ms / 1000, number))

        tasks = [asyncio.create_task(work) for work in (publish(), receive(), stop.wait())]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for task in done:
            await task  # the first that failed ends the process with its error

    _run(body, stamps)


@app.command()
def hop(redis: Redis, source_key: Key, to: Key, size: Size, out: Out, name: Key) -> None:
    """Read `source_key`, append to `to` under the same ids."""
    stamps = Stamps(out)

    async def body(stop: asyncio.Event) -> None:
        reader, writer = await Link(redis).open(5), await Link(redis).open(5)
        entry, cursor = bytes(size), b"0-0"
        while not stop.is_set():
            for _, entries in await bus.read(reader, {source_key: cursor}, 256, 500):
                await bus.publish(writer, to, [(entry_id, entry) for entry_id, _ in entries])
                for entry_id, _ in entries:
                    stamps.mark(name, entry_id)
                cursor = entries[-1][0]

    _run(body, stamps)


@app.command()
def order(
    redis: Redis, source_key: Key, to: Key, size: Size, out: Out, port: Size, order_bytes: Size
) -> None:
    """Read `source_key`, append the intent to `to`, then write `order_bytes` to the socket at `port`."""
    stamps = Stamps(out)

    async def body(stop: asyncio.Event) -> None:
        reader, writer = await Link(redis).open(5), await Link(redis).open(5)
        _, venue = await asyncio.open_connection("127.0.0.1", port)
        entry, cursor, request = bytes(size), b"0-0", bytes(order_bytes)
        while not stop.is_set():
            for _, entries in await bus.read(reader, {source_key: cursor}, 256, 500):
                for entry_id, _ in entries:
                    await bus.publish(writer, to, [(entry_id, entry)])
                    stamps.mark("decided", entry_id)
                    venue.write(request)
                    stamps.mark("sent", entry_id)
                cursor = entries[-1][0]
        venue.close()

    _run(body, stamps)


if __name__ == "__main__":
    app()
