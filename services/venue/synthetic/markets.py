"""Which synthetic markets there are, and how one is opened."""

from __future__ import annotations

from collections.abc import Iterable

from services.venue.synthetic.market import SyntheticMarket
from services.venue.synthetic.parameters import MODELS
from shared.errors import BadSetting
from shared.units import SECOND

UNSEEN_NS = 60 * SECOND  # a market opens unseen, until its book has the shape it keeps


def check_symbols(symbols: Iterable[str], where: str = "") -> None:
    """Raise BadSetting, which begins with `where`, for symbols that there is no synthetic market of."""
    unknown = [symbol for symbol in symbols if symbol not in MODELS]
    if unknown:
        text = f"there is no synthetic market of {', '.join(unknown)}, only of {', '.join(MODELS)}"
        raise BadSetting(f"{where}: {text}" if where else text)


def opened(symbol: str, seed: int, at_ns: int) -> SyntheticMarket:
    """A market as it stands at `at_ns`, a minute after it opened."""
    market = SyntheticMarket(symbol, seed, at_ns - UNSEEN_NS)
    for _ in market.advance(at_ns):
        pass
    return market
