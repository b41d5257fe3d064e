"""What arrives on a market socket: a frame of a stream, a replay mark, or the answer to a request."""

from __future__ import annotations

import msgspec

from shared.errors import BadFrame


class Envelope(msgspec.Struct):
    """One message of a combined stream. `replay` comes from the local venue in lockstep only: beside `data`
    it is [seq, recv_ns], alone {"watermark" | "end": [seq, market_ns]}."""

    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    replay: tuple[int, int] | dict[str, tuple[int, int]] | None = None


_decoder = msgspec.json.Decoder(Envelope)


def open_envelope(message: bytes) -> Envelope:
    """One message of a market socket. Raises BadFrame where it is not JSON of that form."""
    try:
        return _decoder.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadFrame(f"malformed frame: {error}") from error
