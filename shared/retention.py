"""How long market-like streams stay in Redis: by time, measured on the stream's own ids, never past the
recorder while it was seen in the last five minutes. Ledger streams are not trimmed here."""

from __future__ import annotations

import time
from collections.abc import Sequence

from shared import bus, codec
from shared.bus import Link
from shared.messages import Health
from shared.settings import Settings
from shared.streams import health_key, parse_id
from shared.units import SECOND

RECORDER_SEEN_SECONDS = 300


async def trim(link: Link, settings: Settings, keys: Sequence[str]) -> None:
    """Drop what is older than the retention time from streams that the caller owns."""
    archived = await _archived(link, settings)
    for name in keys:
        newest_ms, _ = parse_id(await bus.last_id(link, name))
        floor_ms = newest_ms - int(settings.retention_minutes * 60_000)
        if archived is not None:
            floor_ms = min(floor_ms, parse_id(archived.get(_stream_name(settings, name), "0-0"))[0])
        if floor_ms > 0:
            await link.call("XTRIM", name, "MINID", "~", floor_ms)


def _stream_name(settings: Settings, name: str) -> str:
    return name.removeprefix(settings.run_id + ":")


async def _archived(link: Link, settings: Settings) -> dict[str, str] | None:
    """The recorder's positions (names without the run id), or None where no recorder is at work."""
    lowest: dict[str, str] | None = None
    for name in await bus.find(link, health_key(settings.run_id, "recorder", "*")):
        entry = await bus.last_entry(link, name)
        health = None if entry is None else codec.decode(entry[1])
        if not isinstance(health, Health) or time.time_ns() - health.at_ns >= RECORDER_SEEN_SECONDS * SECOND:
            continue
        if lowest is None:
            lowest = dict(health.positions)
        for label, position in health.positions.items():
            lowest[label] = min(lowest.get(label, position), position, key=parse_id)
    return lowest
