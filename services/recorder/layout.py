"""Where the recorder puts what: names of folders and files, and back. Pure.

    <record_dir>/<run id>/stream=market/symbol=BTCUSDT/date=2024-08-08/part-1723161255030-0.parquet
                          stream=account/symbol=_/date=...
                          stream=health/service=features/instance=0/date=...

A label is a stream's key without the run id: `market:{BTCUSDT}`, `account`, `health:features:0`. The date is
that of the first id in UTC, and no file crosses midnight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from shared.streams import Stream, key, parse_id

NO_SYMBOL = "_"
PART = re.compile(r"^part-(\d+-\d+)\.parquet$")
TEMPORARY_SUFFIX = ".tmp"


def label_of(stream: Stream, symbol: str = "") -> str:
    """A stream's key without the run id.

    >>> label_of(Stream.MARKET, "BTCUSDT"), label_of(Stream.ACCOUNT)
    ('market:{BTCUSDT}', 'account')
    """
    return key("run", stream, symbol).removeprefix("run:")


def folder_of(label: str) -> PurePath:
    """The folder of a label, below the run's.

    >>> str(folder_of("market:{BTCUSDT}")), str(folder_of("health:features:0"))
    ('stream=market/symbol=BTCUSDT', 'stream=health/service=features/instance=0')
    """
    stream, _, rest = label.partition(":")
    if stream == "health":
        service, _, instance = rest.partition(":")
        return PurePath("stream=health", f"service={service}", f"instance={instance}")
    return PurePath(f"stream={stream}", f"symbol={rest.strip('{}') or NO_SYMBOL}")


def part_name(first_id: str) -> str:
    """The name of a finished file."""
    return f"part-{first_id}.parquet"


def temporary_name(first_id: str) -> str:
    """Its name while it is written: hidden, so that readers of the folder pass it by."""
    return f".part-{first_id}{TEMPORARY_SUFFIX}"


def first_id_of(name: str) -> str | None:
    """The first id that a file's name tells, or None where it is no finished file of ours."""
    match = PART.match(name)
    return match.group(1) if match else None


def in_order(paths: Iterable[PurePath]) -> list[PurePath]:
    """Finished files by their first id; as numbers, because `-10` follows `-9`."""
    known = [(parse_id(first), path) for path in paths if (first := first_id_of(path.name))]
    return [path for _, path in sorted(known)]
