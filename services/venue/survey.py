"""What one symbol's lines add up to: from when to when, how many, and in what tick and lot size."""

from __future__ import annotations

from math import gcd
from pathlib import Path

import msgspec

from services.venue.lines import Line
from shared.errors import BadFrame, BadInput
from shared.units import Scale, e9

TEXTS_LIMIT = 100_000  # distinct decimal texts kept before they are folded into their divisor


class _Levels(msgspec.Struct):
    """The levels of a diff (`b`, `a`) or of a snapshot (`bids`, `asks`)."""

    b: list[tuple[str, str]] = []
    a: list[tuple[str, str]] = []
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []


class _Ticker(msgspec.Struct):
    b: str
    B: str
    a: str
    A: str


class _Print(msgspec.Struct):
    p: str
    q: str


_levels = msgspec.json.Decoder(_Levels)
_ticker = msgspec.json.Decoder(_Ticker)
_print = msgspec.json.Decoder(_Print)


class Survey:
    """The survey of one symbol; `path` is the first file that holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first_ns = 0
        self.last_ns = 0
        self.frames = 0
        self.snapshots: list[int] = []
        self._prices, self._sizes = _Divisor(), _Divisor()

    def add(self, line: Line) -> None:
        """Take one line."""
        self.first_ns = min(self.first_ns, line.recv_ns) if self.frames else line.recv_ns
        self.last_ns = max(self.last_ns, line.recv_ns)
        self.frames += 1
        try:
            self._weigh(line)
        except msgspec.MsgspecError:
            return  # the frame is passed on all the same; the collector counts and parks it

    def _weigh(self, line: Line) -> None:
        prices, sizes = self._prices, self._sizes
        if line.kind == "bookTicker":
            ticker = _ticker.decode(line.data)
            prices.add((ticker.b, ticker.a))
            sizes.add((ticker.B, ticker.A))
        elif line.kind in ("trade", "aggTrade"):
            sale = _print.decode(line.data)
            prices.add((sale.p,))
            sizes.add((sale.q,))
        elif line.kind in ("depth", "snapshot"):
            levels = _levels.decode(line.data)
            rows = levels.b + levels.a + levels.bids + levels.asks
            if rows:
                texts = tuple(zip(*rows, strict=True))
                prices.add(texts[0])
                sizes.add(texts[1])
            if line.kind == "snapshot":
                self.snapshots.append(line.recv_ns)

    def scale(self, symbol: str) -> Scale:
        """Tick and lot size. Raises BadInput where no book can be built."""
        if not self.snapshots:
            raise BadInput(f"no depth snapshot for {symbol} in {self.path}: the book cannot be built")
        return self.units(symbol)

    def units(self, symbol: str) -> Scale:
        """Tick and lot size, of trades without a book too. Raises BadInput where there is no price."""
        scale = self.sizes()
        if scale is None:
            raise BadInput(f"no price and quantity for {symbol} in {self.path}")
        return scale

    def sizes(self) -> Scale | None:
        """As `scale`, whether or not a book can be built; None where there is no price or no quantity."""
        scale = Scale(self._prices.value(), self._sizes.value())
        return scale if scale.tick_e9 and scale.lot_e9 else None


class _Divisor:
    """The greatest common divisor of many decimal texts, in 1e-9; most texts repeat."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._value_e9 = 0

    def add(self, texts: tuple[str, ...]) -> None:
        self._texts.update(texts)
        if len(self._texts) > TEXTS_LIMIT:
            self.value()

    def value(self) -> int:
        for text in self._texts:
            try:
                self._value_e9 = gcd(self._value_e9, e9(text))
            except BadFrame:
                continue  # one bad text does not change the tick; its frame is parked by the collector
        self._texts.clear()
        return self._value_e9
