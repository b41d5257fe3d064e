"""Which format a file has, by what is in it; the symbol, where name or content tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from research.imports import columnar, source
from research.imports.columns import AGG_ID, BOOK, PRICE, SIZE, SYMBOL, find
from research.imports.reading import symbol_of
from research.imports.tiers import Tiers
from shared.errors import BadFrame, BadInput, BadSetting

AUTO = "auto"
KINDS = {
    "hftbacktest": "raw captures, `<recv_ns> <frame>` a line",
    "cryptofeed": "cryptofeed's raw data collection",
    "binance-aggtrades": "Binance Vision aggTrades",
    "binance-trades": "Binance Vision trades",
    "binance-bookticker": "Binance Vision bookTicker, as a book of one tier",
    "binance-depth": "Binance's historical depth, a row a level",
    "tardis-l2": "Tardis incremental_book_L2",
    "tardis-snapshot": "Tardis book_snapshot_5, _25",
    "tardis-trades": "Tardis trades",
    "flattened": "captures flattened to a row a level",
    "snapshots": "Parquet or CSV of whole books",
    "trades": "Parquet or CSV of trades",
}
VISION_NAMES = {  # of files without a header: the venue wrote none until 2022, and writes none for spot
    "binance-aggtrades": ["agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id",
                          "transact_time", "is_buyer_maker", "is_best_match"],
    "binance-trades": ["id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"],
    "binance-bookticker": ["update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty",
                           "transaction_time", "event_time"],
}  # fmt: skip
RAW = re.compile(rb"\d{13,19} \s*\{")
CRYPTOFEED = re.compile(rb"configuration: |(wss?|https?)://\S+ (<->|->|<-) \d|\d{9,11}(\.\d+)?: [{\[]")
FLAG = re.compile(r"(?i)true|false")
NUMBER = re.compile(r"\d+(\.\d+)?")
# A name of a file begins with the symbol if that ends as symbols do.
NAMED = re.compile(
    r"(?i)([a-z0-9]{2,20}(?:usdt|usdc|fdusd|busd|tusd|usd|btc|eth|bnb|eur|try))(_perp|_\d{6})?(?=[-_. ])"
)
HEAD_LINES = 5


class Found(NamedTuple):
    """What a file is. `header`: the columns of a CSV file that names none."""

    kind: str
    symbol: str | None
    header: list[str] | None = None


def detect(path: Path) -> Found:
    """The format of one file. Raises BadInput where it is none of the known ones."""
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    named = _symbol_in_name(path)
    if not columnar.is_parquet(path):
        first = [text for _, text in islice(source.lines(path), HEAD_LINES) if text]
        if not first:
            raise BadInput(f"{path}: is empty")
        if RAW.match(first[0]):
            return Found("hftbacktest", named)
        if any(CRYPTOFEED.match(text) for text in first):
            return Found("cryptofeed", None)
    rows = source.head(path, 2)
    if not rows:
        raise BadInput(f"{path}: holds nothing but comments")
    kind = _by_header(rows[0], path)
    if kind is not None:
        return Found(kind, _symbol_in_row(rows) or named)
    kind = _by_values(rows[0])
    if kind is None:
        raise BadInput(f"{path}: of no known format; it begins {', '.join(rows[0])[:120]!r}")
    return Found(kind, named, VISION_NAMES[kind])


def check(wanted: str, found: Found, path: Path) -> Found:
    """`found`, if it is what the user named: a kind, its family (`binance`, `tardis`) or `auto`."""
    if wanted != AUTO and found.kind != wanted and not found.kind.startswith(f"{wanted}-"):
        raise BadInput(f"{path}: is {found.kind} ({KINDS[found.kind]}), not {wanted}")
    return found


def check_name(wanted: str) -> str:
    """The name of a format or family itself, or BadSetting with all there are."""
    families = {kind.partition("-")[0] for kind in KINDS}
    if wanted not in {AUTO, *KINDS, *families}:
        raise BadSetting(f"format {wanted!r}: one of {', '.join([AUTO, *sorted(families | set(KINDS))])}")
    return wanted


def _by_header(header: Sequence[str], path: Path) -> str | None:
    def has(*names: str) -> bool:
        return all(find(header, (name,)) is not None for name in names)

    if all(NUMBER.fullmatch(value) or FLAG.fullmatch(value) for value in header):
        return None
    is_tardis = has("exchange", "localtimestamp")
    if is_tardis and has("issnapshot"):
        return "tardis-l2"
    if has("firstupdateid", "lastupdateid", "updatetype"):
        return "binance-depth"
    if has("eventtype", "isask") or has("eventtype", "isbuyermarketmaker"):
        return "flattened"
    if has("bestbidprice", "bestaskprice", "updateid"):
        return "binance-bookticker"
    if find(header, AGG_ID) is not None:
        return "binance-aggtrades"
    if has("quoteqty") or has("baseqty"):
        return "binance-trades"
    if find(header, BOOK) is not None or Tiers.number_of(header):
        return "tardis-snapshot" if is_tardis else "snapshots"
    if find(header, PRICE) is not None and find(header, SIZE) is not None:
        return "tardis-trades" if is_tardis else "trades"
    raise BadInput(f"{path}: of no known format; its columns are {', '.join(header)[:200]}")


def _by_values(row: Sequence[str]) -> str | None:
    flags = [at for at, value in enumerate(row) if FLAG.fullmatch(value)]
    if not all(NUMBER.fullmatch(value) or FLAG.fullmatch(value) for value in row):
        return None
    if len(row) in (7, 8) and flags[:1] == [6]:
        return "binance-aggtrades"
    if len(row) in (6, 7) and flags[:1] == [5]:
        return "binance-trades"
    return "binance-bookticker" if len(row) == 7 and not flags else None


def _symbol_in_name(path: Path) -> str | None:
    match = NAMED.match(path.name)
    return match[0].upper() if match else None


def _symbol_in_row(rows: Sequence[Sequence[str]]) -> str | None:
    at = find(rows[0], SYMBOL)
    if at is None or len(rows) < 2 or at >= len(rows[1]):
        return None
    try:
        return symbol_of(rows[1][at])
    except BadFrame:
        return None
