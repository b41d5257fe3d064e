"""All files of a download, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

from research.downloads.catalog import Remote
from research.downloads.fetch import USER_AGENT, Fetcher, OnBytes, Outcome, Pace
from shared.errors import BadSetting

PARALLEL = 4


async def download(
    remotes: Sequence[Remote],
    folder: Path,
    parallel: int = PARALLEL,
    pace: Pace | None = None,
    on_bytes: OnBytes | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """What became of each of `remotes`, in their order; the files are below `folder`. Interrupted, it leaves
    `.part` files with which the next call goes on. Raises BadSetting where `folder` cannot be written."""
    waiting = list(enumerate(remotes))[::-1]
    outcomes: dict[int, Outcome] = {}
    connector = aiohttp.TCPConnector(limit=parallel)
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(connector=connector, headers=headers, auto_decompress=False) as session:
        fetcher = Fetcher(session, folder, pace or Pace(), on_bytes)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(parallel, len(remotes))):
                    tasks.create_task(_work(fetcher, waiting, outcomes, on_outcome))
        except* OSError as group:
            raise BadSetting(f"cannot write to {folder}: {group.exceptions[0]}") from group
    return [outcomes[number] for number in range(len(remotes))]


async def _work(
    fetcher: Fetcher,
    waiting: list[tuple[int, Remote]],
    outcomes: dict[int, Outcome],
    on_outcome: Callable[[Outcome], None] | None,
) -> None:
    while waiting:
        number, remote = waiting.pop()
        outcomes[number] = await fetcher.fetch(remote)
        if on_outcome is not None:
            on_outcome(outcomes[number])
