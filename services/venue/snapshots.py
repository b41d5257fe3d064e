"""Depth snapshots of a replay: the recorded one that came just before a diff, or follows a place, else the
book as it was there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.venue.boards import Quoted
from services.venue.events import Event, Instrument
from services.venue.market import Market, Snapshot
from services.venue.recording import timeline
from shared.book import Level
from shared.units import Scale

MOST_LEVELS = 1000


class Place(NamedTuple):
    """A depth answer and where in the recording it belongs."""

    seq: int
    recv_ns: int
    data: bytes


class _Ids(msgspec.Struct):
    """Of a diff: the first update in it, and the last one of the diff before."""

    U: int
    pu: int = -1  # spot has none


_decoder = msgspec.json.Decoder(Snapshot)
_ids = msgspec.json.Decoder(_Ids)


def find(files: Sequence[Path], instruments: dict[str, Instrument], symbol: str, seq: int) -> Place | None:
    """The snapshot for a collector that stands at `seq`; None where the book was not whole there.

    Reads the recording again, as far as it must: it blocks for up to seconds.
    """
    market = Market(instruments[symbol])
    events = timeline(files, instruments)
    at_ns = 0
    early, asking = b"", b""  # since the last diff; before the one at `seq`, which it answers
    rest: list[Event] = []  # the first event that follows `seq`
    for event in events:
        if event.seq > seq:
            rest.append(event)
            break
        at_ns, asking = event.recv_ns, b""
        if event.symbol == symbol and event.kind == "depth":
            market.on_depth(event.data)
            if early and is_answer(early, event.data):
                asking = early
            early = b""
        elif event.symbol == symbol and event.kind == "snapshot":
            market.on_snapshot(event.data)
            early = event.data
    if asking:  # whoever recorded it asked before the first diff, or before that after a gap
        return Place(seq, at_ns, asking)
    if max(instruments[symbol].snapshots, default=0) >= at_ns:
        for event in chain(rest, events):
            if event.symbol == symbol and event.kind == "snapshot":
                return Place(event.seq, event.recv_ns, event.data)
    return Place(seq, at_ns, book(market, MOST_LEVELS)) if market.is_whole else None


def is_answer(data: bytes, diff: bytes) -> bool:
    """Whether a snapshot that came before a diff is new enough to begin a book with that diff."""
    try:
        snapshot, ids = _decoder.decode(data), _ids.decode(diff)
    except msgspec.MsgspecError:
        return False  # whoever reads them counts them
    return snapshot.lastUpdateId >= ids.U or snapshot.lastUpdateId == ids.pu


def book(market: Quoted, limit: int, event_ms: int = 0) -> bytes:
    """The market's book as `GET /fapi/v1/depth` answers it."""
    scale = market.scale
    return msgspec.json.encode(
        {
            "lastUpdateId": market.last_update_id,
            "E": event_ms,
            "T": event_ms,
            "bids": _rows(market.levels(1, limit), scale),
            "asks": _rows(market.levels(-1, limit), scale),
        }
    )


def cut(data: bytes, limit: int) -> bytes:
    """A depth answer with no more than `limit` levels a side."""
    snapshot = _decoder.decode(data)
    if max(len(snapshot.bids), len(snapshot.asks)) <= limit:
        return data
    return msgspec.json.encode(
        Snapshot(snapshot.lastUpdateId, snapshot.bids[:limit], snapshot.asks[:limit], snapshot.E, snapshot.T)
    )


def _rows(levels: list[Level], scale: Scale) -> list[tuple[str, str]]:
    return [(scale.price_text(price), scale.size_text(size)) for price, size in levels]
