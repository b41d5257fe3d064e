"""Where the venues are, by name. Nothing else in the code names a host.

Market data comes from `rest`, `public` and `market`; orders go to `rest` and their events come from
`private`. Data and trading are chosen separately: five settings. The WebSocket API is not used.

Sources: USD-M futures, general info and WebSocket market streams (routed paths since 2026-04-23).
"""

from __future__ import annotations

from typing import NamedTuple

ALL_KINDS = ("depth", "bookTicker", "aggTrade", "markPrice")


class Preset(NamedTuple):
    """The URLs of one venue. `demanded` are the kinds of stream that must send within the first seconds."""

    rest: str
    public: str
    market: str
    private: str
    demanded: tuple[str, ...] = ALL_KINDS


PRESETS = {
    "local": Preset(
        rest="http://127.0.0.1:8080",
        public="ws://127.0.0.1:8080/public",
        market="ws://127.0.0.1:8080/market",
        private="ws://127.0.0.1:8080/private",
        demanded=("depth", "bookTicker", "aggTrade"),  # a recording need not hold the mark price
    ),
    "demo": Preset(
        rest="https://demo-fapi.binance.com",
        public="wss://demo-fstream.binance.com/public",
        market="wss://demo-fstream.binance.com/market",
        private="wss://demo-fstream.binance.com/private",
    ),
    "production": Preset(  # market data only: trading there is refused
        rest="https://fapi.binance.com",
        public="wss://fstream.binance.com/public",
        market="wss://fstream.binance.com/market",
        private="wss://fstream.binance.com/private",
    ),
}
MAINNET_TRADING_HOSTS = ("fapi.binance.com", "fstream.binance.com", "ws-fapi.binance.com")
