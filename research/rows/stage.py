"""Recordings to staged rows, a file a day, in memory that does not grow with the number of days.

Entries stream through the features' compiled loop in blocks, books become rows, rows wait for their labels
(over midnight too) and go to the day's file. Rows, labels and hashes are those of `research.dataset`.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from research.dataset import books_of
from research.microprice import Quotes, count
from research.rows.grid import Grid, Quoted
from research.rows.labelling import Labelling
from research.rows.layout import SOURCE, Plan, Source, date_at
from research.rows.source import Origin, Passage, Progress, origin
from research.rows.store import Store, opened
from research.rows.writing import Calendar, by_day
from services.features import batch, schema
from services.recorder.place import replace
from shared.errors import BadInput


def stage(
    paths: Sequence[Path],
    folder: Path,
    plan: Plan,
    symbol: str | None = None,
    progress: Progress = lambda what, share: None,
    block: int = batch.BLOCK,
) -> Store:
    """The rows of one symbol of `paths` below `folder`: those that are there, else made now.

    They are made in a hidden folder that gets its name when all days are in it; a second process with the
    same wish waits for the first. Raises BadInput where the data hold no valid book.
    """
    made_from = origin(paths, symbol)
    digest = made_from.digest(progress)
    name = f"{made_from.symbol}-{plan.key(made_from.symbol, digest)}"
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / f".{name}.lock"):
        final, draft = folder / name, folder / f".{name}.draft"
        if not final.exists():
            if draft.exists():  # of a process that was killed: we hold its lock
                shutil.rmtree(draft)
            draft.mkdir()
            try:
                _make(made_from, digest, draft, plan, progress, block)
                draft.rename(final)
            finally:
                if draft.exists():
                    shutil.rmtree(draft)
    return opened(final)


def _make(made_from: Origin, digest: str, folder: Path, plan: Plan, progress: Progress, block: int) -> None:
    calendar = Calendar(folder, made_from.symbol, digest, plan)
    try:
        source = _staged(made_from, digest, calendar, plan, progress, block)
    except BaseException:
        calendar.drop()
        raise
    replace(folder / SOURCE, msgspec.json.format(msgspec.json.encode(source), indent=1))


def _staged(
    made_from: Origin, digest: str, calendar: Calendar, plan: Plan, progress: Progress, block: int
) -> Source:
    passage, quotes, labelling = Passage(), _Transitions(calendar), Labelling(plan)
    grid: Grid | None = None
    for part in batch.blocks(passage.through(made_from.entries(progress)), block=block):
        before, breaks_ns = passage.take()
        if passage.from_ns is None:
            break
        if grid is None:
            grid = Grid(plan.names, plan.sample_ms, passage.from_ns)
        books = books_of(part, before)
        quoted, rows = grid.add(books, passage.until_ns)
        calendar.note(breaks_ns)
        quotes.add(quoted)
        calendar.add(*labelling.add(rows, quoted.recv_ns, quoted.mid, breaks_ns, passage.until_ns))
    if grid is None or passage.from_ns is None or quotes.is_empty:
        raise BadInput(f"{made_from.symbol}: no valid book in the data")
    calendar.add(*labelling.end(grid.end(passage.until_ns), passage.until_ns))
    calendar.close()
    return Source(
        symbol=made_from.symbol,
        source=digest,
        sha256=passage.sha256,
        schema=schema.SCHEMA_HASH,
        sample_ms=plan.sample_ms,
        horizons_s=plan.horizons_s,
        latency_ns=plan.latency_ns,
        names=plan.names,
        from_ns=passage.from_ns,
        until_ns=passage.until_ns,
        entries=passage.count,
        days=tuple(calendar.dates),
    )


class _Transitions:
    """Counts the quotes' transitions by the day in which each ends."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._last: Quoted | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no quote has come."""
        return self._last is None

    def add(self, quoted: Quoted) -> None:
        """The next quotes."""
        if len(quoted.recv_ns) == 0:
            return
        held = 0 if self._last is None else 1
        days = by_day(quoted.recv_ns)
        if self._last is not None:
            quoted = Quoted._make(np.concatenate(pair) for pair in zip(self._last, quoted, strict=True))
        for day in days:
            reach = slice(max(day.start + held - 1, 0), day.stop + held)
            part = Quoted._make(column[reach] for column in quoted)
            transitions = count(
                Quotes(part.recv_ns, part.half_ticks, part.imbalance, part.spread_ticks, part.breaks_before)
            )
            self._calendar.count(date_at(int(part.recv_ns[-1])), transitions)
        self._last = Quoted._make(column[-1:] for column in quoted)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process at the latest."""
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
