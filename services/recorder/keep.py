"""Which days are dropped (pure): by age and by total size, the oldest first, never what may still be needed.

Dropped are days of market, features, predictions and health. Decisions, executions, account and control are
kept for ever, and of each stream its newest day, from which the recorder goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from shared.streams import Stream

FOR_EVER = frozenset(stream.label for stream in Stream if stream.value.is_ledger)


class Keep(NamedTuple):
    """How much is kept; None is without limit. Days are counted back from the newest in the folder."""

    days: int | None = None
    size_bytes: int | None = None


class Held(NamedTuple):
    """One day of one stream."""

    date: str  # YYYY-MM-DD
    label: str
    size_bytes: int


def to_drop(held: Iterable[Held], keep: Keep) -> list[Held]:
    """The days to drop, oldest first.

    >>> days = [Held("2024-08-07", "market:{S}", 60), Held("2024-08-08", "market:{S}", 60)]
    >>> [day.date for day in to_drop(days, Keep(size_bytes=100))]
    ['2024-08-07']
    """
    listed = sorted(held)
    newest = {day.label: day.date for day in listed}
    last = max(newest.values(), default="")
    total = sum(day.size_bytes for day in listed)
    out = []
    for day in listed:
        if day.label.partition(":")[0] in FOR_EVER or day.date == newest[day.label]:
            continue
        is_old = keep.days is not None and _days_between(day.date, last) >= keep.days
        is_too_much = keep.size_bytes is not None and total > keep.size_bytes
        if is_old or is_too_much:
            out.append(day)
            total -= day.size_bytes
    return out


def _days_between(earlier: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days
