"""Files to one sequence of frames: which importer reads which, and all of them merged by time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path

from research.imports import cryptofeed, detect, levels, raw, snapshots, tardis, tickers, trades
from research.imports.detect import Found
from research.imports.reading import Reading
from services.venue.lines import Line
from shared.errors import BadInput
from shared.units import SECOND

TICKER, BOOKS = "binance-bookticker", ("tardis-l2", "tardis-snapshot", "snapshots")
BESIDE = ("cryptofeed", "flattened", "binance-depth")  # their files are of one time: each has its own stream
Group = tuple[Found, list[Path]]


def groups(files: Sequence[Path], wanted: str = detect.AUTO) -> list[Group]:
    """Files of one kind and symbol together: they follow each other in time, in the order given. Raises
    BadInput for a file that is not what was named, and where two sources would make one book."""
    out: dict[tuple[str, ...], Group] = {}
    for path in files:
        found = detect.check(wanted, detect.detect(path), path)
        key = (found.kind, found.symbol or "", "header" if found.header is None else "")
        if found.kind in BESIDE:
            key = (found.kind, str(path), "")
        out.setdefault(key, (found, []))[1].append(path)
    made: dict[str | None, str] = {}
    for found, _ in out.values():
        if found.kind in (TICKER, *BOOKS):
            other = made.setdefault(found.symbol, found.kind)
            if other != found.kind:
                raise BadInput(f"{other} and {found.kind} both make a book; import one of them")
    return list(out.values())


def merged(groups: Sequence[Group], reading: Reading) -> Iterator[Line]:
    """All frames of all groups in order of time."""
    streams = [_forward(_frames(found, paths, reading), paths) for found, paths in groups]
    return heapq.merge(*streams, key=lambda line: line.recv_ns)


def _frames(found: Found, paths: Sequence[Path], reading: Reading) -> Iterator[Line]:
    if found.kind == "hftbacktest":
        return raw.read(paths, found.symbol, reading)
    if found.kind == "cryptofeed":
        return cryptofeed.read(paths, reading)
    if found.kind == TICKER:
        return tickers.read(paths, found.symbol, found.header, reading)
    if found.kind == "tardis-l2":
        return tardis.read(paths, reading)
    if found.kind in ("tardis-snapshot", "snapshots"):
        return snapshots.read(paths, found.symbol, reading)
    if found.kind in ("binance-depth", "flattened"):
        return levels.read(paths, reading)
    is_aggregated = found.kind == "binance-aggtrades"
    return trades.read(paths, found.symbol, found.header, reading, is_aggregated)


def _forward(lines: Iterator[Line], paths: Sequence[Path]) -> Iterator[Line]:
    """The same lines, restamped where time goes back a little. Raises BadInput where it goes back by minutes:
    files are not in order then, or overlap."""
    last_ns = 0
    for line in lines:
        if line.recv_ns < last_ns:
            if last_ns - line.recv_ns > 60 * SECOND:
                names = ", ".join(str(path) for path in paths)
                raise BadInput(f"{names}: time goes back by {(last_ns - line.recv_ns) / SECOND:.0f} s; "
                               "give the files in order")  # fmt: skip
            line = line._replace(recv_ns=last_ns)
        last_ns = line.recv_ns
        yield line
