"""What a recording is like, in the terms of the first document: how far the mid moves in a second, how wide
the spread is, where the tiers lie and what rests on them, how often is traded."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from research.dataset import Dataset
from research.finite import without_nan
from research.labels import labels
from services.features import schema
from shared.errors import BadInput
from shared.units import SECOND


@dataclass(frozen=True)
class Profile:
    """Prices and distances in quote currency, sizes in coins. By tier: 20 values, the best first."""

    symbol: str
    seconds: float
    rows: int
    gaps: int
    mid_first: float
    mid_last: float
    change_1s_sd: float  # the first document says 8 for BTCUSDT
    change_1s_zero_share: float
    changes_1s: int
    spread_mean: float
    spread_one_tick_share: float
    tier_distance_least: float  # the first document says 0.1 to 21.4
    tier_distance_largest: float
    tier_distance: tuple[float, ...]  # mean of both sides
    bid_depth: tuple[float, ...]  # mean size
    ask_depth: tuple[float, ...]
    trades: int | None  # aggTrades
    trades_per_second: float

    def plain(self) -> dict[str, Any]:
        """For JSON, where NaN is null."""
        row: dict[str, Any] = without_nan(self.__dict__)
        return row


def profile(data: Dataset) -> Profile:
    """The profile of a dataset. Raises BadInput where it has no row."""
    if len(data.recv_ns) == 0:
        raise BadInput(f"{data.symbol}: no row to describe")
    track = data.track
    seconds = np.arange(-(-track.recv_ns[0] // SECOND), track.end_ns // SECOND, dtype=np.int64) * SECOND
    breaks = np.searchsorted(track.breaks_ns, seconds, "right")
    moves, known = labels(track, seconds, breaks, SECOND)
    moves = moves[known]
    distances = {side: _tiers(data, f"{side}_distance") for side in ("bid", "ask")}
    sizes = {side: _tiers(data, f"{side}_size") for side in ("bid", "ask")}
    # A tier that a thin book does not have is zero and says nothing of distances.
    both = np.concatenate([np.where(sizes[side] > 0.0, distances[side], nan) for side in ("bid", "ask")])
    has = np.isfinite(both).any(axis=0)
    span_s = (data.until_ns - data.from_ns) / SECOND
    return Profile(
        symbol=data.symbol,
        seconds=span_s,
        rows=len(data.recv_ns),
        gaps=len(track.breaks_ns),
        mid_first=float(track.mid[0]),
        mid_last=float(track.mid[-1]),
        change_1s_sd=float(moves.std()) if len(moves) else nan,
        change_1s_zero_share=float((moves == 0.0).mean()) if len(moves) else nan,
        changes_1s=len(moves),
        spread_mean=float(data.spread.mean()),
        spread_one_tick_share=float((data.spread_ticks == 1).mean()),
        tier_distance_least=float(np.nanmin(both)),
        tier_distance_largest=float(np.nanmax(both)),
        tier_distance=tuple(
            float(np.nanmean(both[:, tier])) if has[tier] else nan for tier in range(schema.TIERS)
        ),
        bid_depth=tuple(sizes["bid"].mean(axis=0).tolist()),
        ask_depth=tuple(sizes["ask"].mean(axis=0).tolist()),
        trades=data.trades,
        trades_per_second=data.trades / span_s if data.trades is not None and span_s > 0.0 else nan,
    )


def _tiers(data: Dataset, name: str) -> Any:
    """(n, 20) of one side, from the published vector."""
    places = schema.indices([f"{name}_{tier}" for tier in range(1, schema.TIERS + 1)])
    return data.values[:, list(places)]
