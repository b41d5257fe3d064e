"""Recorded frames: files of `<recv_ns> <json>` lines, merged into one rising sequence of events.

A line holds a combined-stream frame (`{"stream": ..., "data": {...}}`) or a REST depth answer
(`{"lastUpdateId": ...}`). Files may be gzip or plain and hold one symbol or several; those of one symbol
follow each other. They are streamed: a recording is never held in memory. A line whose time cannot be read
ends the replay with BadInput; what else is not understood is passed on as kind `other`, for the collector to
park.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from services.venue.events import Event, Instrument
from services.venue.lines import Line, read
from services.venue.survey import Survey
from services.venue.tape import Tape, Trade
from shared.errors import BadFrame, BadInput

_trade = msgspec.json.Decoder(Trade)


def scan(files: Sequence[Path]) -> dict[str, Instrument]:
    """Read everything once: which symbols, from when to when, with what tick and lot size.

    Tick and lot are the greatest common divisors of all prices and quantities. Raises BadInput, one line that
    names file and line, for files that cannot be replayed.
    """
    if not files:
        raise BadInput("no recording was named: set LOBFLOW_VENUE_FILES")
    surveys: dict[str, Survey] = {}
    for path in files:
        before = {symbol: survey.last_ns for symbol, survey in surveys.items()}
        for line in read(path):
            if line.recv_ns < before.get(line.symbol, 0):
                raise BadInput(
                    f"{path}: overlaps an earlier file of {line.symbol} in time; give files in order"
                )
            survey = surveys.get(line.symbol)
            if survey is None:
                survey = surveys[line.symbol] = Survey(path)
            survey.add(line)
    return {
        symbol: Instrument(
            symbol, row.scale(symbol), row.first_ns, row.last_ns, row.frames, tuple(sorted(row.snapshots))
        )
        for symbol, row in sorted(surveys.items())
    }


def timeline(
    files: Sequence[Path], instruments: dict[str, Instrument], left_out: dict[str, int] | None = None
) -> Iterator[Event]:
    """All events in order of `recv_ns` (ties: order of files, then of lines), `seq` from 1 without a gap.

    `instruments` is what `scan` returned for the same files. Single trades come as aggTrades; `left_out` is
    told, per symbol, how many of them belonged to none.
    """
    tapes = {symbol: Tape(symbol) for symbol in instruments}
    merged = heapq.merge(*(read(path) for path in files), key=lambda line: line[0])
    for seq, line in enumerate(_aggregated(merged, tapes), 1):
        yield Event(seq, *line)
    if left_out is not None:
        left_out.update({symbol: tape.left_out for symbol, tape in tapes.items()})


def _aggregated(lines: Iterator[Line], tapes: dict[str, Tape]) -> Iterator[Line]:
    due_ns: int | None = None  # the earliest timer of all tapes
    for line in lines:
        if due_ns is not None and due_ns <= line.recv_ns:
            yield from _due(tapes, line.recv_ns)
            due_ns = _earliest(tapes)
        if line.kind != "trade":
            yield line
            continue
        try:
            closed = tapes[line.symbol].add(_trade.decode(line.data), line.recv_ns)
        except (msgspec.MsgspecError, BadFrame):
            yield line._replace(kind="other")
            continue
        if closed is not None:
            yield Line(line.recv_ns, line.symbol, "aggTrade", closed)
        due_ns = _earliest(tapes)
    yield from _due(tapes, None)


def _earliest(tapes: dict[str, Tape]) -> int | None:
    return min((tape.due_ns for tape in tapes.values() if tape.due_ns is not None), default=None)


def _due(tapes: dict[str, Tape], now_ns: int | None) -> Iterator[Line]:
    """What timers close up to `now_ns` (None: all of it), by time and then by symbol."""
    while True:
        due = min(
            ((tape.due_ns, name) for name, tape in tapes.items() if tape.due_ns is not None), default=None
        )
        if due is None or (now_ns is not None and due[0] > now_ns):
            return
        yield Line(due[0], due[1], "aggTrade", tapes[due[1]].close())
