"""The raw archive of a live collector: it derives the same market stream again, and other tools read it."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from faulty_venue import FaultyVenue
from test_collector_faults import Bench, books, collecting, states
from test_collector_process import Stage, staged

from lobflow.private_redis import PrivateRedis
from research.market import market_entries
from services.collector.notes import Dropped
from services.collector.notes import encode as noted
from services.collector.rerun import rerun
from shared import bus
from shared.codec import encode
from shared.compressed import opened
from shared.errors import BadInput
from shared.messages import Heartbeat, Lob
from shared.streams import Stream

pytestmark = [pytest.mark.redis]

PEERS = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"  # or LOBFLOW_PEERS_PYTHON
SYMBOLS = ("BTCUSDT", "ETHUSDT")


async def published(one: Bench, symbol: str) -> list[tuple[str, bytes]]:
    """What the collector left in Redis, as it is there."""
    found = await bus.span(one.link, one.context.key(Stream.MARKET, symbol), "-", count=1_000_000)
    return [(entry_id.decode(), data) for entry_id, data in found]


def of_symbol(folder: Path, symbol: str) -> list[Path]:
    """The finished files of a symbol; there must be no others."""
    assert not list(folder.glob(".*"))
    return sorted(folder.glob(f"{symbol.lower()}_*.zst"))


def derived(folder: Path, symbol: str) -> list[tuple[str, bytes]]:
    """What the archive of a symbol gives."""
    return [(out.entry_id, encode(out.message)) for out in rerun(of_symbol(folder, symbol))]


async def troubled(one: Bench) -> None:
    """A few seconds of everything that can happen to a feed."""
    venue = one.venue
    await one.until(lambda found: books(found) > 20)
    venue.faults["btcusdt@depth"] = "drop"
    await one.until(lambda found: states(found).count("gap") == 1)
    venue.skipped_trades["ETHUSDT"] = 3
    venue.faults["btcusdt@aggTrade"] = "swap"
    await one.until(lambda found: "gap" in states(found), "ETHUSDT")
    await venue.close_all()
    await one.until(lambda found: states(found).count("gap") >= 3 and states(found)[-1] == "live")
    venue.silent = {"depth", "aggTrade", "markPrice"}
    await one.until(lambda found: "stale" in states(found), "ETHUSDT")
    await one.until(lambda found: isinstance(found[-1], Heartbeat), "ETHUSDT")
    venue.silent = set()
    await one.until(lambda found: states(found)[-1] == "live", "ETHUSDT")
    before = books(await one.entries())
    await one.until(lambda found: books(found) > before + 20)


async def test_archive_derives_the_market_stream_byte_for_byte(
    redis_server: PrivateRedis, run_id: str, tmp_path: Path
) -> None:
    venue = FaultyVenue(*SYMBOLS)
    changes: dict[str, object] = {"raw_dir": tmp_path, "raw_file_seconds": 1.0}
    live: dict[str, list[tuple[str, bytes]]] = {}
    async with venue.serving():
        async with collecting(venue, redis_server, run_id, **changes) as one:
            await troubled(one)
        async with collecting(venue, redis_server, run_id, **changes) as again:  # where the streams stand
            count = len(await published(again, "BTCUSDT"))
            await again.until(lambda found: len(found) > count + 50)
            again.context.stop.set()
            await asyncio.wait([again.task])
            live = {symbol: await published(again, symbol) for symbol in SYMBOLS}
    for symbol in SYMBOLS:
        assert len(of_symbol(tmp_path, symbol)) > 2  # rotated, and all of them finished
        assert derived(tmp_path, symbol) == live[symbol]


async def test_archive_of_the_real_venue_derives_the_same_stream(
    redis_server: PrivateRedis, run_id: str, tmp_path: Path, btc: Path
) -> None:
    stage = Stage(tmp_path, redis_server, run_id, btc)
    folder = tmp_path / "raw"
    stage.settings["raw_dir"] = folder
    async with staged(stage):
        stage.start("venue")
        stage.start("collector")
        await stage.until(lambda messages: sum(isinstance(m, Lob) for m in messages) > 100)
        collector = stage.processes["collector"]
        stage.end("collector", 15)
        assert collector.returncode == 0
        live = await stage.entries()
    files = sorted(folder.glob("*.zst"))
    assert [(out.entry_id, out.message) for out in rerun(files)] == live
    # And any reader of such files may have it: the notes are skipped, the frames are a recording.
    offline = [message for _, _, message in market_entries(files)]
    assert sum(isinstance(m, Lob) for m in offline) == sum(isinstance(m, Lob) for _, m in live)


async def test_killed_collectors_archive_is_finished_by_the_next(
    redis_server: PrivateRedis, run_id: str, tmp_path: Path, btc: Path
) -> None:
    stage = Stage(tmp_path, redis_server, run_id, btc)
    folder = tmp_path / "raw"
    stage.settings["raw_dir"] = folder
    async with staged(stage):
        stage.start("venue")
        stage.start("collector")
        found = await stage.until(lambda messages: sum(isinstance(m, Lob) for m in messages) > 60)
        stage.end("collector", 9)
        assert [path.name for path in folder.iterdir() if path.suffix == ".part"]
        stage.start("collector")
        await stage.until(lambda messages: states(list(messages)).count("syncing") == 2)
        stage.end("collector", 15)
    files = sorted(folder.glob("*.zst"))
    assert len(files) == 2
    derived_now = [(out.entry_id, out.message) for out in rerun(files[:1])]
    assert len(derived_now) > 30  # all but the last second
    assert derived_now == found[: len(derived_now)] or found == derived_now[: len(found)]


def test_hftbacktest_converts_an_archive(tmp_path: Path, archived: list[Path]) -> None:
    python = Path(os.environ.get("LOBFLOW_PEERS_PYTHON", PEERS))
    if not python.exists():
        pytest.skip(f"no hftbacktest: install it into {PEERS.parents[1]}, or set LOBFLOW_PEERS_PYTHON")
    plain = tmp_path / "btcusdt.gz"  # the converter reads gzip only: `zstd -dc FILE... | gzip`
    diffs = 0
    with gzip.open(plain, "wb", compresslevel=1) as out:
        for path in archived:
            with opened(path) as lines:
                for line in lines:
                    out.write(line)
                    diffs += b'"e": "depthUpdate"' in line
    program = (
        "import sys, numpy as np\n"
        "from hftbacktest.data.utils.binancefutures import convert\n"
        "from hftbacktest import DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT\n"
        "rows = convert(sys.argv[1], buffer_size=2_000_000, opt='mt')\n"
        "kinds = rows['ev'] & 0xff\n"
        "moments = len(np.unique(rows['local_ts'][kinds == DEPTH_EVENT]))\n"
        "print(moments, (kinds == DEPTH_SNAPSHOT_EVENT).sum())\n"
    )
    done = subprocess.run([python, "-c", program, plain], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    moments, levels = (int(word) for word in done.stdout.split()[-2:])
    assert moments == diffs > 100
    assert levels > 40  # the REST snapshot


@pytest.fixture
async def archived(redis_server: PrivateRedis, run_id: str, tmp_path: Path) -> list[Path]:
    """The archive of an undisturbed collector."""
    venue, folder = FaultyVenue("BTCUSDT"), tmp_path / "raw"
    settings: dict[str, Any] = {"raw_dir": folder}
    async with venue.serving(), collecting(venue, redis_server, run_id, **settings) as one:
        await one.until(lambda found: books(found) > 150)
    return sorted(folder.glob("*.zst"))


def test_archive_with_lost_lines_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(b"1 " + noted(Dropped(7)) + b"\n")
    with pytest.raises(BadInput, match="lost lines"):
        list(rerun([path]))
