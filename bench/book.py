"""From a diff's bytes to the bytes of its `Lob`, beside msgspec's decoding of the same bytes.

The collector's own core takes each frame: it scans it, applies it, takes the best 20 tiers and encodes the
entry, as it does live. In turn with that a typed msgspec decoder reads the same frames, and nothing else. All
frames are in memory, one core is used, and processor time is counted, so that other programs disturb the
comparison less. Snapshots that follow a loss are taken too; their time is not counted. What is reported are
medians of rounds, and the ratio of the two rates in each round.
"""

from __future__ import annotations

import gc
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.symbol import symbol_of
from services.collector.core import CollectorCore
from services.collector.feed import Out, Output
from services.collector.wire import Depth
from services.venue.lines import Line
from services.venue.recording import scan, timeline
from shared.codec import encode
from shared.errors import BadFrame, BadInput
from shared.messages import Lob
from shared.units import Scale

_decode = msgspec.json.Decoder(Depth).decode

Frames = list[tuple[int, bytes]]  # (recv_ns, the bytes of a diff)
Part = tuple[list[Line], Frames]  # what is only to be handled, and the diffs behind it that are measured


def measure(
    files: Sequence[Path], symbol: str | None, rounds: int, progress: Callable[[float], None]
) -> dict[str, Any]:
    """The rates in frames per second. `files` are one capture in sequence, `symbol` is needed where they hold
    several. Raises BadInput where no frame of them gives an entry."""
    instruments = scan(files)
    symbol = symbol_of(instruments, symbol)
    lines = [
        Line(event.recv_ns, event.symbol, event.kind, event.data)
        for event in timeline(files, instruments)
        if event.symbol == symbol and event.kind in ("depth", "snapshot")
    ]
    scale = instruments[symbol].scale
    parts = _parts(lines, symbol, scale)
    frames = [frame for _, diffs in parts for frame in diffs]
    ours, theirs, ratios = [], [], []
    entries = 0
    for done in range(rounds):
        seconds, entries = _apply(parts, symbol, scale)
        ours.append(len(frames) / seconds)
        theirs.append(len(frames) / _decode_only(frames))
        ratios.append(ours[-1] / theirs[-1])
        progress((done + 1) / rounds)
    if not entries:
        raise BadInput(f"no frame of {symbol} gave an entry: the book never became whole")
    return {
        "bench": "book",
        "files": [path.name for path in files],
        "symbol": symbol,
        "frames": len(frames),
        "entries": entries,
        "bytes_per_frame": round(sum(len(data) for _, data in frames) / len(frames)),
        "rounds": rounds,
        "cores": os.cpu_count(),
        "frames_per_second": round(median(ours)),
        "entries_per_second": round(median(ours) * entries / len(frames)),
        "microseconds_per_frame": round(1e6 / median(ours), 2),
        "decode_only_per_second": round(median(theirs)),
        "ratio": round(median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
        "ratio_most": round(max(ratios), 3),
    }


def _parts(lines: list[Line], symbol: str, scale: Scale) -> list[Part]:
    """What comes until the book is whole, and the diffs after it; then each later snapshot and its own."""
    core = CollectorCore({symbol: scale}, defaultdict(int))
    for number, line in enumerate(lines):
        _handle(core, line)
        if core.feeds[symbol].sync.is_live:
            begin = number + 1
            break
    else:
        raise BadInput(f"the book of {symbol} never becomes whole: no snapshot fits the diffs")
    parts: list[Part] = [(lines[:begin], [])]
    for line in lines[begin:]:
        if line.kind == "snapshot":
            parts.append(([line], []))
        else:
            parts[-1][1].append((line.recv_ns, line.data))
    if not any(frames for _, frames in parts):
        raise BadInput(f"no diff of {symbol} follows its snapshot")
    return parts


def _handle(core: CollectorCore, line: Line) -> list[Output]:
    try:
        if line.kind == "snapshot":
            return core.snapshot(line.recv_ns, line.symbol, line.data)
        return core.frame(line.recv_ns, f"{line.symbol.lower()}@{line.kind}", line.data)
    except BadFrame:
        return []  # as in the service, where it is parked


def _apply(parts: list[Part], symbol: str, scale: Scale) -> tuple[float, int]:
    """Seconds of the processor for all diffs, and how many `Lob` entries came of them."""
    core = CollectorCore({symbol: scale}, defaultdict(int))
    stream, seconds, entries = f"{symbol.lower()}@depth@100ms", 0.0, 0
    for opening, frames in parts:
        for line in opening:
            _handle(core, line)
        gc.collect()
        start = time.thread_time()
        for recv_ns, data in frames:
            try:
                outputs = core.frame(recv_ns, stream, data)
            except BadFrame:
                continue
            for output in outputs:
                if isinstance(output, Out):
                    encode(output.message)
                    entries += type(output.message) is Lob
        seconds += time.thread_time() - start
    return seconds, entries


def _decode_only(frames: Frames) -> float:
    gc.collect()
    start = time.thread_time()
    for _, data in frames:
        try:
            _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return time.thread_time() - start
