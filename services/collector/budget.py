"""What may be asked of the venue's REST, over all symbols (pure): weight a minute, and the pauses it demands.

429 says that the limit was passed, 418 that we are banned; both may name when to come back (`Retry-After`,
or `banned until <ms>` in the text). Nothing is sent before that. Source: USD-M futures, general info, limits.
"""

from __future__ import annotations

import re
from collections import deque

from shared.units import MS, SECOND

MINUTE_NS = 60 * SECOND
FIRST_PAUSE_NS = 2 * SECOND  # where the venue names no time; doubled with each refusal
LONGEST_PAUSE_NS = 5 * MINUTE_NS
FIRST_BAN_NS = 2 * MINUTE_NS  # the shortest ban there is
BANNED = re.compile(rb"banned until (\d{13})")


class Budget:
    """One budget of `weight` a minute. `now_ns` is wall time."""

    def __init__(self, weight: int) -> None:
        self._weight = weight
        self._spent: deque[tuple[int, int]] = deque()  # (when, weight) of the last minute
        self._used = 0
        self._until_ns = 0  # nothing before this
        self._refusals = 0  # in a row

    def wait_ns(self, now_ns: int, weight: int) -> int:
        """How long to wait before a request of `weight`; 0 where it may go now."""
        while self._spent and self._spent[0][0] <= now_ns - MINUTE_NS:
            self._used -= self._spent.popleft()[1]
        if now_ns < self._until_ns:
            return self._until_ns - now_ns
        if self._used + weight <= self._weight or not self._spent:
            return 0
        return self._spent[0][0] + MINUTE_NS - now_ns

    def spend(self, now_ns: int, weight: int) -> None:
        """A request is sent."""
        self._spent.append((now_ns, weight))
        self._used += weight

    def answered(self) -> None:
        """A request was served."""
        self._refusals = 0

    def refused(self, now_ns: int, status: int, retry_after: str, body: bytes) -> int:
        """The venue answered 429 or 418. Returns how long nothing will be sent."""
        first_ns = FIRST_BAN_NS if status == 418 else FIRST_PAUSE_NS
        pause_ns = min(first_ns << min(self._refusals, 10), LONGEST_PAUSE_NS)
        self._refusals += 1
        banned = BANNED.search(body)
        if retry_after.strip().isdigit():
            pause_ns = int(retry_after) * SECOND
        if banned:
            pause_ns = max(pause_ns if retry_after else 0, int(banned[1]) * MS - now_ns)
        self._until_ns = max(self._until_ns, now_ns + pause_ns)
        return self._until_ns - now_ns
