"""What was left out of an import, with the reason and where it was first seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Skip:
    """Rows left out for one reason."""

    reason: str
    count: int
    path: Path
    line: int  # of the first

    def plain(self) -> dict[str, str | int]:
        """As JSON."""
        return {"reason": self.reason, "count": self.count, "file": str(self.path), "line": self.line}


class Skips:
    """All of them, by reason. Reasons are few and fixed: the particulars of a row are not part of one."""

    def __init__(self) -> None:
        self._by_reason: dict[str, Skip] = {}

    def add(self, reason: str, path: Path, line: int, count: int = 1) -> None:
        """Count more rows; `line` is the first."""
        seen = self._by_reason.get(reason)
        if seen is None:
            self._by_reason[reason] = Skip(reason, count, path, line)
        else:
            seen.count += count

    def __iter__(self) -> Iterator[Skip]:
        return iter(self._by_reason.values())

    @property
    def total(self) -> int:
        """How many rows were left out."""
        return sum(skip.count for skip in self._by_reason.values())
