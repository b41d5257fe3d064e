"""What is kept of one entry, and when a file ends. Pure.

An entry enters as its id and its bytes and leaves as a `Row`. The bytes are kept untouched; kind and receive
time are copied out of them so that a reader can choose rows without decoding. Bytes that are no message are
rows too: an archive that leaves them out has lost something.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from shared import codec
from shared.errors import BadInput
from shared.messages import AnyMessage
from shared.streams import parse_id

DAY_MS = 86_400_000
ROW_BYTES = 250  # what a row takes in memory beside its bytes
UNKNOWN_KIND = ""  # the kind of bytes that are no message


class Row(NamedTuple):
    """One entry as it is stored. `recv_ns` is None where the message has none (the ledger, health)."""

    id_ms: int
    id_n: int
    kind: str
    recv_ns: int | None
    d: bytes

    @property
    def entry_id(self) -> str:
        """The entry's id, `<ms>-<n>`."""
        return f"{self.id_ms}-{self.id_n}"


def to_row(entry_id: bytes, data: bytes) -> Row:
    """The row of one entry."""
    return row_of(entry_id, data, to_message(data))


def to_message(data: bytes) -> AnyMessage | None:
    """The message of an entry, or None where the bytes are none."""
    try:
        return codec.decode(data)
    except BadInput:
        return None


def row_of(entry_id: bytes, data: bytes, message: AnyMessage | None) -> Row:
    """The row of one entry that is decoded already."""
    id_ms, id_n = parse_id(entry_id)
    if message is None:
        return Row(id_ms, id_n, UNKNOWN_KIND, None, data)
    return Row(id_ms, id_n, type(message).__name__, getattr(message, "recv_ns", None), data)


def date_of(id_ms: int) -> str:
    """The UTC date of an id, YYYY-MM-DD.

    >>> date_of(1723161255030)
    '2024-08-08'
    """
    return _date(id_ms // DAY_MS)


@lru_cache(maxsize=16)
def _date(day: int) -> str:
    """The date of a day since the epoch; asked for with every entry."""
    return datetime.fromtimestamp(day * DAY_MS // 1000, UTC).date().isoformat()


class Limits(NamedTuple):
    """When rows are written and when a file ends. A file's bytes are of the entries, before compression.

    A row group is what is held in memory per stream; all together are held below `held_bytes` and what one
    read brings, however many streams there are and however fast they come.
    """

    seconds: float = 60.0
    group_bytes: int = 2_000_000
    held_bytes: int = 32_000_000
    file_bytes: int = 64_000_000


class Extent:
    """What one open file covers so far."""

    def __init__(self, first: Row, now_s: float) -> None:
        self.first_id = first.entry_id
        self.last_id = first.entry_id
        self.date = date_of(first.id_ms)
        self.opened_s = now_s  # the shell's clock: only differences are used
        self.raw_bytes = 0
        self.pending_bytes = 0  # that the rows take which are not in a row group yet

    def add(self, row: Row) -> None:
        """Count one more row."""
        self.last_id = row.entry_id
        self.raw_bytes += len(row.d)
        self.pending_bytes += len(row.d) + ROW_BYTES

    def takes(self, row: Row, limits: Limits) -> bool:
        """Whether `row` still belongs into this file: same date, and room left."""
        return self.raw_bytes < limits.file_bytes and date_of(row.id_ms) == self.date

    def is_due(self, now_s: float, limits: Limits) -> bool:
        """Whether the file has been open long enough."""
        return now_s - self.opened_s >= limits.seconds
