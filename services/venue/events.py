"""What a recording consists of once it is read: instruments and events. Pure."""

from __future__ import annotations

from typing import NamedTuple

from shared.units import Scale


class Instrument(NamedTuple):
    """One symbol of a recording; `frames` counts its lines, `snapshots` are the times of depth answers."""

    symbol: str
    scale: Scale
    first_ns: int
    last_ns: int
    frames: int
    snapshots: tuple[int, ...] = ()


class Event(NamedTuple):
    """One frame to send. `kind`: depth, bookTicker, aggTrade, markPrice, snapshot or other."""

    seq: int
    recv_ns: int
    symbol: str
    kind: str
    data: bytes  # the JSON of the inner `data`; of a snapshot the REST answer
