"""Which files a publisher has for a span of days, and where. Pure.

Sources: the README of binance/binance-public-data; docs.tardis.dev, downloadable CSV files.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

from shared.errors import BadSetting

URLS = {"binance": "https://data.binance.vision", "tardis": "https://datasets.tardis.dev"}
TYPES = {
    "binance": ("aggTrades", "trades", "bookTicker"),
    "tardis": ("incremental_book_L2", "book_snapshot_25", "book_snapshot_5", "trades", "quotes"),
}
MARKETS = {"um": "futures/um", "cm": "futures/cm", "spot": "spot"}
PERIODS = ("daily", "monthly")


class Remote(NamedTuple):
    """One published file. `place` is its path below the base URL and below the local folder; `day` is the
    first day in it; `has_checksum` where `<url>.CHECKSUM` holds its sha256."""

    url: str
    place: PurePosixPath
    day: date
    has_checksum: bool


def binance(
    base_url: str, market: str, kind: str, symbol: str, first: date, last: date, period: str = "daily"
) -> list[Remote]:
    """Binance Vision's files from `first` to `last`, both included. Raises BadSetting for what is not
    published."""
    _known("market", market, tuple(MARKETS))
    _known("type", kind, TYPES["binance"])
    _known("period", period, PERIODS)
    _ordered(first, last)
    folder = PurePosixPath("data", MARKETS[market], period, kind, symbol)
    days = _days(first, last) if period == "daily" else _months(first.replace(day=1), last)
    form = "%Y-%m-%d" if period == "daily" else "%Y-%m"
    places = ((folder / f"{symbol}-{kind}-{day.strftime(form)}.zip", day) for day in days)
    return [Remote(f"{base_url.rstrip('/')}/{place}", place, day, True) for place, day in places]


def tardis(base_url: str, exchange: str, kind: str, symbol: str, first: date, last: date) -> list[Remote]:
    """Tardis's free files, of the first day of each month from `first` to `last`. Raises BadSetting where
    none is between them, or for a type that cannot be imported."""
    _known("type", kind, TYPES["tardis"])
    _ordered(first, last)
    days = [day for day in _months(first.replace(day=1), last) if day >= first]
    if not days:
        raise BadSetting(f"Tardis gives the first day of each month; none is from {first} to {last}")
    out = []
    for day in days:
        place = PurePosixPath("v1", exchange, kind, day.strftime("%Y/%m/%d"), f"{symbol}.csv.gz")
        out.append(Remote(f"{base_url.rstrip('/')}/{place}", place, day, False))
    return out


def _known(name: str, value: str, values: tuple[str, ...]) -> None:
    if value not in values:
        raise BadSetting(f"{name} {value!r}: one of {', '.join(values)}")


def _ordered(first: date, last: date) -> None:
    if last < first:
        raise BadSetting(f"from {first} to {last} is no span of days")


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _months(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first = (first + timedelta(days=32)).replace(day=1)
