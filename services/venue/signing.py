"""Who may ask: API key, HMAC-SHA256 signature and time window of a request, as the venue checks them.

The signature covers the query string and the body, joined without `&`, less the `signature` parameter itself.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from services.venue.filters import missing
from services.venue.orders import Refusal

AHEAD_MS = 1000
RECV_WINDOW_MS = 5000
RECV_WINDOW_MOST_MS = 60_000


def sign(secret: str, payload: str) -> str:
    """Hex HMAC-SHA256 of a request's parameters."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def parameters(query: str, body: str) -> dict[str, str]:
    """All parameters of a request; the query string wins over the body."""
    return {**dict(parse_qsl(body)), **dict(parse_qsl(query))}


def check_key(key: str | None, expected: str) -> Refusal | None:
    """Why this `X-MBX-APIKEY` is not accepted, or None."""
    if not key:
        return Refusal(-2014, "API-key format invalid.", 401)
    if not hmac.compare_digest(key.encode(), expected.encode()):
        return Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    return None


def check_signature(query: str, body: str, secret: str, now_ms: int) -> Refusal | None:
    """Why this signed request is not accepted at the venue's time `now_ms`, or None."""
    params = parameters(query, body)
    for name in ("timestamp", "signature"):
        if not params.get(name):
            return missing(name)
    signature = params["signature"]
    if not hmac.compare_digest(sign(secret, _signed(query) + _signed(body)).encode(), signature.encode()):
        return Refusal(-1022, "Signature for this request is not valid.")
    return _check_window(params, now_ms)


def _check_window(params: Mapping[str, str], now_ms: int) -> Refusal | None:
    try:
        timestamp = int(params["timestamp"])
    except ValueError:
        return missing("timestamp")
    try:
        window = int(params.get("recvWindow", RECV_WINDOW_MS))
    except ValueError:
        return missing("recvWindow")
    if not 0 < window <= RECV_WINDOW_MOST_MS:
        return Refusal(-1131, "recvWindow must be less than 60000.")
    if timestamp >= now_ms + AHEAD_MS:
        return Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - timestamp > window:
        return Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
    return None


def _signed(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
