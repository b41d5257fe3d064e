"""The strategies by the names that settings have for them."""

from __future__ import annotations

from services.trader.maker import maker
from services.trader.strategy import Strategy, bench, none, threshold

STRATEGIES: dict[str, Strategy] = {"threshold": threshold, "maker": maker, "bench": bench, "none": none}
