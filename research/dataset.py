"""Recordings to rows: per symbol a matrix of features sampled on a grid of time, and the mid price to label
it.

Two sources, one result: raw recordings go through the collector's own core (`research.market`), a folder of
the recorder's Parquet is read as it lies. Both give the market entries that the services saw, and the
features are computed by the code that computes them live.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from research.breaks import Breaks
from research.labels import Flags, Floats, Ints, Track
from research.market import market_entries
from research.microprice import Quotes
from services.features import batch, schema
from services.recorder.layout import label_of
from services.recorder.reader import files_of, read
from shared import codec
from shared.errors import BadInput
from shared.messages import AggTrade, Lob, Market, Message
from shared.streams import Stream
from shared.units import MS

COLUMNS = (
    "values",
    "recv_ns",
    "clean_ns",
    "breaks_before",
    "mid",
    "spread",
    "spread_ticks",
    "imbalance_1",
    "imbalance_5",
    "last_return",
)


@dataclass(frozen=True)
class Dataset:
    """One symbol's rows, ascending in time: the last valid book at or before each point of the grid."""

    symbol: str
    sample_ms: int
    schema: str
    values: Floats  # (n, k), the published vector
    recv_ns: Ints  # (n,), of the book
    clean_ns: Ints  # (n,), time since the last gap
    breaks_before: Ints  # (n,), see research.labels
    mid: Floats  # (n,), quote currency
    spread: Floats  # (n,), quote currency
    spread_ticks: Ints  # (n,)
    imbalance_1: Floats  # (n,), (bid size - ask size) / their sum at the best level
    imbalance_5: Floats  # (n,), the same over five levels
    last_return: Floats  # (n,), change of the mid since the row before, 0 where they do not follow
    quotes: Quotes
    track: Track
    from_ns: int
    until_ns: int
    entries: int
    sha256: str  # of the market entries of the whole recording, ids and bytes; of a history, its arrays
    files: tuple[str, ...] = ()  # names of what was read, without their folders
    trades: int | None = None  # aggTrades in all of the recording; not known of a part
    paths: tuple[Path, ...] = ()  # what was read, to be read again by who needs every book; never written

    def rows(self, mask: Flags) -> Dataset:
        """The same data with the rows of `mask` only."""
        return replace(self, **{name: getattr(self, name)[mask] for name in COLUMNS})

    def part(self, from_share: float, to_share: float) -> Dataset:
        """The rows in a part of the recording's time; nothing after it is known to their labels."""
        if not 0.0 <= from_share < to_share <= 1.0:
            raise BadInput(f"{from_share:g} to {to_share:g} is no part of 0 to 1")
        span = self.until_ns - self.from_ns
        return self.between(self.from_ns + int(span * from_share), self.from_ns + int(span * to_share))

    def between(self, from_ns: int, until_ns: int) -> Dataset:
        """The rows in a span of time, as far as the recording reaches; nothing after it is known to their
        labels. Raises BadInput where the recording lies elsewhere."""
        if from_ns > self.until_ns or until_ns < self.from_ns:
            raise BadInput(f"{self.symbol}: no data in the part of the time that is asked for")
        is_all = from_ns <= self.from_ns and until_ns >= self.until_ns
        from_ns, until_ns = max(from_ns, self.from_ns), min(until_ns, self.until_ns)
        inside = self.rows((self.recv_ns >= from_ns) & (self.recv_ns <= until_ns))
        return replace(
            inside,
            quotes=self.quotes.between(from_ns, until_ns),
            track=self.track.until(until_ns),
            from_ns=from_ns,
            until_ns=until_ns,
            trades=self.trades if is_all else None,
        )


def load(
    paths: Path | Sequence[Path], symbol: str | None = None, sample_ms: int = 1000, prefer: Sequence[str] = ()
) -> Dataset:
    """The dataset of one symbol. Raises BadInput where the data hold none, or several and none is named; of
    several the one of `prefer` is taken, if there is one."""
    paths = (paths,) if isinstance(paths, Path) else tuple(paths)
    entries = _some(paths)
    preferred = [one for one in prefer if one in entries]
    if symbol is None and len(preferred) == 1:
        symbol = preferred[0]
    if symbol is None and len(entries) > 1:
        raise BadInput(f"the data hold {', '.join(sorted(entries))}; name one with --symbol")
    chosen = symbol if symbol is not None else next(iter(entries))
    if chosen not in entries:
        raise BadInput(f"the data hold no {chosen}, only {', '.join(sorted(entries))}")
    return _from(paths, sample(chosen, entries[chosen], sample_ms))


def load_all(paths: Sequence[Path], symbols: Sequence[str] = (), sample_ms: int = 1000) -> list[Dataset]:
    """The datasets of `symbols`, or of all that the data hold, by name. Raises BadInput where one is not
    there."""
    paths = tuple(paths)
    entries = _some(paths)
    for symbol in symbols:
        if symbol not in entries:
            raise BadInput(f"the data hold no {symbol}, only {', '.join(sorted(entries))}")
    wanted = sorted(set(symbols) or entries)
    return [_from(paths, sample(symbol, entries[symbol], sample_ms)) for symbol in wanted]


def _from(paths: tuple[Path, ...], data: Dataset) -> Dataset:
    return replace(data, files=tuple(path.name for path in paths), paths=paths)


def _some(paths: tuple[Path, ...]) -> dict[str, list[tuple[str, Message]]]:
    entries = _read(paths)
    if not entries:
        raise BadInput(f"{', '.join(str(path) for path in paths)}: no market data")
    return entries


def _read(paths: Sequence[Path]) -> dict[str, list[tuple[str, Message]]]:
    folders = [path for path in paths if path.is_dir()]
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path}: no such file or folder")
    if folders and len(folders) < len(paths):
        raise BadInput("give raw recordings or a recorder's folder, not both")
    entries: dict[str, list[tuple[str, Message]]] = {}
    if not folders:
        for symbol, entry_id, message in market_entries(paths):
            entries.setdefault(symbol, []).append((entry_id, message))
        return entries
    for folder in folders:
        runs = sorted(one.parent.name for one in folder.glob("*/stream=market"))
        if runs and not (folder / "stream=market").exists():
            raise BadInput(f"{folder} holds runs; give one of them: {', '.join(runs)}")
        for place in sorted((folder / "stream=market").glob("symbol=*")):
            symbol = place.name.removeprefix("symbol=")
            entries.setdefault(symbol, []).extend(entries_in(folder, symbol))
    return entries


def entries_in(folder: Path, symbol: str) -> Iterator[tuple[str, Message]]:
    """(entry id, market entry) of one symbol in a recorder's folder, in stream order."""
    for entry_id, data in read(files_of(folder, label_of(Stream.MARKET, symbol))):
        yield entry_id, codec.decode(data)


class Books(NamedTuple):
    """Every book of one symbol, in order, and the vectors of those that may become rows."""

    recv_ns: Ints  # (n,) ascending
    bid_ticks: Ints  # (n,)
    ask_ticks: Ints  # (n,)
    tick_e9: Ints  # (n,)
    clean_ns: Ints  # (n,)
    breaks_before: Ints  # (n,)
    imbalance_1: Floats  # (n,)
    kept: Ints  # (k,) ascending: the books that `values` are of
    values: Floats  # (k, `schema.WIDTH`)


def books_of(computed: batch.Batch, breaks_before: Ints) -> Books:
    """All books of which the vectors are there; `breaks_before` is (n,)."""
    (one,) = schema.indices(["imbalance_1"])
    return Books(
        recv_ns=computed.recv_ns,
        bid_ticks=computed.bid_ticks,
        ask_ticks=computed.ask_ticks,
        tick_e9=computed.tick_e9,
        clean_ns=computed.clean_ns,
        breaks_before=breaks_before,
        imbalance_1=computed.values[:, one],
        kept=np.arange(len(breaks_before), dtype=np.int64),
        values=computed.values,
    )


class Origin(NamedTuple):
    """What the books are a part of."""

    from_ns: int
    until_ns: int  # nothing is known beyond
    breaks_ns: Ints  # (b,) ascending
    entries: int
    sha256: str
    trades: int | None = None


def sample(symbol: str, entries: Sequence[tuple[str, Message]], sample_ms: int = 1000) -> Dataset:
    """Rows from one symbol's market entries, in stream order. Raises BadInput where no book is among them,
    where time goes back, and for entries that no collector writes."""
    try:
        computed = batch.compute(entries)
    except ValueError as error:
        raise BadInput(f"{symbol}: {error}") from error
    before, breaks_ns = _breaks(entries)
    if len(before) != len(computed.recv_ns):
        raise BadInput(f"{symbol}: {len(computed.recv_ns)} vectors of {len(before)} books")
    books = books_of(computed, np.array(before, dtype=np.int64))
    origin = Origin(
        from_ns=_ns(entries[0][1]),
        until_ns=_ns(entries[-1][1]),
        breaks_ns=np.array(breaks_ns, dtype=np.int64),
        entries=len(entries),
        sha256=_digest(entries),
        trades=sum(isinstance(message, AggTrade) for _, message in entries),
    )
    return dataset(symbol, books, origin, sample_ms)


def dataset(symbol: str, books: Books, origin: Origin, sample_ms: int = 1000) -> Dataset:
    """Rows from one symbol's books. Raises BadInput where none is valid, ValueError where the vector of a
    row was not kept."""
    bid, ask, recv_ns = books.bid_ticks, books.ask_ticks, books.recv_ns
    valid = np.flatnonzero((bid > 0) & (ask > bid))
    if len(valid) == 0:
        raise BadInput(f"{symbol}: no valid book in the data")
    price = books.tick_e9 / 1e9
    mid = (bid + ask) * price / 2.0
    step_ns = sample_ms * MS
    grid = np.arange(-(-origin.from_ns // step_ns), origin.until_ns // step_ns + 1, dtype=np.int64) * step_ns
    at = np.searchsorted(recv_ns[valid], grid, "right") - 1
    fresh = (at >= 0) & (recv_ns[valid][np.maximum(at, 0)] > grid - step_ns)
    chosen = valid[at[fresh]]
    follows = np.diff(grid[fresh], prepend=grid[0] - 2 * step_ns) == step_ns
    follows &= np.diff(books.breaks_before[chosen], prepend=-1) == 0
    (five,) = schema.indices(["imbalance_5"])
    values = books.values[_places(books.kept, chosen)]
    return Dataset(
        symbol=symbol,
        sample_ms=sample_ms,
        schema=schema.SCHEMA_HASH,
        values=values,
        recv_ns=recv_ns[chosen],
        clean_ns=books.clean_ns[chosen],
        breaks_before=books.breaks_before[chosen],
        mid=mid[chosen],
        spread=((ask - bid) * price)[chosen],
        spread_ticks=(ask - bid)[chosen],
        imbalance_1=books.imbalance_1[chosen],
        imbalance_5=values[:, five],
        last_return=np.where(follows, np.diff(mid[chosen], prepend=0.0), 0.0),
        quotes=Quotes(
            recv_ns[valid],
            (bid + ask)[valid],
            books.imbalance_1[valid],
            (ask - bid)[valid],
            books.breaks_before[valid],
        ),
        track=Track(recv_ns[valid], mid[valid], origin.breaks_ns, origin.until_ns),
        from_ns=origin.from_ns,
        until_ns=origin.until_ns,
        entries=origin.entries,
        sha256=origin.sha256,
        trades=origin.trades,
    )


def _places(kept: Ints, chosen: Ints) -> Ints:
    """Where in `kept` the books `chosen` are."""
    if len(chosen) == 0:
        return chosen
    places = np.minimum(np.searchsorted(kept, chosen), len(kept) - 1)
    if not np.array_equal(kept[places], chosen):
        raise ValueError("the vector of a row was not kept")
    return places


def _breaks(entries: Iterable[tuple[str, Message]]) -> tuple[list[int], list[int]]:
    """How many breaks precede each book, and the times of the breaks."""
    before: list[int] = []
    breaks_ns: list[int] = []
    breaks = Breaks()
    for _, message in entries:
        if breaks.follow(message):
            breaks_ns.append(_ns(message))
        if isinstance(message, Lob):
            before.append(len(breaks_ns))
    return before, breaks_ns


def _ns(message: Message) -> int:
    if not isinstance(message, Market):
        raise BadInput(f"{type(message).__name__} among market entries")
    return message.recv_ns


def _digest(entries: Iterable[tuple[str, Message]]) -> str:
    digest = hashlib.sha256()
    for entry_id, message in entries:
        digest.update(entry_id.encode())
        digest.update(codec.encode(message))
    return digest.hexdigest()
