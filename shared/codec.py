"""Messages to bytes and back, and the packing of tiers and feature values.

The bytes are part of the contract: a second copy of a service must produce the same bytes for the same id,
so nothing here depends on a dictionary's order of insertion or on the time.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable

import msgspec

from shared.errors import BadInput
from shared.messages import AnyMessage, Message

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(AnyMessage)

if sys.byteorder != "little":  # pragma: no cover - no such machine is supported
    raise RuntimeError("lobflow packs tiers in native order and supports little-endian machines only")


def encode(message: Message) -> bytes:
    """The MessagePack bytes of one message."""
    return _encoder.encode(message)


def decode(data: bytes) -> AnyMessage:
    """One message from its bytes. Raises BadInput for anything that is none."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise BadInput(f"not a message: {error}; it begins {data[:32]!r}") from error


def pack_tiers(flat: Iterable[int]) -> bytes:
    """[price_ticks, size_lots, price_ticks, ...], best first, as packed int64."""
    return array("q", flat).tobytes()


def unpack_tiers(data: bytes) -> list[int]:
    """The inverse of `pack_tiers`. Raises BadInput where the bytes are no whole pairs."""
    if len(data) % 16:
        raise BadInput(f"{len(data)} bytes are no whole tiers of 16")
    return array("q", data).tolist()


def pack_values(values: Iterable[float]) -> bytes:
    """Feature values as packed float64."""
    return array("d", values).tobytes()


def unpack_values(data: bytes) -> list[float]:
    """The inverse of `pack_values`. Raises BadInput where the bytes are no whole values."""
    if len(data) % 8:
        raise BadInput(f"{len(data)} bytes are no whole values of 8")
    return array("d", data).tolist()
