"""What happened on the synthetic market as the venue's frames: the JSON of the inner `data`, by time.

Depth, bookTicker and markPrice as they come; single trades become aggTrades by the venue's rule (`tape.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from services.venue.lines import Line
from services.venue.synthetic.market import Block
from services.venue.synthetic.premium import RATE, WINDOW_NS
from services.venue.synthetic.state import DEPTH, MARK, TICKER, TRADE
from services.venue.tape import Tape, Trade
from shared.units import MS, Scale, e9_text


class Frames:
    """The frames of one symbol. Feed it every block of the market, in order."""

    def __init__(self, symbol: str, scale: Scale) -> None:
        self.symbol = symbol
        self.scale = scale
        self.tape = Tape(symbol)
        self._prices: dict[int, str] = {}  # ticks -> text; most repeat

    def of(self, block: Block, until_ns: int) -> Iterator[Line]:
        """The frames of a block, and the aggTrades that close up to `until_ns`, the time it has come to."""
        for row in block.events.tolist():
            kind, now_ns = row[0], row[1]
            yield from self._closed(now_ns)
            if kind == TICKER:
                yield Line(now_ns, self.symbol, "bookTicker", self._ticker(row))
            elif kind == DEPTH:
                yield Line(now_ns, self.symbol, "depth", self._depth(row, block))
            elif kind == TRADE:
                closed = self.tape.add(self._trade(row), now_ns)
                if closed is not None:
                    yield Line(now_ns, self.symbol, "aggTrade", closed)
            elif kind == MARK:
                yield Line(now_ns, self.symbol, "markPrice", self._mark(row))
        yield from self._closed(until_ns)

    def snapshot(self, update_id: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> bytes:
        """The body of `GET /fapi/v1/depth`."""
        return (
            f'{{"lastUpdateId":{update_id},"bids":[{self._rows(bids)}],"asks":[{self._rows(asks)}]}}'.encode()
        )

    def _closed(self, now_ns: int) -> Iterator[Line]:
        while self.tape.due_ns is not None and self.tape.due_ns <= now_ns:
            due_ns = self.tape.due_ns
            yield Line(due_ns, self.symbol, "aggTrade", self.tape.close())

    def _depth(self, row: list[int], block: Block) -> bytes:
        _, now_ns, first, last, previous, start, middle, end = row
        bids, asks = block.levels[start:middle, 1:].tolist(), block.levels[middle:end, 1:].tolist()
        ms = now_ns // MS
        return (
            f'{{"e":"depthUpdate","E":{ms},"T":{ms},"s":"{self.symbol}","U":{first},"u":{last},'
            f'"pu":{previous},"b":[{self._rows(bids)}],"a":[{self._rows(asks)}]}}'
        ).encode()

    def _ticker(self, row: list[int]) -> bytes:
        _, now_ns, update_id, bid, bids, ask, asks, _ = row
        size, ms = self.scale.size_text, now_ns // MS
        return (
            f'{{"e":"bookTicker","u":{update_id},"s":"{self.symbol}","b":"{self._price(bid)}",'
            f'"B":"{size(bids)}","a":"{self._price(ask)}","A":"{size(asks)}","T":{ms},"E":{ms}}}'
        ).encode()

    def _trade(self, row: list[int]) -> Trade:
        _, now_ns, trade_id, price, lots, side, _, _ = row
        ms = now_ns // MS
        return Trade(ms, ms, trade_id, self._price(price), self.scale.size_text(lots), side < 0)

    def _mark(self, row: list[int]) -> bytes:
        _, now_ns, mark, index, rate, *_ = row
        tick = self.scale.tick_e9 // 1000
        price, settled = e9_text(mark * tick), e9_text(index * tick)
        due_ms = (now_ns // WINDOW_NS + 1) * WINDOW_NS // MS
        return (
            f'{{"e":"markPriceUpdate","E":{now_ns // MS},"s":"{self.symbol}","p":"{price}","i":"{settled}",'
            f'"P":"{price}","r":"{rate / RATE:.8f}","T":{due_ms}}}'
        ).encode()

    def _rows(self, levels: list[tuple[int, int]]) -> str:
        price, size = self._price, self.scale.size_text
        return ",".join([f'["{price(ticks)}","{size(lots)}"]' for ticks, lots in levels])

    def _price(self, ticks: int) -> str:
        text = self._prices.get(ticks)
        if text is None:
            if len(self._prices) > 65_536:
                self._prices.clear()
            text = self._prices[ticks] = self.scale.price_text(ticks)
        return text
