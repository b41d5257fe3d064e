"""The port through which a venue keeps what happens, so that it can go on after its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

PAUSE = "pause"  # the name of an effect that is no request: the market stood still


class Keeping(Protocol):
    """Told of everything before anybody else is."""

    def allow(self, limit_ns: int) -> None:
        """The market is about to go on, up to `limit_ns`."""

    def effect(self, at_ns: int, call: str, params: Mapping[str, str]) -> None:
        """A request is about to take effect."""

    async def close(self) -> None:
        """Nothing more happens."""
