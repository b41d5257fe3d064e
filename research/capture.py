"""A raw recording, checked: what it holds, what it lost, and whether its book is right.

Several files are one capture in sequence. They are read twice: tick and lot are the greatest common divisors
of all prices and quantities, so they are known only at the end. Nothing is held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from research.capture_check import NAMED, SymbolCheck
from services.venue.lines import read
from services.venue.survey import Survey
from shared.errors import BadInput
from shared.units import SECOND

TOTALS = (
    "snapshots", "snapshots_differ", "depth_applied", "depth_duplicates", "gaps", "crossed",
    "bbo_checked", "bbo_agree", "bbo_late_checked", "bbo_late_agree", "trade_id_gaps", "trade_ids_missing",
    "trade_duplicates", "zero_trades", "parked", "lobs",
)  # fmt: skip
EVERY = 20_000  # lines between two calls of `progress`


def verify(files: Sequence[Path], symbol: str | None, progress: Callable[[str, int], None]) -> dict[str, Any]:
    """What `lobflow verify` prints, of all symbols or of one. `progress` is told a text and how many lines
    were read since it last was.

    What is wrong is in the result: `ok` is False and `problems` names it. Raises BadInput only where nothing
    can be read at all.
    """
    surveys: dict[str, Survey] = {}
    cut: list[str] = []
    for path in files:
        try:
            for number, line in enumerate(read(path, lambda number, problem: None)):
                if symbol in (None, line.symbol):
                    if line.symbol not in surveys:
                        surveys[line.symbol] = Survey(path)
                    surveys[line.symbol].add(line)
                if number % EVERY == EVERY - 1:
                    progress(f"measuring {path.name}", EVERY)
        except BadInput as error:
            cut.append(str(error))
    scales = {symbol: survey.sizes() for symbol, survey in surveys.items()}
    checks = {symbol: SymbolCheck(symbol, scale) for symbol, scale in sorted(scales.items()) if scale}
    if not checks:
        raise BadInput(
            "; ".join(cut) or f"{files[0]}: holds no price and quantity of {symbol or 'any symbol'}"
        )
    unreadable: list[str] = []
    back: list[str] = []
    for path in files:
        _check(path, checks, unreadable, back, progress)
    return _result(files, checks, cut, unreadable, back)


def _check(
    path: Path,
    checks: dict[str, SymbolCheck],
    unreadable: list[str],
    back: list[str],
    progress: Callable[[str, int], None],
) -> None:
    begun: set[str] = set()

    def refused(number: int, problem: str) -> None:
        (back if problem.startswith("time goes back") else unreadable).append(
            f"{path.name}, line {number}: {problem}"
        )

    try:
        for number, line in enumerate(read(path, refused)):
            check = checks.get(line.symbol)
            if check is None:
                continue
            if line.symbol not in begun:
                begun.add(line.symbol)
                if line.recv_ns < check.last_ns:
                    back.append(f"{path.name}: begins before the file in front of it ends ({line.symbol})")
            check.add(line, f"{path.name}, {line.symbol} at {line.recv_ns}")
            if number % EVERY == EVERY - 1:
                progress(f"checking {path.name}", EVERY)
    except BadInput:
        return  # said already: the first pass ended at the same place


def _result(
    files: Sequence[Path],
    checks: dict[str, SymbolCheck],
    cut: list[str],
    unreadable: list[str],
    back: list[str],
) -> dict[str, Any]:
    symbols = {symbol: check.result() for symbol, check in checks.items()}
    frames: dict[str, int] = {}
    for row in symbols.values():
        for kind, count in row["frames"].items():
            frames[kind] = frames.get(kind, 0) + count
    totals = {name: sum(row[name] for row in symbols.values()) for name in TOTALS}
    first_ns = min(row["first_ns"] for row in symbols.values())
    last_ns = max(row["last_ns"] for row in symbols.values())
    problems = [*cut]
    for kind, found in (("unreadable lines", unreadable), ("times that go back", back)):
        problems += _named(kind, len(found), found)
    for symbol, check in checks.items():
        row = symbols[symbol]
        for kind in ("gaps", "trade_id_gaps", "parked"):
            problems += _named(f"{symbol}: {kind.replace('_', ' ')}", row[kind], check.problems[kind])
        if row["crossed"]:
            problems.append(f"{symbol}: the book was crossed {row['crossed']} times")
        wrong = row["bbo_checked"] - row["bbo_agree"] + row["bbo_late_checked"] - row["bbo_late_agree"]
        if wrong:
            problems.append(f"{symbol}: {wrong} bookTickers differ from the book at the same u")
        if row["snapshots_differ"]:
            problems.append(f"{symbol}: {row['snapshots_differ']} later snapshots differ from the book")
        if row["book"].startswith("never"):
            problems.append(f"{symbol}: the book is {row['book']}")
    return {
        "ok": not problems,
        "files": [str(path) for path in files],
        "frames": dict(sorted(frames.items())),
        **totals,
        "unreadable_lines": len(unreadable),
        "times_back": len(back),
        "first_time": _text(first_ns),
        "last_time": _text(last_ns),
        "first_ns": first_ns,
        "last_ns": last_ns,
        "seconds": round((last_ns - first_ns) / SECOND, 3),
        "book": {symbol: row["book"] for symbol, row in symbols.items()},
        "symbols": symbols,
        "problems": problems,
    }


def _named(kind: str, count: int, texts: list[str]) -> list[str]:
    """A count with the first places, as one text; nothing where there is none."""
    if not count:
        return []
    rest = f", and {count - NAMED} more" if count > NAMED else ""
    return [f"{kind}: {count} ({'; '.join(texts[:NAMED])}{rest})"]


def _text(at_ns: int) -> str:
    whole, fraction = divmod(at_ns, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
