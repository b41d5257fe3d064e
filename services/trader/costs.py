"""The costs that quotes are valued by, from the settings; the core knows no settings."""

from __future__ import annotations

from services.trader.quoting import Costs
from shared.settings import Settings

BASIS_POINTS = 10_000


def costs_of(settings: Settings) -> Costs:
    """What the trader reckons with."""
    return Costs(
        maker_fee=settings.maker_fee,
        taker_fee=settings.taker_fee,
        trust=None if settings.maker_trust == "auto" else settings.maker_trust,
        aversion=settings.maker_aversion / BASIS_POINTS,
    )
