"""Where labels end: a lost entry, a new epoch, or a feed that says it is not live."""

from __future__ import annotations

from shared.errors import BadInput
from shared.messages import FeedStatus, Market, Message


class Breaks:
    """Follows the market entries of one symbol, all kinds, in order."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None  # epoch and seq of the last entry, None before the first

    def follow(self, message: Message) -> bool:
        """Take the next entry. True where a label must not cross it. Raises BadInput for what is no market
        entry."""
        if not isinstance(message, Market):
            raise BadInput(f"{type(message).__name__} among market entries")
        is_broken = isinstance(message, FeedStatus) and message.state != "live"
        if self._last is not None:
            epoch, seq = self._last
            is_broken |= message.epoch != epoch or message.seq != seq + 1
        self._last = (message.epoch, message.seq)
        return is_broken
