"""Signed queries and the venue's time.

The signature covers exactly the bytes that are sent: for every verb all parameters are in the query string,
percent-encoded before it is signed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from statistics import median
from urllib.parse import quote, urlencode

from shared.messages import Request
from shared.units import MS, Scale


class Signer:
    """HMAC-SHA256 of query strings. The key schedule is done once: a copy costs a microsecond."""

    def __init__(self, secret: str, recv_window_ms: int) -> None:
        self._keyed = hmac.new(secret.encode(), digestmod=hashlib.sha256)
        self._recv_window = f"recvWindow={recv_window_ms}&timestamp="

    def sign(self, query: str) -> str:
        """The hex signature of `query`."""
        keyed = self._keyed.copy()
        keyed.update(query.encode())
        return keyed.hexdigest()

    def signed(self, query: str, timestamp_ms: int) -> str:
        """`query` with window, time and signature, ready to send."""
        full = f"{query}{'&' if query else ''}{self._recv_window}{timestamp_ms}"
        return f"{full}&signature={self.sign(full)}"


def order_query(symbol: str, request: Request, scale: Scale) -> str:
    """The parameters of `POST /fapi/v1/order` for one request, unsigned."""
    side = "BUY" if request.side > 0 else "SELL"
    query = (
        f"symbol={quote(symbol)}&side={side}&type={request.kind}&quantity={scale.size_text(request.size_lots)}"
        f"&newClientOrderId={request.client_id}"
    )
    if request.kind == "LIMIT":
        query += f"&price={scale.price_text(request.price_ticks)}&timeInForce={request.time_in_force}"
    return f"{query}&reduceOnly=true" if request.reduce_only else query


def query_of(params: Mapping[str, str | int]) -> str:
    """Parameters as a percent-encoded query string."""
    return urlencode(params)


def offset_ms(samples: Sequence[tuple[int, int, int]]) -> int:
    """Venue time minus ours, from (before_ns, server_ms, after_ns) of several requests: the median.

    The server's time is a whole millisecond, rounded down, and compared with the middle of the round trip.
    """
    return round(median(server_ms - (before + after) / 2 / MS for before, server_ms, after in samples))
