"""Facts in the venue's own shapes: what an importer writes is what the venue would have sent."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.venue.lines import Line
from shared.units import MS

Levels = Sequence[tuple[str, str]]  # (price, quantity) as texts

_encode = msgspec.json.Encoder().encode


def depth(
    recv_ns: int, symbol: str, exchange_ns: int, ids: tuple[int, int, int | None], bids: Levels, asks: Levels
) -> Line:
    """A diff of the book. `ids` are the first and last update in it and the last of the diff before (`U`,
    `u`, `pu`); spot has no `pu`."""
    at_ms = exchange_ns // MS
    first, last, previous = ids
    body = {"e": "depthUpdate", "E": at_ms, "T": at_ms, "s": symbol, "U": first, "u": last}
    if previous is not None:
        body["pu"] = previous
    return Line(recv_ns, symbol, "depth", _encode({**body, "b": bids, "a": asks}))


def snapshot(recv_ns: int, symbol: str, exchange_ns: int, last_id: int, bids: Levels, asks: Levels) -> Line:
    """The answer of `GET /fapi/v1/depth`, with its symbol."""
    at_ms = exchange_ns // MS
    body = {"lastUpdateId": last_id, "symbol": symbol, "E": at_ms, "T": at_ms, "bids": bids, "asks": asks}
    return Line(recv_ns, symbol, "snapshot", _encode(body))


def trade(
    recv_ns: int,
    symbol: str,
    exchange_ns: int,
    trade_id: int,
    price: str,
    size: str,
    is_sold: bool,
    kind: str,
) -> Line:
    """A single trade; `is_sold` where the buyer was the maker, `kind` is the venue's `X`."""
    at_ms = exchange_ns // MS
    body = {"e": "trade", "E": at_ms, "T": at_ms, "s": symbol, "t": trade_id, "p": price, "q": size}
    return Line(recv_ns, symbol, "trade", _encode({**body, "X": kind, "m": is_sold}))


def agg_trade(
    recv_ns: int,
    symbol: str,
    exchange_ns: int,
    ids: tuple[int, int, int],
    price: str,
    size: str,
    is_sold: bool,
) -> Line:
    """An aggregated trade. `ids` are its own and those of its first and last trade."""
    at_ms = exchange_ns // MS
    agg_id, first, last = ids
    body = {"e": "aggTrade", "E": at_ms, "s": symbol, "a": agg_id, "p": price, "q": size}
    rest = {"f": first, "l": last, "T": at_ms, "m": is_sold}
    return Line(recv_ns, symbol, "aggTrade", _encode({**body, **rest}))


def wrapped(line: Line) -> bytes:
    """One line of a raw capture, with its end; snapshots stand alone, as REST sends them."""
    if line.kind == "snapshot":
        return b"%d %b\n" % (line.recv_ns, line.data)
    stream = f"{line.symbol.lower()}@{line.kind}".encode()
    return b'%d {"stream":"%b","data":%b}\n' % (line.recv_ns, stream, line.data)
