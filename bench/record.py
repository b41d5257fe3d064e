"""How fast the recorder writes, beside how fast the market of 20 symbols comes.

The recorder's own path, from the bytes as they come from Redis: decode, columns, ledger, Parquet, zstd,
close, sync, rename. The entries are those of a recording: market, features and predictions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from research.market import market_entries
from services.features.core import FeaturesCore
from services.features.schema import SCHEMA_HASH
from services.recorder.archive import Archive
from services.recorder.core import Limits
from services.recorder.inventory import days
from services.recorder.layout import label_of
from shared import codec
from shared.errors import BadInput
from shared.messages import FeatureVector, Market, Prediction
from shared.streams import Stream
from shared.units import SECOND

Entry = tuple[bytes, bytes]
LIVE_SYMBOLS = 20
READ_COUNT = 512  # as the recorder reads
HORIZONS_S = (5, 10, 15)
STREAMS = (Stream.MARKET, Stream.FEATURES, Stream.PREDICTIONS)


def measure(
    file: Path, folder: Path, symbols: int, on_progress: Callable[[str, float], None]
) -> dict[str, Any]:
    """Write the recording's entries as `symbols` symbols to `folder`. Returns the figures; `ratio` is entries
    per second written over those of 20 symbols live."""
    on_progress("making entries", 0.0)
    entries, span_s = _entries(file)
    one = sum(map(len, entries.values()))
    raw_bytes = symbols * sum(len(data) for rows in entries.values() for _, data in rows)
    names = [f"S{n:02}" for n in range(symbols)]
    begun, cpu = time.perf_counter(), time.process_time()
    with Archive(folder, Limits()) as archive:
        for name in names:
            for stream in STREAMS:
                archive.resume(label_of(stream, name))
        longest = max(map(len, entries.values()))
        most_held = 0
        for at in range(0, longest, READ_COUNT):
            for name in names:
                for stream in STREAMS:
                    archive.add(
                        label_of(stream, name), entries[stream][at : at + READ_COUNT], time.monotonic()
                    )
            most_held = max(most_held, archive.held_bytes)
            on_progress("writing", min(1.0, (at + READ_COUNT) / longest))
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    written = list(days(folder))
    size, count = sum(day.size for day in written), sum(day.entries for day in written)
    if count != one * symbols:
        raise BadInput(f"{folder}: {count} entries of {one * symbols} were written")
    live_per_s = one / span_s * LIVE_SYMBOLS
    return {
        "file": str(file),
        "entries": count,
        "by_stream": {stream.label: len(entries[stream]) * symbols for stream in STREAMS},
        "symbols_written": symbols,
        "files": sum(len(day.files) for day in written),
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "entries_per_s": round(count / seconds),
        "bytes_per_entry": round(size / count, 1),
        "raw_bytes_per_entry": round(raw_bytes / count, 1),
        "most_held_bytes": most_held,
        "live_symbols": LIVE_SYMBOLS,
        "live_entries_per_s": round(live_per_s, 1),
        "live_gb_per_day": round(live_per_s * 86_400 * size / count / 1e9, 2),
        "ratio": round(count / seconds / live_per_s, 2),
    }


def _entries(file: Path) -> tuple[dict[Stream, list[Entry]], float]:
    """Per stream the entries of the recording's first symbol, and the seconds they span."""
    out: dict[Stream, list[Entry]] = {stream: [] for stream in STREAMS}
    core = FeaturesCore()
    chosen = None
    times: list[int] = []
    for symbol, name, message in market_entries([file]):
        chosen = chosen or symbol
        if symbol != chosen:
            continue
        assert isinstance(message, Market)
        entry_id = name.encode()
        times.append(message.recv_ns)
        out[Stream.MARKET].append((entry_id, codec.encode(message)))
        for made in core.handle(message, entry_id):
            # The minute's flow is passed on as it is.
            answer = _prediction(made) if isinstance(made, FeatureVector) else made
            out[Stream.FEATURES].append((entry_id, codec.encode(made)))
            out[Stream.PREDICTIONS].append((entry_id, codec.encode(answer)))
    if len(times) < 2 or times[-1] == times[0]:
        raise BadInput(f"{file}: too short to tell a rate")
    return out, (times[-1] - times[0]) / SECOND


def _prediction(vector: FeatureVector) -> Prediction:
    """What a linear model would say: the shape and size are those of a served one."""
    values = codec.unpack_values(vector.values)
    moves = tuple(sum(values[n::3]) * vector.tick_e9 / 1e9 for n in range(len(HORIZONS_S)))
    return Prediction(
        recv_ns=vector.recv_ns,
        model="20240808T235416-lasso-1a2b3c4d",
        schema=SCHEMA_HASH,
        expires_ns=vector.recv_ns + SECOND,
        bid_ticks=vector.bid_ticks,
        ask_ticks=vector.ask_ticks,
        tick_e9=vector.tick_e9,
        horizons_s=HORIZONS_S,
        moves=moves,
        thresholds=tuple(abs(move) for move in moves),
        reason="",
    )
