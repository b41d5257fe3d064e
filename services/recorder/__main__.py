"""The recorder: every stream of the run to Parquet files under `record_dir`/<run id>.

One task a symbol, one for each stream without a symbol, one for the health of all services. Reading is paced:
nobody waits for the archive, and a read per entry would take time from those who are waited for.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

import pyarrow as pa

from services.recorder.archive import Archive
from services.recorder.core import Limits
from services.recorder.keep import Keep
from services.recorder.layout import label_of
from services.recorder.place import Place, place
from services.recorder.upkeep import Upkeep
from shared import bus
from shared.bus import Link
from shared.errors import LobflowError
from shared.runner import BLOCK_MS, Context, run, sleep_unless
from shared.streams import Stream, parse_id

READ_COUNT = 512  # entries per stream and read: half a megabyte of market entries
PACE_SECONDS = 0.1
HEALTH_PACE_SECONDS = 1.0
ROLL_SECONDS = 0.25
STOP_SECONDS = 20.0  # how long a stop may take to read what is left
LOST_SECONDS = 3.0  # the same while Redis does not answer: long enough for one that restarts


async def record(context: Context) -> None:
    """Record until stopped, then read what is left and finish all files."""
    pa.set_memory_pool(pa.system_memory_pool())  # gives memory back; the default pool keeps it
    settings = context.settings
    limits = Limits(seconds=settings.record_seconds)
    try:
        with Archive(place(settings.record_dir) / settings.run_id, limits) as archive:
            await _lanes(context, archive)
            archive.close()
            _report(context, archive)
    except* OSError as group:
        raise LobflowError(f"cannot record to {settings.record_dir}: {group.exceptions[0]}") from group
    if not context.telemetry.not_ready:
        await context.report(await context.link(), "stopping")  # the last word: all that was seen is safe


async def _lanes(context: Context, archive: Archive) -> None:
    per_symbol = [stream for stream in Stream if stream.value.is_per_symbol]
    lanes = [[label_of(stream, symbol) for stream in per_symbol] for symbol in context.settings.symbols]
    lanes += [[label_of(stream)] for stream in Stream if not stream.value.is_per_symbol]
    try:
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as tasks:
            for labels in lanes:
                tasks.create_task(_lane(context, archive, labels))
            tasks.create_task(_health_lane(context, archive))
            tasks.create_task(_upkeep_lane(context, archive.root))
            while not context.stop.is_set():
                archive.end_due(time.monotonic())
                _report(context, archive)
                await sleep_unless(context.stop, ROLL_SECONDS)
            patience = LOST_SECONDS if "redis" in context.telemetry.not_ready else STOP_SECONDS
            limit.reschedule(asyncio.get_running_loop().time() + patience)
    except TimeoutError:
        # What was read is kept; the rest is read at the next start.
        context.log.error("stopping without the last entries: Redis does not answer")


def _report(context: Context, archive: Archive) -> None:
    context.positions.update(archive.positions())
    context.telemetry.counters.update(
        entries=archive.entries,
        files=archive.files,
        unreadable=archive.unreadable,
        duplicates=archive.duplicates,
    )


async def _lane(context: Context, archive: Archive, labels: Sequence[str]) -> None:
    """Read some streams together until stopped, and then up to where each ended at that moment."""
    link = await context.link()
    names = {f"{context.settings.run_id}:{label}": label for label in labels}
    cursors = {name: archive.resume(label) for name, label in names.items()}
    for name, cursor in cursors.items():
        await _check_not_behind(context, link, name, cursor)
    while not context.stop.is_set():
        if await _read_once(archive, link, names, cursors, BLOCK_MS) < READ_COUNT:
            await sleep_unless(context.stop, PACE_SECONDS)
    ends = {name: parse_id(await bus.last_id(link, name)) for name in names}
    while any(parse_id(cursors[name]) < end for name, end in ends.items()):
        if not await _read_once(archive, link, names, cursors, 1):
            return  # what was left had been trimmed


async def _read_once(
    archive: Archive, link: Link, names: dict[str, str], cursors: dict[str, bytes], block_ms: int
) -> int:
    """Read and archive once. Returns the number of entries of the stream that had most."""
    most = 0
    for name, entries in await bus.read(link, cursors, READ_COUNT, block_ms):
        archive.add(names[name], entries, time.monotonic())
        cursors[name] = entries[-1][0]
        most = max(most, len(entries))
    return most


async def _check_not_behind(context: Context, link: Link, name: str, cursor: bytes) -> None:
    end = await bus.last_id(link, name)
    if parse_id(end) < parse_id(cursor):
        # A Redis that lost its last second; producers whose ids come from their input write them again.
        context.log.warning(
            "a stream ends before its archive",
            extra={"with": {"key": name, "end": end.decode(), "archived": cursor.decode()}},
        )


async def _health_lane(context: Context, archive: Archive) -> None:
    """The health of every instance; their keys are found as they appear."""
    link = await context.link()
    prefix = f"{context.settings.run_id}:"
    cursors: dict[str, bytes] = {}
    while True:
        is_last = context.stop.is_set()
        for name in await bus.find(link, f"{prefix}health:*"):
            label = name.removeprefix(prefix)
            if name not in cursors:
                cursors[name] = archive.resume(label)
            while entries := await bus.span(link, name, f"({cursors[name].decode()}", count=READ_COUNT):
                archive.add(label, entries, time.monotonic())
                cursors[name] = entries[-1][0]
        if is_last:
            return
        await sleep_unless(context.stop, HEALTH_PACE_SECONDS)


async def _upkeep_lane(context: Context, root: Place) -> None:
    """Pack and drop closed days, in a thread of its own; the archive writes other files meanwhile."""
    settings, counters = context.settings, context.telemetry.counters
    size = settings.record_keep_gb
    keep = Keep(settings.record_keep_days, None if size is None else int(size * 1e9))
    upkeep = Upkeep(root, keep, context.stop.is_set)
    while not context.stop.is_set():
        done = await asyncio.to_thread(upkeep.round, time.monotonic())
        counters["files_packed"] += done.packed
        counters["files_dropped"] += done.dropped
        for problem in done.problems:
            counters["days_not_packed"] += 1
            context.log.error("a day cannot be packed", extra={"with": {"why": problem}})
        await sleep_unless(context.stop, settings.record_upkeep_seconds)


if __name__ == "__main__":
    sys.exit(run("recorder", record))
