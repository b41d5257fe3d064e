"""Bad input is one clear line and a non-zero exit, or parked and counted; it loses nothing."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from lobflow.private_redis import PrivateRedis
from lobflow.processes import last_words
from lobflow.replay import Options, free_port, run
from research.dataset import load
from research.export import save
from research.market import market_entries
from research.train import train_horizons
from services.recorder.reader import files, read
from shared import bus, codec
from shared.bus import Link
from shared.codec import encode
from shared.messages import Heartbeat
from shared.settings import to_environment
from shared.streams import Stream, key, parked_key
from shared.units import SECOND

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]

DEADLINE_SECONDS = 30.0


def command(*arguments: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a program of ours to its end, with these settings and no others."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def environment(settings: dict[str, object]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOBFLOW_")}
    return {**clean, **to_environment(settings)}


def clear_line(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that was said; fails where there was a trace or nothing."""
    assert "Traceback" not in result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line
    return line


@contextmanager
def service(name: str, log: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """A service process that runs in the background."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", f"services.{name}"], env=environment(settings), stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    async def ask() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, btc: Path) -> Path:
    """The first 20 seconds of BTCUSDT."""
    target = tmp_path_factory.mktemp("bad") / "btc.gz"
    with gzip.open(btc, "rb") as lines, gzip.open(target, "wb", compresslevel=1) as out:
        first = None
        for line in lines:
            at_ns = int(line.partition(b" ")[0])
            first = at_ns if first is None else first
            if at_ns > first + 20 * SECOND:
                break
            out.write(line)
    return target


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, btc: Path) -> Path:
    """A model that is served."""
    folder = tmp_path_factory.mktemp("model") / "m"
    save(train_horizons(load([btc]).part(0.5, 1.0)), folder)
    return folder


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory, short: Path) -> Iterator[str]:
    """A local venue with 20 seconds of BTCUSDT; its address."""
    port = free_port()
    log = tmp_path_factory.mktemp("venue") / "venue.log"
    with service("venue", log, venue_port=port, venue_files=(short,), venue_speed=1.0) as process:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not answers(f"http://127.0.0.1:{port}/fapi/v1/ping"):
            assert process.poll() is None, last_words(log)
            assert time.monotonic() < deadline
        yield f"127.0.0.1:{port}"


def venue_settings(host: str) -> dict[str, object]:
    return {
        "data_rest_url": f"http://{host}",
        "data_public_url": f"ws://{host}/public",
        "data_market_url": f"ws://{host}/market",
        "trade_rest_url": f"http://{host}",
        "trade_private_url": f"ws://{host}/private",
    }


# --- recordings ---------------------------------------------------------------------------------------------


@pytest.mark.recorded
def test_bad_frames_are_parked_with_their_bytes_and_change_nothing(
    tmp_path: Path, short: Path, model: Path, redis_server: PrivateRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {
        500: b'{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":17231',
        900: b'{"stream":"btcusdt@novelty","data":{"e":"novelty","E":1,"s":"BTCUSDT"}}',
        1300: b'{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","s":"BTCUSDT","U":"x"}}',
    }
    doctored = tmp_path / "doctored.gz"
    with gzip.open(short, "rb") as lines, gzip.open(doctored, "wb", compresslevel=1) as out:
        for number, line in enumerate(lines):
            if number in bad:
                out.write(line.partition(b" ")[0] + b" " + bad[number] + b"\n")
            # Unknown keys are no error: the venue adds them without notice.
            out.write(line.replace(b'"data":{', b'"data":{"zz":{"new":[1]},') if number % 3 == 0 else line)
    seen: list[bytes] = []

    async def replay() -> int:
        options = Options(files=(doctored,), model=model, out=tmp_path / "out")
        result = await run(options)
        link = await Link(redis_server.url).open(5)
        rows = await link.call("XRANGE", parked_key(result.run_id, "collector"), "-", "+")
        seen.extend(fields[fields.index(b"d") + 1] for _, fields in rows)
        await link.close()
        market = list(read(files(options.out / "data", result.run_id, Stream.MARKET, "BTCUSDT")))
        clean = [(entry_id, encode(message)) for _, entry_id, message in market_entries([short])]
        assert market == clean
        return result.health["collector"].counters["parked"]

    monkeypatch.setenv("LOBFLOW_REDIS_URL", redis_server.url)  # a shared Redis, so that it can be looked at
    assert asyncio.run(replay()) == len(bad)
    assert len(seen) == len(bad)
    assert any(b"17231" in data for data in seen)
    counts: defaultdict[str, int] = defaultdict(int)
    list(market_entries([doctored], counts))
    assert counts["parked"] == len(bad)


def cut_gzip(short: Path, path: Path) -> None:
    path.write_bytes(short.read_bytes()[:-5000])


def empty(short: Path, path: Path) -> None:
    path.write_bytes(b"")


def without_snapshot(short: Path, path: Path) -> None:
    with gzip.open(short, "rb") as lines, gzip.open(path, "wb", compresslevel=1) as out:
        out.writelines(line for line in lines if b"lastUpdateId" not in line[:60])


def without_times(short: Path, path: Path) -> None:
    path.write_bytes(b'{"stream":"btcusdt@trade","data":{}}\n')


def backwards(short: Path, path: Path) -> None:
    with gzip.open(short, "rb") as lines:
        rows = [next(lines) for _ in range(5)]
    path.write_bytes(b"".join(reversed(rows)))


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut_gzip, "gzip data is cut or broken"),
        (empty, "is empty"),
        (without_snapshot, "no depth snapshot"),
        (without_times, "line 1"),
        (backwards, "time goes back"),
    ],
)
def test_recording_that_cannot_be_replayed_is_named(
    tmp_path: Path, short: Path, spoil: object, says: str
) -> None:
    path = tmp_path / "spoiled.gz"
    spoil(short, path)  # type: ignore[operator]
    result = command("lobflow.cli", "replay", path, "-o", tmp_path / "out")
    assert result.returncode == 1
    line = clear_line(result)
    assert says in line
    assert "spoiled.gz" in line


def test_missing_recording_and_missing_model_are_named(tmp_path: Path) -> None:
    result = command("lobflow.cli", "replay", tmp_path / "nowhere.gz", "-o", tmp_path / "out")
    assert result.returncode == 1
    assert "nowhere.gz" in clear_line(result)


@pytest.mark.recorded
def test_model_folder_without_a_model_is_named(tmp_path: Path, short: Path) -> None:
    result = command("lobflow.cli", "replay", short, "--model", tmp_path / "none", "-o", tmp_path / "out")
    assert result.returncode == 1
    assert "no such model folder" in clear_line(result)


def test_bad_option_is_named() -> None:
    result = command("lobflow.cli", "replay", "x.gz", "--size", "-1")
    assert result.returncode == 1
    assert "--size" in clear_line(result)


# --- services -----------------------------------------------------------------------------------------------


@pytest.mark.recorded
def test_symbol_that_the_venue_does_not_know(venue: str, redis_server: PrivateRedis, run_id: str) -> None:
    result = command(
        "services.collector",
        redis_url=redis_server.url,
        run_id=run_id,
        symbols="DOGEUSDT",
        **venue_settings(venue),
    )
    assert result.returncode == 1
    assert "does not know DOGEUSDT" in clear_line(result)


@pytest.mark.recorded
def test_wrong_secret_stops_the_trader(venue: str, redis_server: PrivateRedis, run_id: str) -> None:
    result = command(
        "services.trader",
        redis_url=redis_server.url,
        run_id=run_id,
        api_secret="wrong",
        **venue_settings(venue),
    )
    assert result.returncode == 1
    assert "-1022" in clear_line(result)


@pytest.mark.parametrize("name", ["collector", "features", "model", "trader", "monitor", "recorder"])
def test_redis_absent_at_start(name: str, tmp_path: Path) -> None:
    address = "redis://127.0.0.1:1/0"
    result = command(
        f"services.{name}",
        redis_url=address,
        redis_start_seconds=0.3,
        monitor_port=0,
        record_dir=tmp_path,
        model_dir=tmp_path,
    )
    assert result.returncode != 0
    assert "no Redis at redis://127.0.0.1:1/0" in result.stderr or name == "model"
    assert "Traceback" not in result.stderr


@pytest.mark.recorded
def test_ids_below_the_last_of_the_stream(venue: str, redis_server: PrivateRedis, run_id: str) -> None:
    later_ms = time.time_ns() // 1_000_000 + 3_600_000

    async def write() -> None:
        link = await Link(redis_server.url).open(5)
        entry = Heartbeat(0, 0, 0, later_ms * 1_000_000)
        name = key(run_id, Stream.MARKET, "BTCUSDT")
        await bus.publish(link, name, [(f"{later_ms}-0".encode(), codec.encode(entry))])
        await link.close()

    asyncio.run(write())
    result = command("services.collector", redis_url=redis_server.url, run_id=run_id, **venue_settings(venue))
    assert result.returncode == 1
    assert "below the stream's last" in clear_line(result)


@pytest.mark.parametrize(("name", "setting"), [("monitor", "monitor_port"), ("features", "metrics_port")])
def test_busy_port(name: str, setting: str, redis_server: PrivateRedis, run_id: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        result = command(f"services.{name}", redis_url=redis_server.url, run_id=run_id, **{setting: port})
    assert result.returncode == 2
    line = clear_line(result)
    assert f"LOBFLOW_{setting.upper()}" in line
    assert str(port) in line


@pytest.mark.parametrize("name", ["venue", "collector", "features", "model", "trader", "monitor", "recorder"])
def test_bad_setting(name: str) -> None:
    result = command(f"services.{name}", symbols="BTC USDT")
    assert result.returncode == 2
    assert "LOBFLOW_SYMBOLS" in clear_line(result)


def test_second_collector_of_a_run_is_refused(
    redis_server: PrivateRedis, run_id: str, tmp_path: Path
) -> None:
    # The lease of another is held for longer than the second waits, by renewing it.
    async def hold(stop: asyncio.Event) -> None:
        link = await Link(redis_server.url).open(5)
        while not stop.is_set():
            await link.call("SET", f"{run_id}:lease:collector", "other", "PX", 5000)
            await asyncio.sleep(1)
        await link.close()

    async def both() -> subprocess.CompletedProcess[str]:
        stop = asyncio.Event()
        holding = asyncio.create_task(hold(stop))
        result = await asyncio.to_thread(
            lambda: command("services.collector", redis_url=redis_server.url, run_id=run_id)
        )
        stop.set()
        await holding
        return result

    result = asyncio.run(both())
    assert result.returncode == 1
    assert "another collector" in clear_line(result)


@pytest.mark.recorded
def test_period_that_the_model_does_not_predict(tmp_path: Path, short: Path, model: Path) -> None:
    result = command(
        "lobflow.cli", "replay", short, "--model", model, "--period", "7", "-o", tmp_path / "out"
    )
    assert result.returncode == 1
    assert "predicts 5, 10, 15 s ahead, not 7" in clear_line(result)
