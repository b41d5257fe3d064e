"""Which version serves at which id: the `Promote` entries of one symbol, folded in their order."""

from __future__ import annotations

from bisect import bisect_right
from typing import TypeAlias

from shared.streams import parse_id

Id: TypeAlias = tuple[int, int]
START: Id = (0, 0)


class Schedule:
    """Versions by the first id they apply to. What is entered later supersedes everything that was to apply
    from its id on, so the answer depends on the control stream alone."""

    def __init__(self, default: str) -> None:
        self._starts: list[Id] = [START]
        self._versions: list[str] = [default]

    def promote(self, version: str, from_id: Id) -> None:
        """From `from_id` on, `version`."""
        keep = next((at for at, start in enumerate(self._starts) if start >= from_id), len(self._starts))
        self._starts[keep:] = [from_id]
        self._versions[keep:] = [version]

    def version(self, entry_id: Id) -> str:
        """The version that serves `entry_id`."""
        return self._versions[max(0, bisect_right(self._starts, entry_id) - 1)]


def is_id(text: str) -> bool:
    """True for `<ms>-<n>`."""
    try:
        return parse_id(text) > START
    except ValueError:
        return False
