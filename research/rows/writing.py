"""Labelled rows to a file a day, each under its name only when it is whole."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from research.labels import Ints
from research.microprice import Counts, no_counts
from research.rows.layout import (
    FRAME,
    PAGE,
    Labels,
    Page,
    Plan,
    Rows,
    arrow_schema,
    date_at,
    day_path,
    start_of,
)
from services.features import schema
from services.recorder.place import Draft

GROUP_ROWS = 20_000  # rows held before they are written: 4 MB of 30 columns


class DayFile:
    """One day's file while it is written."""

    def __init__(self, folder: Path, date: str, plan: Plan) -> None:
        self.date = date
        self._plan = plan
        self._draft = Draft(day_path(folder, date))
        self._writer = pq.ParquetWriter(
            self._draft.sink,
            arrow_schema(plan.names, plan.horizons_s),
            compression="zstd",
            compression_level=1,
            use_dictionary=False,
        )
        self._held: list[pa.Table] = []
        self._span = (0, 0)  # recv_ns of the first and last row
        self.rows = 0

    def add(self, rows: Rows, labels: Labels) -> None:
        """Further rows of this day."""
        columns: dict[str, Any] = dict(zip(FRAME, rows, strict=False))  # the last of `rows` is `values`
        columns |= {f"x.{name}": rows.values[:, at] for at, name in enumerate(self._plan.names)}
        for h in self._plan.horizons_s:
            columns |= {f"y.{h}": labels.y[h], f"known.{h}": labels.known[h], f"late.{h}": labels.late[h]}
        table = pa.table(columns, schema=arrow_schema(self._plan.names, self._plan.horizons_s))
        first_ns = self._span[0] if self.rows else int(rows.recv_ns[0])
        self._span = (first_ns, int(rows.recv_ns[-1]))
        self.rows += len(rows.recv_ns)
        self._held.append(table)
        if sum(map(len, self._held)) >= GROUP_ROWS:
            self._flush()

    def close(self, symbol: str, source: str, breaks_ns: Ints, quotes: Counts) -> None:
        """Finish the file and give it its name."""
        self._flush()
        page = Page(
            symbol=symbol,
            date=self.date,
            schema=schema.SCHEMA_HASH,
            source=source,
            sample_ms=self._plan.sample_ms,
            horizons_s=self._plan.horizons_s,
            latency_ns=self._plan.latency_ns,
            names=self._plan.names,
            rows=self.rows,
            from_ns=self._span[0],
            until_ns=self._span[1],
            breaks_ns=tuple(breaks_ns.tolist()),
            stays=tuple(quotes.stays.astype(np.int64).ravel().tolist()),
            moves=tuple(quotes.moves.astype(np.int64).ravel().tolist()),
            drift=tuple(quotes.drift.astype(np.int64).tolist()),
        )
        self._writer.add_key_value_metadata({PAGE.decode(): msgspec.json.encode(page).decode()})
        self._writer.close()
        self._draft.publish(replaces=True)

    def drop(self) -> None:
        """Leave nothing behind."""
        self._writer.close()
        self._draft.drop()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(pa.concat_tables(self._held))
            self._held = []


class Calendar:
    """Labelled rows of one symbol in order, a file a day."""

    def __init__(self, folder: Path, symbol: str, source: str, plan: Plan) -> None:
        self._folder, self._symbol, self._source, self._plan = folder, symbol, source, plan
        self._open: DayFile | None = None
        self._quotes: dict[str, Counts] = {}
        self._breaks: dict[str, list[int]] = {}
        self.dates: list[str] = []  # of the finished files

    def count(self, date: str, quotes: Counts) -> None:
        """Transitions of the best of the book that ended on `date`. Before that day's rows."""
        self._quotes[date] = self._quotes.get(date, no_counts()).plus(quotes)

    def note(self, breaks_ns: Ints) -> None:
        """Breaks, before the rows that follow them."""
        for at_ns in breaks_ns.tolist():
            self._breaks.setdefault(date_at(at_ns), []).append(at_ns)

    def add(self, rows: Rows, labels: Labels) -> None:
        """Further rows, of one day or more."""
        for chosen in by_day(rows.recv_ns):
            date = date_at(int(rows.recv_ns[chosen][0]))
            if self._open is None or self._open.date != date:
                self.close()
                self._open = DayFile(self._folder, date, self._plan)
            part = Labels._make({h: column[chosen] for h, column in kind.items()} for kind in labels)
            self._open.add(rows.part(chosen), part)

    def close(self) -> None:
        """Finish the day that is open."""
        if self._open is not None:
            day, self._open = self._open, None
            breaks_ns = np.array(self._breaks.pop(day.date, []), np.int64)
            day.close(self._symbol, self._source, breaks_ns, self._quotes.pop(day.date, no_counts()))
            self.dates.append(day.date)

    def drop(self) -> None:
        """Leave the day that is open unfinished."""
        if self._open is not None:
            self._open.drop()
            self._open = None


def by_day(recv_ns: Ints) -> list[slice]:
    """Ascending times, cut at midnight UTC."""
    if len(recv_ns) == 0:
        return []
    first, last = date_at(int(recv_ns[0])), date_at(int(recv_ns[-1]))
    days = np.arange(np.datetime64(first), np.datetime64(last) + 1).astype(str).tolist()
    edges = np.searchsorted(recv_ns, [start_of(day) for day in days], "left").tolist()
    edges = [*edges, len(recv_ns)]
    return [slice(low, high) for low, high in pairwise(edges) if high > low]
