"""An import from beginning to end: files to raw captures, captures to market entries, and what came of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.downloads.store import Store
from research.imports import detect, sources
from research.imports.capture import Capture, Captures
from research.imports.reading import Reading
from research.imports.target import RAW, Target
from research.market import played
from services.venue.events import Instrument
from shared.errors import BadInput
from shared.messages import FeedStatus, Market, Message
from shared.units import Scale, e9_text

GAPS_SHOWN = 100  # of each symbol in the report; all are counted


@dataclass
class Imported:
    """What became of one symbol."""

    symbol: str
    scale: Scale
    scale_source: str  # given, exchangeInfo, or data: the greatest common divisor of what is in them
    frames: Counter[str]  # by kind, as in the capture
    entries: Counter[str]  # by kind, as in the Parquet
    first_ns: int
    last_ns: int
    gaps: list[tuple[int, str]]  # (recv_ns, reason), the first of them
    counts: dict[str, int]  # the collector's
    restamped: int  # frames stamped before the one before them
    capture: Path | None  # where the raw capture is kept

    @property
    def has_book(self) -> bool:
        """Whether the book became whole at any time."""
        return self.entries["Lob"] > 0

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "symbol": self.symbol,
            "tick": e9_text(self.scale.tick_e9),
            "lot": e9_text(self.scale.lot_e9),
            "scale_source": self.scale_source,
            "frames": dict(self.frames),
            "entries": dict(self.entries),
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "gaps": self.counts.get("gaps", 0),
            "gap_list": self.gaps,
            "crossed": self.counts.get("crossed", 0),
            "parked": self.counts.get("parked", 0),
            "bbo_checked": self.counts.get("bbo_checked", 0),
            "bbo_agree": self.counts.get("bbo_agree", 0),
            "trades_left_out": self.counts.get("trades_left_out", 0),
            "restamped": self.restamped,
            "has_book": self.has_book,
            "capture": None if self.capture is None else str(self.capture),
        }


@dataclass
class Report:
    """What became of an import."""

    files: list[dict[str, Any]]  # file, format, bytes, rows, and sha256 where it is kept beside the file
    arrival_ns: int | None  # what was added to the venue's times; None where all files tell arrivals
    skipped: list[dict[str, Any]]  # reason, count, file, line (of the first)
    symbols: list[Imported]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "files": self.files,
            "arrival_ns": self.arrival_ns,
            "skipped": self.skipped,
            "symbols": [row.plain() for row in self.symbols],
        }


def import_files(
    files: Sequence[Path],
    output: Path,
    reading: Reading,
    wanted: str = detect.AUTO,
    units: tuple[int | None, int | None] = (None, None),
    keeps_captures: bool = True,
    on_entries: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Import `files` into `output` (see `research.imports.target`). `units` are tick and lot in 1e-9 where
    they are given; `on_entries` is told a symbol, how many frames more its entries are made of, and of how
    many in all.

    Raises BadInput, in one line, where nothing can be imported; then nothing is left in `output`.
    """
    found = sources.groups(files, wanted)
    with Target(output) as target:
        with Captures(target.raw) as captures:
            for line in sources.merged(found, reading):
                captures.add(line)
        if not captures.by_symbol:
            raise BadInput(_nothing(files, reading))
        symbols = [
            _entries(symbol, capture, target, reading, units, on_entries)
            for symbol, capture in sorted(captures.by_symbol.items())
        ]
        kept: dict[Path, str] = {}
        if keeps_captures:
            for row in symbols:
                capture = captures.by_symbol[row.symbol]
                kept[capture.path] = capture.name
                row.capture = output / RAW / capture.name
        report = Report(
            [_file(path, group.kind, reading) for group, paths in found for path in paths],
            reading.arrival_ns if reading.is_arrival_made else None,
            [skip.plain() for skip in reading.skips],
            symbols,
        )
        target.finish(kept, report.plain())
    return report


def _entries(
    symbol: str,
    capture: Capture,
    target: Target,
    reading: Reading,
    units: tuple[int | None, int | None],
    on_entries: Callable[[str, int, int], None] | None,
) -> Imported:
    survey = capture.survey
    scale, source = _scale(symbol, capture, reading, units)
    first_ns, last_ns, frames = survey.first_ns, survey.last_ns, survey.frames
    instrument = Instrument(symbol, scale, first_ns, last_ns, frames, tuple(sorted(survey.snapshots)))
    resume = target.resume(symbol, survey.first_ns)
    counts: dict[str, int] = defaultdict(int)
    kinds: Counter[str] = Counter()
    gaps: list[tuple[int, str]] = []

    def entries() -> Iterator[tuple[str, Message]]:
        told = 0
        resumed = None if resume is None else {symbol: resume}
        # Nothing follows the last frame: what is imported next may.
        for _, entry_id, message in played([capture.path], {symbol: instrument}, counts, resumed, tail_ns=0):
            kinds[type(message).__name__] += 1
            if isinstance(message, FeedStatus) and message.state == "gap" and len(gaps) < GAPS_SHOWN:
                gaps.append((message.recv_ns, message.reason))
            if on_entries is not None and counts["frames"] - told >= 1000:
                on_entries(symbol, counts["frames"] - told, frames)
                told = counts["frames"]
            assert isinstance(message, Market)
            yield entry_id, message

    target.write(symbol, entries())
    return Imported(
        symbol,
        scale,
        source,
        capture.kinds,
        kinds,
        first_ns,
        last_ns,
        gaps,
        dict(counts),
        capture.restamped,
        None,
    )


def _scale(
    symbol: str, capture: Capture, reading: Reading, units: tuple[int | None, int | None]
) -> tuple[Scale, str]:
    """Tick and lot size, and where they are from. Raises BadInput where the data are finer than they say."""
    seen = capture.survey.units(symbol)
    base, source = seen, "data"
    told = reading.scales.get(symbol)
    if told is not None and not (seen.tick_e9 % told.tick_e9 or seen.lot_e9 % told.lot_e9):
        base, source = told, "exchangeInfo"  # else the answer is of another time than the data
    if units != (None, None):
        source = "given" if None not in units else f"given, {source}"
    scale = Scale(units[0] or base.tick_e9, units[1] or base.lot_e9)
    for name, unit, least in (("tick", scale.tick_e9, seen.tick_e9), ("lot", scale.lot_e9, seen.lot_e9)):
        if least % unit:
            raise BadInput(
                f"{symbol}: the data are multiples of {e9_text(least)}, which is no multiple of the {name} "
                f"{e9_text(unit)} ({source})"
            )
    return scale, source


def _file(path: Path, kind: str, reading: Reading) -> dict[str, Any]:
    told = {"file": str(path), "format": kind, "bytes": path.stat().st_size, "rows": reading.rows[path]}
    digest = Store(path).stored_digest()  # of a file that `lobflow data download` verified
    return told if digest is None else {**told, "sha256": digest}


def _nothing(files: Sequence[Path], reading: Reading) -> str:
    names = ", ".join(str(path) for path in files)
    wanted = f" of {reading.symbol}" if reading.symbol else ""
    for skip in reading.skips:
        return f"{names}: nothing{wanted} to import; {skip.path}, line {skip.line}: {skip.reason}"
    return f"{names}: nothing{wanted} to import"
