"""Market entries of raw recordings, offline: the collector's own core over the venue's own timeline.

What comes out is, entry by entry and byte by byte, what the services publish when the same files are replayed
in lockstep; a test holds the two together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path

from services.collector.core import CollectorCore
from services.collector.feed import Out, Output
from services.venue.recording import scan, timeline
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
    ...). Raises BadInput for files that cannot be replayed.
    """
    counts = defaultdict(int) if counts is None else counts
    instruments = scan(files)
    core = CollectorCore({symbol: row.scale for symbol, row in instruments.items()}, counts)
    wanted: set[str] = set()
    for event in timeline(files, instruments):
        if event.kind == "snapshot" and event.symbol not in wanted:
            continue
        try:
            if event.kind == "snapshot":
                wanted.discard(event.symbol)
                outputs = core.snapshot(event.recv_ns, event.symbol, event.data)
            else:
                outputs = core.frame(event.recv_ns, f"{event.symbol.lower()}@{event.kind}", event.data)
        except BadFrame:
            counts["parked"] += 1
            continue
        for output in outputs:
            if isinstance(output, Out):
                yield output
            elif any(at_ns > event.recv_ns for at_ns in instruments[output.symbol].snapshots):
                wanted.add(output.symbol)
            else:  # no later snapshot in the recording: as when the venue answers that it has none
                core.snapshot_failed(event.recv_ns, output.symbol)
    yield from _entries(core.tick(max(row.last_ns for row in instruments.values()) + TAIL_NS))


def _entries(outputs: list[Output]) -> Iterator[tuple[str, str, Message]]:
    for output in outputs:
        if isinstance(output, Out):
            yield output
