"""What a raw archive holds beside the venue's frames (pure): all that the core was told besides them.

A note is a line like any other, `<recv_ns> {"stream":"!lobflow","data":{"e":...}}`; tools that know only the
venue's events skip it. With them a file says how the market stream came about, entry by entry.
"""

from __future__ import annotations

import msgspec

from services.collector.feed import Resume
from shared.errors import BadInput

STREAM = "!lobflow"
_HEAD = b'{"stream":"!lobflow","data":'


class Start(msgspec.Struct, tag_field="e", tag="start"):
    """A collector began: the instrument's sizes, and where the stream stood (`resume`)."""

    symbol: str
    tick_e9: int
    lot_e9: int
    resume: Resume | None


class Begin(msgspec.Struct, tag_field="e", tag="begin"):
    """Time began, with the first frame of any symbol."""


class Beat(msgspec.Struct, tag_field="e", tag="heartbeat"):
    """A heartbeat was published."""


class Lost(msgspec.Struct, tag_field="e", tag="lost"):
    """A socket was lost; `what` is `book` or `tape`."""

    what: str
    reason: str


class Stale(msgspec.Struct, tag_field="e", tag="stale"):
    """A stream was silent although it should not have been."""

    kind: str
    reason: str


class Dropped(msgspec.Struct, tag_field="e", tag="dropped"):
    """`lines` of the archive are missing here: the disk was too slow, or failed."""

    lines: int


Note = Start | Begin | Beat | Lost | Stale | Dropped
_decoder: msgspec.json.Decoder[Note] = msgspec.json.Decoder(Note)


def encode(note: Note) -> bytes:
    """The text of a line after its time."""
    return _HEAD + msgspec.json.encode(note) + b"}"


def decode(data: bytes | msgspec.Raw) -> Note:
    """The note in the `data` of a line. Raises BadInput for what is none."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise BadInput(f"malformed note: {error}") from error
