"""Which column is which: names are compared in lower case, letters and digits alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from research.imports.reading import Reading
from research.imports.values import time_ns
from shared.errors import BadFrame, BadInput

ARRIVAL = ("localtimestamp", "localtime", "localts", "recvns", "recvtime", "recvts", "receivetime",
           "receivedat", "received", "receivens", "arrival", "arrivalns", "arrivaltime",
           "timestampofreceiveus", "timestampofreceive")  # fmt: skip
EXCHANGE = ("exchangens", "exchangetime", "transacttime", "transactiontime", "tradetime", "timestamp", "time",
            "datetime", "date", "ts", "eventtime")  # fmt: skip
PRICE = ("price", "p", "px")
SIZE = ("quantity", "qty", "size", "amount", "q", "volume")
SIDE = ("side", "takerside", "aggressor", "takerorderside")
MAKER = ("isbuyermaker", "buyermaker", "buyerismaker", "isbuyermarketmaker", "m")
TRADE_ID = ("tradeid", "id", "t")
SYMBOL = ("symbol", "instrument", "pair", "s")
BOOK = ("bids",)  # a column of lists
AGG_ID = ("aggtradeid", "aggid")


def plain(name: str) -> str:
    """A name as it is compared.

    >>> plain("Is_Buyer Maker"), plain("asks[0].price")
    ('isbuyermaker', 'asks0price')
    """
    return "".join(letter for letter in name.lower() if letter.isalnum())


def find(columns: Sequence[str], names: Sequence[str]) -> int | None:
    """The place of the first of `names` that is there."""
    places = {plain(name): at for at, name in reversed(list(enumerate(columns)))}
    return next((places[name] for name in names if name in places), None)


def need(columns: Sequence[str], names: Sequence[str], path: Path) -> int:
    """As `find`. Raises BadInput where none is there."""
    at = find(columns, names)
    if at is None:
        raise BadInput(f"{path}: no column {' or '.join(names)} among {', '.join(columns)[:200]}")
    return at


class Clock:
    """The two times of each row: the venue's and that of arrival. One of them is enough."""

    def __init__(self, columns: Sequence[str], path: Path, reading: Reading) -> None:
        self._arrival = find(columns, ARRIVAL)
        self._exchange = find(columns, EXCHANGE)
        if self._arrival is None and self._exchange is None:
            raise BadInput(f"{path}: no column of time among {', '.join(columns)[:200]}")
        self._delay_ns = reading.arrival_ns
        self.has_arrival = self._arrival is not None
        reading.is_arrival_made |= not self.has_arrival

    def exchange_ns(self, row: Sequence[str]) -> int:
        """The venue's time, else that of arrival."""
        at = self._arrival if self._exchange is None else self._exchange
        return time_ns(cell(row, at))

    def recv_ns(self, row: Sequence[str]) -> int:
        """The time of arrival, else the venue's and the stated delay."""
        if self._arrival is not None:
            return time_ns(cell(row, self._arrival))
        return self.exchange_ns(row) + self._delay_ns


def cell(row: Sequence[str], at: int | None) -> str:
    """One value, without blanks. Raises BadFrame where the row is too short."""
    if at is None or at >= len(row):
        raise BadFrame("the row is too short")
    return row[at].strip()
