"""Rate limits: how much was used of each window, on whatever clock the caller counts by."""

from __future__ import annotations

from services.venue.orders import Refusal
from shared.units import SECOND

WEIGHT_1M = 2400
ORDERS_10S = 300
ORDERS_1M = 1200


class Window:
    """A limit per span of time; spans begin at multiples of their length, as the venue's do."""

    def __init__(self, limit: int, span_ns: int) -> None:
        self.limit = limit
        self.span_ns = span_ns
        self.used = 0
        self._index = -1

    def add(self, count: int, now_ns: int) -> bool:
        """Count what was asked. Returns whether the window still holds it; refused requests count too."""
        index = now_ns // self.span_ns
        if index != self._index:
            self._index, self.used = index, 0
        self.used += count
        return self.used <= self.limit

    def retry_seconds(self, now_ns: int) -> int:
        """Whole seconds until the window begins anew."""
        return -(-(self.span_ns - now_ns % self.span_ns) // SECOND)


class Quota:
    """Request weight and orders of one client. With `is_applied` off it counts and refuses nothing."""

    def __init__(self, is_applied: bool) -> None:
        self.is_applied = is_applied
        self.weight = Window(WEIGHT_1M, 60 * SECOND)
        self.orders_10s = Window(ORDERS_10S, 10 * SECOND)
        self.orders_1m = Window(ORDERS_1M, 60 * SECOND)

    def take_weight(self, weight: int, now_ns: int) -> Refusal | None:
        """Count a request's weight; why it is refused, or None."""
        if self.weight.add(weight, now_ns) or not self.is_applied:
            return None
        return Refusal(
            -1003,
            f"Too many requests; current limit of IP is {WEIGHT_1M} requests per minute. "
            "Please use the websocket for live updates to avoid polling the API.",
            429,
        )

    def take_order(self, now_ns: int) -> Refusal | None:
        """Count an order; why it is refused, or None."""
        fits_10s = self.orders_10s.add(1, now_ns)
        fits_1m = self.orders_1m.add(1, now_ns)
        if not self.is_applied or (fits_10s and fits_1m):
            return None
        limit, span = (ORDERS_10S, "TEN_SECONDS") if not fits_10s else (ORDERS_1M, "MINUTE")
        return Refusal(-1015, f"Too many new orders; current limit is {limit} orders per {span}.", 429)
