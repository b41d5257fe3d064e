"""Market entries as CSV in the layouts of Tardis, which many tools read: `book_snapshot_20` and `trades`.

Times are microseconds since the epoch there: nanoseconds are cut off.
"""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType

from shared.codec import unpack_tiers
from shared.messages import AggTrade, Lob, Message
from shared.units import Scale

TIERS = 20
US = 1_000
EXCHANGE = "binance-futures"
TRADE_HEADER = ("exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount")
BOOK_HEADER = (
    "exchange",
    "symbol",
    "timestamp",
    "local_timestamp",
    *(
        f"{side}[{n}].{what}"
        for n in range(TIERS)
        for side in ("asks", "bids")
        for what in ("price", "amount")
    ),
)


class CsvWriter:
    """Writes one symbol's books and trades to two files. Fewer tiers than 20 leave the fields empty."""

    def __init__(self, symbol: str, book: Path, trades: Path) -> None:
        self.symbol = symbol
        self._files = [path.open("w", newline="", encoding="utf-8") for path in (book, trades)]
        self._book, self._trades = (csv.writer(file, lineterminator="\n") for file in self._files)
        self._book.writerow(BOOK_HEADER)
        self._trades.writerow(TRADE_HEADER)
        self.rows = 0

    def add(self, message: Message) -> None:
        """One entry; others than books and trades are passed over."""
        if isinstance(message, Lob):
            scale = Scale(message.tick_e9, message.lot_e9)
            asks, bids = _tiers(message.asks, scale), _tiers(message.bids, scale)
            tiers = [text for n in range(TIERS) for side in (asks, bids) for text in side[2 * n : 2 * n + 2]]
            self._book.writerow([*self._head(message.exchange_ns, message.recv_ns), *tiers])
        elif isinstance(message, AggTrade):
            scale = Scale(message.tick_e9, message.lot_e9)
            side = "buy" if message.side > 0 else "sell"
            facts = (
                message.agg_id,
                side,
                scale.price_text(message.price_ticks),
                scale.size_text(message.size_lots),
            )
            self._trades.writerow([*self._head(message.exchange_ns, message.recv_ns), *facts])
        else:
            return
        self.rows += 1

    def _head(self, exchange_ns: int, recv_ns: int) -> tuple[str, str, int, int]:
        return EXCHANGE, self.symbol, exchange_ns // US, recv_ns // US

    def __enter__(self) -> CsvWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()


def _tiers(packed: bytes, scale: Scale) -> list[str]:
    """Price and amount of each tier, best first, and empty texts where there are fewer than 20."""
    flat = unpack_tiers(packed)
    texts = [
        text
        for ticks, lots in zip(flat[::2], flat[1::2], strict=True)
        for text in (scale.price_text(ticks), scale.size_text(lots))
    ]
    return texts + [""] * (2 * TIERS - len(texts))
