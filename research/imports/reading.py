"""What all importers share while they read: whom they import, how arrival is made up, what they left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from research.imports import source
from research.imports.skips import Skips
from research.imports.source import Progress, Table
from shared.errors import BadFrame, BadInput, BadSetting
from shared.streams import check_symbol
from shared.units import MS, Scale

T = TypeVar("T")

ARRIVAL_NS = 10 * MS


class Reading:
    """One import. `symbol` limits it to one, and names it where the files do not. `arrival_ns` is how long
    an entry took to arrive where the files tell no time of arrival."""

    def __init__(
        self, symbol: str | None = None, arrival_ns: int = ARRIVAL_NS, progress: Progress | None = None
    ) -> None:
        self.symbol = symbol
        self.arrival_ns = arrival_ns
        self.progress = progress
        self.skips = Skips()
        self.rows: Counter[Path] = Counter()  # read, with those left out
        self.scales: dict[str, Scale] = {}  # tick and lot size where the files tell them
        self.is_arrival_made = False  # some file told no time of arrival

    def table(self, path: Path, names: list[str] | None = None) -> Table:
        """A table whose rows are counted."""
        columns, rows = source.table(path, names, self.progress)
        return Table(columns, self._counted(path, rows))

    def lines(self, path: Path) -> Iterator[tuple[int, bytes]]:
        """The lines of a text file, counted."""
        return self._counted(path, source.lines(path, self.progress))

    def wants(self, symbol: str) -> bool:
        """Whether this symbol is imported."""
        return self.symbol is None or symbol == self.symbol

    def named(self, path: Path, found: str | None) -> str:
        """The symbol of a file that holds one. Raises BadInput where neither file nor user tells it."""
        symbol = self.symbol or found
        if symbol is None:
            raise BadInput(f"{path}: neither name nor content tells the symbol; give --symbol")
        return symbol

    def _counted(self, path: Path, rows: Iterator[tuple[int, T]]) -> Iterator[tuple[int, T]]:
        count = 0
        try:
            for count, row in enumerate(rows, 1):  # noqa: B007 - it is used in `finally`
                yield row
        finally:
            self.rows[path] += count


@lru_cache(4_096)
def symbol_of(text: str) -> str:
    """A symbol as the venue writes it.

    >>> symbol_of("btc/usdt"), symbol_of("BTCUSD_PERP")
    ('BTCUSDT', 'BTCUSD_PERP')
    """
    try:
        return check_symbol(text.strip().upper().replace("/", "").replace("-", ""))
    except BadSetting as error:
        raise BadFrame("the symbol is none") from error
