"""What the trading venue allows for one symbol: tick, lot and filters, from its exchangeInfo.

The data may come from another venue with other filters (demo trading has a lot of its own), so orders are
sized and priced by this and nothing else.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.errors import BadSetting, VenueError
from shared.units import E9, Scale, e9


class Instrument(msgspec.Struct, frozen=True):
    """Scale and filters of one symbol at the trading venue."""

    symbol: str
    scale: Scale
    min_lots: int
    max_lots: int
    min_notional_e9: int

    def reaches_notional(self, price_ticks: int, size_lots: int) -> bool:
        """Whether an order is large enough for the venue's MIN_NOTIONAL."""
        worth_e18 = price_ticks * self.scale.tick_e9 * size_lots * self.scale.lot_e9
        return worth_e18 >= self.min_notional_e9 * E9

    def smallest_lots(self, price_ticks: int) -> int:
        """The smallest valid size of an order at `price_ticks`."""
        lot_worth_e18 = price_ticks * self.scale.tick_e9 * self.scale.lot_e9
        return max(self.min_lots, -(-self.min_notional_e9 * E9 // lot_worth_e18))

    def price_ticks(self, ticks: int, tick_e9: int, side: int) -> int:
        """Ticks of the data venue in ours; where they differ, rounded towards a fill of `side`."""
        if tick_e9 == self.scale.tick_e9:
            return ticks
        price_e9 = ticks * tick_e9
        return -(-price_e9 // self.scale.tick_e9) if side > 0 else price_e9 // self.scale.tick_e9

    def lots(self, size: str, setting: str) -> int:
        """A size in base currency as lots. Raises BadSetting naming `setting` where it does not fit."""
        lots, rest = divmod(e9(size), self.scale.lot_e9)
        if rest or lots < self.min_lots:
            lot, least = self.scale.size_text(1), self.scale.size_text(self.min_lots)
            raise BadSetting(f"{setting}: {size} {self.symbol} is no multiple of {lot} from {least} up")
        return lots


def parse(symbol: str, info: dict[str, Any]) -> Instrument:
    """The instrument of `symbol` in an exchangeInfo answer. Raises VenueError where it is not there."""
    for row in info.get("symbols", ()):
        if row["symbol"] != symbol:
            continue
        filters = {entry["filterType"]: entry for entry in row["filters"]}
        lot = e9(filters["LOT_SIZE"]["stepSize"])
        market = filters.get("MARKET_LOT_SIZE", filters["LOT_SIZE"])
        sizes = (filters["LOT_SIZE"], market)
        return Instrument(
            symbol=symbol,
            scale=Scale(e9(filters["PRICE_FILTER"]["tickSize"]), lot),
            min_lots=max(-(-e9(entry["minQty"]) // lot) for entry in sizes),
            max_lots=min(e9(entry["maxQty"]) // lot for entry in sizes),
            min_notional_e9=e9(filters["MIN_NOTIONAL"]["notional"]) if "MIN_NOTIONAL" in filters else 0,
        )
    raise VenueError(f"the trading venue does not know {symbol}")
