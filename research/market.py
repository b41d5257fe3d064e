"""Market entries of raw recordings, offline: the collector's own core over the venue's own timeline.

What comes out is, entry by entry and byte by byte, what the services publish when the same files are replayed
in lockstep; a test holds the two together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

from services.collector.core import CollectorCore
from services.collector.feed import Out, Output, Resume
from services.venue.events import Instrument
from services.venue.recording import scan, timeline
from services.venue.snapshots import is_answer
from shared.errors import BadFrame
from shared.messages import Message
from shared.units import SECOND

TAIL_NS = SECOND  # market time goes on for a second after the last frame, as in a replay


def market_entries(
    files: Sequence[Path],
    counts: MutableMapping[str, int] | None = None,
) -> Iterator[tuple[str, str, Message]]:
    """(symbol, entry id, message) of all symbols in `files`, several files being one capture in sequence.

    `counts` receives the collector's totals (frames, gaps, crossed, bbo_checked, bbo_agree, parked,
    trades_left_out, ...). Raises BadInput for files that cannot be replayed.
    """
    counts = defaultdict(int) if counts is None else counts
    yield from played(files, scan(files), counts)


def played(
    files: Sequence[Path],
    instruments: dict[str, Instrument],
    counts: MutableMapping[str, int],
    resume: Mapping[str, Resume] | None = None,
    tail_ns: int = TAIL_NS,
) -> Iterator[tuple[str, str, Message]]:
    """As `market_entries`, of files that were scanned already. `resume` says where streams that go on stand;
    `tail_ns` is how long market time goes on after the last frame."""
    core = CollectorCore({symbol: row.scale for symbol, row in instruments.items()}, counts, resume)
    wanted: set[str] = set()
    passed = dict.fromkeys(instruments, 0)  # snapshots of each symbol that went by
    early: dict[str, bytes] = {}  # snapshots nobody waited for, since the last diff: they answer the next
    left_out: dict[str, int] = {}
    for event in timeline(files, instruments, left_out):
        if event.kind == "snapshot":
            passed[event.symbol] += 1
            if event.symbol not in wanted:
                early[event.symbol] = event.data
                continue
        try:
            if event.kind == "snapshot":
                wanted.discard(event.symbol)
                outputs = core.snapshot(event.recv_ns, event.symbol, event.data)
            else:
                outputs = core.frame(event.recv_ns, f"{event.symbol.lower()}@{event.kind}", event.data)
            told = early.pop(event.symbol, None) if event.kind == "depth" else None
            asks = [output for output in outputs if not isinstance(output, Out)]
            if told is not None and asks and is_answer(told, event.data):
                outputs = [output for output in outputs if isinstance(output, Out)]
                outputs += core.snapshot(event.recv_ns, event.symbol, told)
        except BadFrame:
            counts["parked"] += 1
            continue
        for output in outputs:
            if isinstance(output, Out):
                yield output
            elif passed[output.symbol] < len(instruments[output.symbol].snapshots):
                wanted.add(output.symbol)
            else:  # no later snapshot in the recording: as when the venue answers that it has none
                core.snapshot_failed(event.recv_ns, output.symbol)
    counts["trades_left_out"] += sum(left_out.values())
    yield from _entries(core.tick(max(row.last_ns for row in instruments.values()) + tail_ns))


def _entries(outputs: list[Output]) -> Iterator[tuple[str, str, Message]]:
    for output in outputs:
        if isinstance(output, Out):
            yield output
