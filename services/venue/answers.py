"""REST answers in the venue's form: JSON, an error code where it refuses, and what was used of the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from services.venue.orders import Refusal
from services.venue.quota import Quota, Window


class Answers:
    """Makes answers. `now_ns` is the clock that limits run on: market time in lockstep, else wall time."""

    def __init__(self, quota: Quota, now_ns: Callable[[], int]) -> None:
        self.quota = quota
        self._now_ns = now_ns

    def give(self, payload: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> web.Response:
        """An answer; bytes are JSON already."""
        body = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        found = {"X-MBX-USED-WEIGHT-1M": str(self.quota.weight.used), **(headers or {})}
        return web.Response(body=body, status=status, content_type="application/json", headers=found)

    def refuse(self, refusal: Refusal, headers: Mapping[str, str] | None = None) -> web.Response:
        """A refusal, with `Retry-After` where a limit is the reason."""
        extra = dict(headers or {})
        if refusal.status == 429:
            extra["Retry-After"] = str(self._exceeded().retry_seconds(self._now_ns()))
        return self.give({"code": refusal.code, "msg": refusal.message}, extra, refusal.status)

    def weigh(self, weight: int) -> web.Response | None:
        """Count a request's weight. Returns the answer that refuses it, or None."""
        refusal = self.quota.take_weight(weight, self._now_ns())
        return None if refusal is None else self.refuse(refusal)

    def count_order(self) -> Refusal | None:
        """Count a new order; why it is refused, or None."""
        return self.quota.take_order(self._now_ns())

    def order_counts(self) -> dict[str, str]:
        """The headers that say how many orders were counted."""
        return {
            "X-MBX-ORDER-COUNT-10S": str(self.quota.orders_10s.used),
            "X-MBX-ORDER-COUNT-1M": str(self.quota.orders_1m.used),
        }

    def unknown(self, request: web.Request) -> web.Response:
        """The answer for a path or method that there is not."""
        text = f"Path {request.path}, Method {request.method} is invalid"
        return self.refuse(Refusal(-5000, text, 404))

    def _exceeded(self) -> Window:
        quota = self.quota
        over = [row for row in (quota.weight, quota.orders_1m, quota.orders_10s) if row.used > row.limit]
        return over[0] if over else quota.weight
