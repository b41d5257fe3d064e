"""Single trades to aggTrades, by the venue's rule: same taker side, same price, within 100 ms of the first.

Recordings made before aggTrade was taken hold `@trade` frames. The aggregate is known when it closes: at the
trade that does not fit, or 100 ms after its first trade was received. Trades of the insurance fund and of
auto-deleveraging (`X` is not MARKET) and trades of nothing (price or quantity 0) are left out.
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


class Tape:
    """The aggTrade under way of one symbol."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.due_ns: int | None = None  # when a timer closes what is under way; None while nothing is
        self.left_out = 0  # trades that belong to no aggTrade
        self._next_id = 1
        self._first: Trade | None = None
        self._last_trade_id = 0
        self._quantity_e9 = 0

    def add(self, trade: Trade, recv_ns: int) -> bytes | None:
        """Take one trade. Returns the aggTrade it closes, as the JSON of its `data`, or None.

        Call `close` first where `due_ns` is at or before `recv_ns`. Raises BadFrame for bad text.
        """
        price_e9, quantity_e9 = e9(trade.p), e9(trade.q)
        if trade.X != "MARKET" or not price_e9 or not quantity_e9:
            self.left_out += 1
            return None
        first = self._first
        if first is not None and trade.m == first.m and trade.p == first.p and trade.T - first.T <= WINDOW_MS:
            self._last_trade_id = trade.t
            self._quantity_e9 += quantity_e9
            return None
        closed = None if first is None else self.close(trade.E)
        self._first, self._last_trade_id, self._quantity_e9 = trade, trade.t, quantity_e9
        self.due_ns = recv_ns + WINDOW_MS * MS
        return closed

    def close(self, event_ms: int | None = None) -> bytes:
        """End the aggTrade under way and return it; `event_ms` is by default the end of its window."""
        first = self._first
        if first is None:
            raise RuntimeError(f"{self.symbol}: no aggTrade is under way")
        quantity = e9_text(self._quantity_e9)
        event_ms = first.E + WINDOW_MS if event_ms is None else event_ms
        text = (
            f'{{"e":"aggTrade","E":{event_ms},"s":"{self.symbol}","a":{self._next_id},"p":"{first.p}",'
            f'"q":"{quantity}","nq":"{quantity}","f":{first.t},"l":{self._last_trade_id},"T":{first.T},'
            f'"m":{"true" if first.m else "false"},"st":1}}'
        )
        self._next_id += 1
        self._first, self.due_ns = None, None
        return text.encode()
