"""A table of a report: the same rows for the page and, with all their digits, for a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Column:
    """`form` is a format for numbers (`.1%`, `+.3f`, `,`); texts are shown as they are."""

    name: str
    form: str = ""

    def shown(self, value: Value) -> str:
        """The cell for people: nothing where there is nothing, yes and no for a flag."""
        if value is None or (isinstance(value, float) and not isfinite(value)):
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        return format(value, self.form) if self.form and not isinstance(value, str) else str(value)


def columns(*specs: str) -> tuple[Column, ...]:
    """Columns from texts `name|form`, or the name alone.

    >>> columns("hit|.1%", "signal")
    (Column(name='hit', form='.1%'), Column(name='signal', form=''))
    """
    return tuple(Column(name, form) for name, _, form in (spec.partition("|") for spec in specs))


@dataclass(frozen=True)
class Table:
    """`name` is that of its CSV file. `note` says what to think of it. `shown` is how many rows the page has;
    the file has all."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Value]]
    note: str = ""
    shown: int = 60

    def csv(self) -> str:
        """All rows; what is not known is an empty cell."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(column.name for column in self.columns)
        for row in self.rows:
            writer.writerow(
                "" if isinstance(value, float) and not isfinite(value) else value for value in row
            )
        return out.getvalue()
