"""Files of other recorders, built in code, and what an import makes of them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

from research.imports.reading import Reading
from research.imports.run import Report, import_files
from services.recorder.layout import label_of
from services.recorder.reader import files_of, read
from shared import codec
from shared.messages import Lob, Message
from shared.streams import Stream

T0_MS = 1_700_000_000_000
TARDIS_L2 = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
Side = Sequence[tuple[str, str]]


def written(path: Path, rows: Iterable[str]) -> Path:
    """A text file of these rows; gzip where the name says so."""
    text = "".join(f"{row}\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def run(
    files: Sequence[Path],
    output: Path,
    *,
    symbol: str | None = None,
    wanted: str = "auto",
    arrival_ns: int = 10_000_000,
    units: tuple[int | None, int | None] = (None, None),
) -> tuple[Report, dict[str, list[Message]]]:
    """Import; the report and every symbol's entries as they lie in the Parquet."""
    report = import_files(files, output, Reading(symbol, arrival_ns), wanted, units)
    return report, {
        row.symbol: [message for _, message in entries(output, row.symbol)] for row in report.symbols
    }


def entries(output: Path, symbol: str) -> list[tuple[str, Message]]:
    """(id, message) of one symbol in a folder of Parquet."""
    rows = read(files_of(output, label_of(Stream.MARKET, symbol)))
    return [(entry_id, codec.decode(data)) for entry_id, data in rows]


def books(messages: Iterable[Message]) -> list[tuple[int, list[int], list[int]]]:
    """(recv_ns, bids, asks) of each book, flat ticks and lots."""
    return [
        (row.recv_ns, codec.unpack_tiers(row.bids), codec.unpack_tiers(row.asks))
        for row in messages
        if isinstance(row, Lob)
    ]


def tardis_rows(at_us: int, is_snapshot: bool, bids: Side, asks: Side, symbol: str = "BTCUSDT") -> list[str]:
    """One message of `incremental_book_L2`, received 5 ms after the venue sent it."""
    flag = "true" if is_snapshot else "false"
    head = f"binance-futures,{symbol},{at_us - 5_000},{at_us},{flag}"
    return [f"{head},bid,{p},{q}" for p, q in bids] + [f"{head},ask,{p},{q}" for p, q in asks]
