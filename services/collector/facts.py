"""Frames in integers (pure): all that can be wrong with a frame is found here, before any state changes."""

from __future__ import annotations

from typing import NamedTuple

from services.collector.wire import AggTradeFrame, BookTicker, Depth, Frame
from shared.book import Level
from shared.errors import BadFrame
from shared.units import INT_LIMIT, MS, Parser, e9


class Diff(NamedTuple):
    """One diff of the book; `previous` is the venue's `pu`. Spot has none: its ids are dense, so `U - 1`."""

    first: int
    last: int
    previous: int
    exchange_ns: int
    bids: list[Level]
    asks: list[Level]


class Best(NamedTuple):
    """Best bid and ask after update `update_id`."""

    update_id: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class Trade(NamedTuple):
    """One aggregated trade; `side` is the taker's."""

    agg_id: int
    first_id: int
    last_id: int
    exchange_ns: int
    price_ticks: int
    size_lots: int
    side: int


class Mark(NamedTuple):
    """Mark price, index price and funding."""

    exchange_ns: int
    mark_e9: int
    index_e9: int
    funding_rate_e9: int
    next_funding_ns: int


Fact = Diff | Best | Trade | Mark


def convert(frame: Frame, parser: Parser) -> Fact:
    """A frame in ticks, lots and nanoseconds. Raises BadFrame for a number that is none, is negative, or is
    no multiple of the tick or lot."""
    if isinstance(frame, Depth):
        previous = frame.previous if frame.previous is not None else frame.first - 1
        engine_ms = frame.engine_ms if frame.engine_ms is not None else frame.event_ms
        if frame.first > frame.last or previous > frame.last:
            raise BadFrame(f"depth ids go back: U {frame.first}, u {frame.last}, pu {previous}")
        bids, asks = parser.levels(frame.bids), parser.levels(frame.asks)
        return Diff(frame.first, frame.last, previous, engine_ms * MS, bids, asks)
    if isinstance(frame, BookTicker):
        bid, ask = parser.ticks(frame.bid), parser.ticks(frame.ask)
        return Best(frame.update_id, bid, parser.lots(frame.bid_size), ask, parser.lots(frame.ask_size))
    if isinstance(frame, AggTradeFrame):
        price, size = parser.ticks(frame.price), parser.lots(frame.size)
        side = -1 if frame.is_buyer_maker else 1
        return Trade(frame.agg_id, frame.first_id, frame.last_id, frame.trade_ms * MS, price, size, side)
    mark, index = e9(frame.mark), e9(frame.index)
    rate = e9(frame.funding_rate or "0")  # empty for contracts that expire
    if max(abs(mark), abs(index), abs(rate)) >= INT_LIMIT:
        raise BadFrame(
            f"mark {frame.mark}, index {frame.index} or rate {rate}e-9 is beyond what 64 bits hold"
        )
    return Mark(frame.event_ms * MS, mark, index, rate, frame.next_funding_ms * MS)
