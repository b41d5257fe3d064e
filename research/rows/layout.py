"""What lies where in staged rows, and what each file says of itself.

    <rows folder>/BTCUSDT-3f0c5a1b9d27/date=2024-08-08.parquet
                                       date=2024-08-09.parquet
                                       source.json        written last: without it the folder is unfinished

The folder is named after its key: the hash of the source's files, the feature schema, the columns, the grid
and the horizons. Columns: those of `Frame` under their names, `x.<feature>`, and per horizon of h seconds
`y.<h>` (0 where it is not known), `known.<h>` and `late.<h>` (after the modelled latency, NaN where it is not
known).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from research import feature_sets
from research.labels import Flags, Floats, Ints
from research.microprice import STATES, Counts
from services.features import schema
from shared.units import MS, SECOND

VERSION = 1  # plus one whenever a row changes under an unchanged key
SOURCE = "source.json"
PAGE = b"lobflow"  # the key of a day's page in the Parquet metadata
DAY_NS = 86_400 * SECOND
FRAME = ("recv_ns", "clean_ns", "breaks_before", "mid", "spread", "spread_ticks", "imbalance_1",
         "imbalance_5", "last_return")  # fmt: skip
WHOLE = ("recv_ns", "clean_ns", "breaks_before", "spread_ticks")  # int64, the others float64


class Plan(NamedTuple):
    """What rows are made."""

    names: tuple[str, ...]  # features, as in the schema
    horizons_s: tuple[int, ...]
    sample_ms: int = 1000
    latency_ns: int = 100 * MS

    def key(self, symbol: str, source: str) -> str:
        """Names the folder: equal for equal rows. `source` is the hash of what they are made from."""
        told = msgspec.json.encode([VERSION, schema.SCHEMA_HASH, symbol, source, self])
        return hashlib.sha256(told).hexdigest()[:12]


def plan(feature_set: str, horizons_s: tuple[int, ...], sample_ms: int = 1000) -> Plan:
    """The rows of one feature set, with the sigmas. Raises BadInput where there is no such set."""
    return Plan((*feature_sets.members(feature_set), *schema.SIGMAS), horizons_s, sample_ms)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a day's file says of itself. Counts of quotes are those of `research.microprice`."""

    symbol: str
    date: str
    schema: str
    source: str
    sample_ms: int
    horizons_s: tuple[int, ...]
    latency_ns: int
    names: tuple[str, ...]
    rows: int
    from_ns: int  # of the first row
    until_ns: int  # of the last
    breaks_ns: tuple[int, ...]  # of the day: gaps, lost entries, new epochs
    stays: tuple[int, ...]  # (STATES * STATES,)
    moves: tuple[int, ...]
    drift: tuple[int, ...]  # (STATES,), half ticks

    @property
    def quotes(self) -> Counts:
        """How the best of the book went from state to state in the day's quotes."""
        square = (STATES, STATES)
        return Counts(
            np.array(self.stays, np.float64).reshape(square),
            np.array(self.moves, np.float64).reshape(square),
            np.array(self.drift, np.float64),
        )


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of what was staged."""

    symbol: str
    source: str  # sha256 over the files it was made from
    sha256: str  # of the market entries, as `research.dataset` counts it
    schema: str
    sample_ms: int
    horizons_s: tuple[int, ...]
    latency_ns: int
    names: tuple[str, ...]
    from_ns: int
    until_ns: int
    entries: int
    days: tuple[str, ...]


class Rows(NamedTuple):
    """Consecutive rows, ascending in time. All (n,) but `values` (n, k), features in the order of a plan."""

    recv_ns: Ints
    clean_ns: Ints
    breaks_before: Ints
    mid: Floats  # quote currency, as are the next and `last_return`
    spread: Floats
    spread_ticks: Ints
    imbalance_1: Floats
    imbalance_5: Floats
    last_return: Floats
    values: Floats

    def part(self, chosen: slice | Flags) -> Rows:
        """Some of the rows."""
        return Rows._make(column[chosen] for column in self)

    def join(self, other: Rows) -> Rows:
        """These rows and those that follow."""
        return Rows._make(np.concatenate(pair) for pair in zip(self, other, strict=True))


def no_rows(width: int) -> Rows:
    """No row, of `width` features."""
    columns: list[Any] = [np.empty(0, np.int64 if name in WHOLE else np.float64) for name in FRAME]
    return Rows._make([*columns, np.empty((0, width))])


class Labels(NamedTuple):
    """What came after the rows, by horizon in seconds; each (n,)."""

    y: dict[int, Floats]
    known: dict[int, Flags]
    late: dict[int, Floats]


def arrow_schema(names: tuple[str, ...], horizons_s: tuple[int, ...]) -> pa.Schema:
    """The columns of a day's file."""
    fields = [(name, pa.int64() if name in WHOLE else pa.float64()) for name in FRAME]
    fields += [(f"x.{name}", pa.float64()) for name in names]
    for h in horizons_s:
        fields += [(f"y.{h}", pa.float64()), (f"known.{h}", pa.bool_()), (f"late.{h}", pa.float64())]
    return pa.schema(fields)


def day_path(folder: Path, date: str) -> Path:
    """The file of one day."""
    return folder / f"date={date}.parquet"


def date_at(at_ns: int) -> str:
    """The UTC date of a time.

    >>> date_at(1_723_161_599_999_999_999), date_at(1_723_161_600_000_000_000)
    ('2024-08-08', '2024-08-09')
    """
    return str(np.datetime64(at_ns // DAY_NS, "D"))


def start_of(date: str) -> int:
    """The first nanosecond of a UTC date."""
    return int(np.datetime64(date, "D").astype(np.int64)) * DAY_NS
