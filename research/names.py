"""What money and sizes of a symbol are called, for people.

COIN-M contracts are inverse: sizes are numbers of contracts of a fixed worth in USD, and what is earned is
paid in the coin. Contracts worth s coins at entry earn s (exit - entry) / exit coins, which at the exit's
price are s (exit - entry) USD: so a simulation of s coins is right in USD; sizes of the tape are no coins.
"""

from __future__ import annotations

import re
from typing import NamedTuple

COIN_M = re.compile(r"[A-Z0-9]+USD_(PERP|\d{6})")
QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD")


class Names(NamedTuple):
    """`quote` is the unit of prices, `size` that of sizes, in the plural."""

    quote: str
    size: str

    @property
    def is_inverse(self) -> bool:
        """Whether sizes are contracts."""
        return self.size == "contracts"


def names_of(symbol: str) -> Names:
    """Of a symbol, as the venues write them.

    >>> names_of("BTCUSD_PERP"), names_of("ETHUSDC")
    (Names(quote='USD', size='contracts'), Names(quote='USDC', size='coins'))
    """
    if COIN_M.fullmatch(symbol):
        return Names("USD", "contracts")
    pair = symbol.partition("_")[0]
    return Names(next((quote for quote in QUOTES if pair.endswith(quote)), "USDT"), "coins")
