"""Where the recorder puts what: names of folders and files, and back. Pure.

    <record_dir>/<run id>/stream=market/symbol=BTCUSDT/date=2024-08-08/part-1723161255030-0.parquet
                          stream=account/symbol=_/date=...
                          stream=health/service=features/instance=0/date=...
                          ledger/symbol=BTCUSDT/date=2024-08-08.json

A label is a stream's key without the run id: `market:{BTCUSDT}`, `account`, `health:features:0`. The date is
that of the first id in UTC, and no file crosses midnight. A pack, `pack-<first id>_<last id>.parquet`, holds
what the parts with first ids in its range held: where it is, they do not count any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Protocol, TypeVar

from shared.streams import Stream, key, parse_id

NO_SYMBOL = "_"
PART = re.compile(r"^part-(\d+-\d+)\.parquet$")
PACK = re.compile(r"^pack-(\d+-\d+)_(\d+-\d+)\.parquet$")


class Named(Protocol):
    """A path of any kind."""

    @property
    def name(self) -> str:
        """The last part of it."""


N = TypeVar("N", bound=Named)


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


def label_in(folder: PurePath) -> str:
    """The inverse of `folder_of`.

    >>> label_in(PurePath("stream=market/symbol=BTCUSDT")), label_in(PurePath("stream=control/symbol=_"))
    ('market:{BTCUSDT}', 'control')
    """
    values = [part.partition("=")[2] for part in folder.parts]
    if values[0] == "health":
        return ":".join(values)
    return values[0] if values[1] == NO_SYMBOL else f"{values[0]}:{{{values[1]}}}"


def ledger_name(symbol: str, date: str) -> PurePath:
    """The file of a symbol's ledger of one day, below the run's folder."""
    return PurePath("ledger", f"symbol={symbol}", f"date={date}.json")


def part_name(first_id: str) -> str:
    """The name of a finished file."""
    return f"part-{first_id}.parquet"


def pack_name(first_id: str, last_id: str) -> str:
    """The name of a file that takes the place of several.

    >>> pack_name("5-0", "9-3")
    'pack-5-0_9-3.parquet'
    """
    return f"pack-{first_id}_{last_id}.parquet"


def first_id_of(name: str) -> str | None:
    """The first id that a file's name tells, or None where it is no finished file of ours."""
    match = PART.match(name) or PACK.match(name)
    return match.group(1) if match else None


def pack_range(name: str) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """First and last id of a pack by its name, or None where it is none."""
    match = PACK.match(name)
    return (parse_id(match.group(1)), parse_id(match.group(2))) if match else None


def in_order(paths: Iterable[N]) -> list[N]:
    """The finished files that count, by their first id; as numbers, because `-10` follows `-9`. Parts whose
    place a pack has taken do not count."""
    known = [(parse_id(first), path) for path in paths if (first := first_id_of(path.name)) is not None]
    ranges = [found for _, path in known if (found := pack_range(path.name)) is not None]
    counted = [
        (first, path)
        for first, path in known
        if PACK.match(path.name) or not any(low <= first <= high for low, high in ranges)
    ]
    return [path for _, path in sorted(counted, key=lambda row: row[0])]


def superseded(paths: Iterable[N]) -> list[N]:
    """The parts among `paths` whose place a pack has taken."""
    listed = list(paths)
    counted = {path.name for path in in_order(listed)}
    return [path for path in listed if PART.match(path.name) and path.name not in counted]
