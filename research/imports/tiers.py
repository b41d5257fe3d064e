"""Where a table of whole books keeps its tiers.

One column for each price and quantity, of a side (`bid`, `ask`, `bids`, `asks`, `b`, `a`), of what it is
(`price`, `px`, `p`; `quantity`, `qty`, `size`, `amount`, `volume`, `vol`, `q`, `s`, `v`) and of the number of
the tier, counted from 0 or 1, with any marks between them: `asks[0].price`, `bid_price_1`, `bidSize20`,
`price_ask_3`, `bp1`. One tier alone needs no number: `ask_price`, `bid`. Or two columns `bids` and `asks` of
lists `[[price, quantity], ...]`, in CSV as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from research.imports.columns import cell, find, plain
from research.imports.frames import Levels
from research.imports.values import number
from shared.errors import BadFrame, BadInput

SIDES = {"bids": "bid", "bid": "bid", "b": "bid", "asks": "ask", "ask": "ask", "a": "ask"}
WHATS = {"price": "price", "px": "price", "p": "price"} | dict.fromkeys(
    ("quantity", "qty", "size", "amount", "volume", "vol", "q", "s", "v"), "size"
)
_SIDE, _WHAT = "(?P<side>bids?|asks?|b|a)", f"(?P<what>{'|'.join(WHATS)})"
_TIER, _MARKS = r"(?P<tier>\d{1,3})", r"(?:level|tier)?"
PATTERNS = [
    re.compile("".join(parts))
    for parts in (
        (_SIDE, _MARKS, _TIER, _WHAT),
        (_SIDE, _WHAT, _MARKS, _TIER),
        (_WHAT, _SIDE, _MARKS, _TIER),
        (_SIDE, _MARKS, _TIER),
        ("(?P<side>bids?|asks?)", _WHAT),  # one tier alone
        ("(?P<side>bid|ask)",),
    )
]
_rows = msgspec.json.Decoder(list[tuple[str | float | int, str | float | int]], strict=False)

Place = tuple[int, int]  # the columns of a tier's price and quantity


class Tiers:
    """The tiers of one table, best first."""

    def __init__(self, columns: Sequence[str], path: Path) -> None:
        self._bids, self._asks = _places(columns, "bid"), _places(columns, "ask")
        self._lists = find(columns, ("bids",)), find(columns, ("asks",))
        self.count = 0 if None not in self._lists else min(len(self._bids), len(self._asks))
        if not self.count and None in self._lists:
            raise BadInput(f"{path}: no tiers of both sides among {', '.join(columns)[:200]}")
        if len(self._bids) != len(self._asks):
            raise BadInput(f"{path}: {len(self._bids)} tiers of bids but {len(self._asks)} of asks")

    @staticmethod
    def number_of(columns: Sequence[str]) -> int:
        """How many tiers of both sides these columns name."""
        return min(len(_places(columns, "bid")), len(_places(columns, "ask")))

    def book(self, row: Sequence[str]) -> tuple[Levels, Levels]:
        """The bids and asks of one row in canonical texts; empty tiers are left out."""
        if self.count:
            return _levels(row, self._bids), _levels(row, self._asks)
        return _listed(cell(row, self._lists[0])), _listed(cell(row, self._lists[1]))


def _places(columns: Sequence[str], side: str) -> list[Place]:
    found: dict[int, dict[str, int]] = {}
    for at, name in enumerate(columns):
        text = plain(name)
        match = next((match for pattern in PATTERNS if (match := pattern.fullmatch(text))), None)
        if match is None or SIDES[match["side"]] != side:
            continue
        what = WHATS[match["what"]] if "what" in match.groupdict() else "price"
        found.setdefault(int(match.groupdict().get("tier", 0)), {})[what] = at
    return [(tier["price"], tier["size"]) for _, tier in sorted(found.items()) if len(tier) == 2]


def _levels(row: Sequence[str], places: list[Place]) -> Levels:
    out = []
    for at_price, at_size in places:
        price, size = cell(row, at_price), cell(row, at_size)
        if price and size and price.lower() != "nan" and size.lower() != "nan":
            level = number(price), number(size)
            if level[0] != "0" and level[1] != "0":
                out.append(level)
    return out


def _listed(text: str) -> Levels:
    try:
        levels = [(number(str(price)), number(str(size))) for price, size in _rows.decode(text)]
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise BadFrame("bids or asks are no list of pairs") from error
    return [level for level in levels if level[0] != "0" and level[1] != "0"]
