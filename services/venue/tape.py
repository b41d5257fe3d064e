"""Single trades to aggTrades, by the venue's rule: same taker side, same price, within 100 ms of the first.

Recordings made before aggTrade was taken hold `@trade` frames. Several aggregates are under way at once, one
for each side and price. One is known when it closes: 100 ms after its first trade was received, or at the
trade of its side and price that comes too late for it. Trades of the insurance fund and of auto-deleveraging
(`X` is not MARKET) and trades of nothing (price or quantity 0) are left out.
"""

from __future__ import annotations

import msgspec

from shared.units import MS, e9, e9_text

WINDOW_MS = 100


class Trade(msgspec.Struct, frozen=True):
    """One `@trade` frame; the venue's keys."""

    E: int
    T: int
    t: int
    p: str
    q: str
    m: bool
    X: str = "MARKET"


class Open(msgspec.Struct):
    """One aggregate under way."""

    first: Trade
    last_id: int
    quantity_e9: int
    due_ns: int  # when a timer closes it


class TapeState(msgspec.Struct):
    """A tape at one moment."""

    next_id: int
    under_way: list[Open]  # oldest first
    last_trade_id: int | None = None


class Tape:
    """The aggTrades under way of one symbol."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.left_out = 0  # trades that belong to no aggTrade
        self._next_id = 1
        self._last_trade_id: int | None = None
        self._open: dict[tuple[bool, str], Open] = {}  # by side and price; the earliest due comes first

    @property
    def due_ns(self) -> int | None:
        """When a timer closes the oldest aggregate under way; None while there is none."""
        return next((one.due_ns for one in self._open.values()), None)

    def add(self, trade: Trade, recv_ns: int) -> bytes | None:
        """Take one trade. Returns the aggTrade it closes, as the JSON of its `data`, or None.

        Call `close` first as often as `due_ns` is at or before `recv_ns`. Raises BadFrame for bad text.
        """
        price_e9, quantity_e9 = e9(trade.p), e9(trade.q)
        if self._last_trade_id is not None and trade.t > self._last_trade_id + 1:
            self._next_id += 1  # a trade is missing: so is an id, and the reader sees the gap
        self._last_trade_id = max(trade.t, self._last_trade_id or 0)
        if trade.X != "MARKET" or not price_e9 or not quantity_e9:
            self.left_out += 1
            return None
        side_and_price = (trade.m, trade.p)
        one = self._open.get(side_and_price)
        if one is not None and trade.T - one.first.T < WINDOW_MS:
            one.last_id = trade.t
            one.quantity_e9 += quantity_e9
            return None
        closed = None if one is None else self._text(self._open.pop(side_and_price), trade.E)
        self._open[side_and_price] = Open(trade, trade.t, quantity_e9, recv_ns + WINDOW_MS * MS)
        return closed

    def close(self) -> bytes:
        """End the oldest aggregate under way and return it; its event time is the end of its window."""
        one = self._open.pop(next(iter(self._open)))
        return self._text(one, one.first.E + WINDOW_MS)

    def state(self) -> TapeState:
        """What `resume` needs to go on from here."""
        return TapeState(self._next_id, list(self._open.values()), self._last_trade_id)

    def resume(self, state: TapeState) -> None:
        """Become the tape whose state it is."""
        self._next_id = state.next_id
        self._last_trade_id = state.last_trade_id
        self._open = {(one.first.m, one.first.p): one for one in state.under_way}

    def _text(self, one: Open, event_ms: int) -> bytes:
        first, quantity = one.first, e9_text(one.quantity_e9)
        text = (
            f'{{"e":"aggTrade","E":{event_ms},"s":"{self.symbol}","a":{self._next_id},"p":"{first.p}",'
            f'"q":"{quantity}","nq":"{quantity}","f":{first.t},"l":{one.last_id},"T":{first.T},'
            f'"m":{"true" if first.m else "false"},"st":1}}'
        )
        self._next_id += 1
        return text.encode()
