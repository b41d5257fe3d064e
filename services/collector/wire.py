"""The venue's market data frames as typed structs (pure).

Unknown keys are ignored and every key that came late (`st`, `ps`, `nq`, `ap`) is optional: the venue adds
keys without notice. Source: USD-M futures, WebSocket market streams.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from shared.errors import BadFrame

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # fits what streams and arrays hold
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=9_000_000_000_000)]  # in nanoseconds it does so too
Rows = list[tuple[str, str]]  # [[price, quantity], ...] as texts


class Depth(msgspec.Struct):
    """A diff of the book (`depthUpdate`). `pu` is missing on spot."""

    first: Id = msgspec.field(name="U")
    last: Id = msgspec.field(name="u")
    bids: Rows = msgspec.field(name="b")
    asks: Rows = msgspec.field(name="a")
    event_ms: Milliseconds = msgspec.field(name="E")
    previous: Id | None = msgspec.field(name="pu", default=None)
    engine_ms: Milliseconds | None = msgspec.field(name="T", default=None)
    kind: str = msgspec.field(name="e", default="depthUpdate")
    symbol: str = msgspec.field(name="s", default="")


class BookTicker(msgspec.Struct):
    """Best bid and ask after update `u`."""

    update_id: Id = msgspec.field(name="u")
    bid: str = msgspec.field(name="b")
    bid_size: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_size: str = msgspec.field(name="A")
    kind: str = msgspec.field(name="e", default="bookTicker")
    symbol: str = msgspec.field(name="s", default="")


class AggTradeFrame(msgspec.Struct):
    """One aggregated trade; `is_buyer_maker` means that the seller took."""

    agg_id: Id = msgspec.field(name="a")
    price: str = msgspec.field(name="p")
    size: str = msgspec.field(name="q")
    first_id: Id = msgspec.field(name="f")
    last_id: Id = msgspec.field(name="l")
    trade_ms: Milliseconds = msgspec.field(name="T")
    is_buyer_maker: bool = msgspec.field(name="m")
    kind: str = msgspec.field(name="e", default="aggTrade")
    symbol: str = msgspec.field(name="s", default="")


class MarkPriceFrame(msgspec.Struct):
    """Mark price, index price and the current funding rate."""

    mark: str = msgspec.field(name="p")
    index: str = msgspec.field(name="i")
    funding_rate: str = msgspec.field(name="r")
    next_funding_ms: Milliseconds = msgspec.field(name="T")
    event_ms: Milliseconds = msgspec.field(name="E")
    kind: str = msgspec.field(name="e", default="markPriceUpdate")
    symbol: str = msgspec.field(name="s", default="")


class Snapshot(msgspec.Struct):
    """The answer of `GET /fapi/v1/depth`."""

    last_id: Id = msgspec.field(name="lastUpdateId")
    bids: Rows
    asks: Rows
    engine_ms: Milliseconds | None = msgspec.field(name="T", default=None)


Frame = Depth | BookTicker | AggTradeFrame | MarkPriceFrame

_by_stream: dict[str, tuple[str, msgspec.json.Decoder[Frame]]] = {
    "depth": ("depthUpdate", msgspec.json.Decoder(Depth)),
    "bookTicker": ("bookTicker", msgspec.json.Decoder(BookTicker)),
    "aggTrade": ("aggTrade", msgspec.json.Decoder(AggTradeFrame)),
    "markPrice": ("markPriceUpdate", msgspec.json.Decoder(MarkPriceFrame)),
}
_snapshot = msgspec.json.Decoder(Snapshot)


def split_stream(stream: str) -> tuple[str, str]:
    """`btcusdt@depth@100ms` as ("BTCUSDT", "depth")."""
    symbol, _, rest = stream.partition("@")
    return symbol.upper(), rest.partition("@")[0]


def parse(kind: str, symbol: str, data: bytes | msgspec.Raw) -> Frame:
    """The `data` object of one frame. Raises BadFrame for what it is not."""
    entry = _by_stream.get(kind)
    if entry is None:
        raise BadFrame(f"unknown event type {kind[:40]!r}")
    name, decoder = entry
    try:
        frame = decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadFrame(f"malformed {kind} frame: {error}") from error
    if frame.kind != name or (frame.symbol and frame.symbol != symbol):
        raise BadFrame(f"{kind} stream of {symbol} carried {frame.kind[:40]!r} of {frame.symbol[:40]!r}")
    return frame


def parse_snapshot(data: bytes) -> Snapshot:
    """The body of a depth snapshot. Raises BadFrame for what it is not (also HTML with status 200)."""
    try:
        return _snapshot.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadFrame(f"malformed depth snapshot: {error}") from error
