"""The account's listenKey: one at a time, valid for 60 minutes of wall time from its last renewal."""

from __future__ import annotations

from collections.abc import Callable

from services.venue.orders import Refusal
from shared.units import SECOND

VALID_NS = 3600 * SECOND
UNKNOWN = Refusal(-1125, "This listenKey does not exist.")


class ListenKeys:
    """`new_key` makes the text of a key; it is the shell's, because it is random."""

    def __init__(self, new_key: Callable[[], str]) -> None:
        self._new_key = new_key
        self.key: str | None = None
        self._expires_ns = 0

    def create(self, now_ns: int) -> str:
        """The account's key, made or renewed."""
        if self.key is None:
            self.key = self._new_key()
        self._expires_ns = now_ns + VALID_NS
        return self.key

    def renew(self, now_ns: int) -> str | Refusal:
        """Renew the key, where there is one."""
        return UNKNOWN if self.key is None else self.create(now_ns)

    def drop(self) -> str | None:
        """End the key. Returns it, or None where there was none."""
        key, self.key = self.key, None
        return key

    def expire(self, now_ns: int) -> str | None:
        """End the key when its time is over. Returns it then."""
        return self.drop() if self.key is not None and now_ns >= self._expires_ns else None
