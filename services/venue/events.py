"""What a market consists of: instruments and events. Pure."""

from __future__ import annotations

from typing import NamedTuple

from shared.units import Scale


class Instrument(NamedTuple):
    """One symbol. Of a recording `frames` counts the lines and `snapshots` are the times of depth answers; a
    market that goes on has none of either, and its `last_ns` is its first."""

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


class Own(NamedTuple):
    """What a market in which our orders take part did to one that rests: it traded, or (0 lots) it met
    another of ours and is gone."""

    at_ns: int
    symbol: str
    order_id: int
    price_ticks: int
    lots: int
