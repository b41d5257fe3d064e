"""What a market's book is like, from rows one second apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.dataset import Dataset
from research.labels import Floats
from services.features import schema

TIERS = 20


class Profile(NamedTuple):
    """Quote currency and coins. changes: (n,) of the mid in a second. distances, sizes: (2, 20), bids then
    asks, means over the rows."""

    mid: float
    changes: Floats
    distances: Floats
    sizes: Floats
    spread: float
    one_tick_share: float

    @property
    def change_sd(self) -> float:
        """Standard deviation of the changes."""
        return float(self.changes.std()) if len(self.changes) else float("nan")

    @property
    def unchanged_share(self) -> float:
        """Share of seconds in which the mid stayed."""
        return float((self.changes == 0.0).mean()) if len(self.changes) else float("nan")


def profile_of(data: Dataset) -> Profile:
    """The profile of `data`; changes are only those between rows that follow each other."""
    steps = np.diff(data.recv_ns) <= 1.5 * data.sample_ms * 1_000_000
    steps &= np.diff(data.breaks_before) == 0
    ladders = [
        np.array(
            [
                data.values[
                    :, list(schema.indices([f"{side}_{what}_{tier}" for tier in range(1, TIERS + 1)]))
                ].mean(axis=0)
                for side in ("bid", "ask")
            ]
        )
        for what in ("distance", "size")
    ]
    return Profile(
        mid=float(data.mid.mean()),
        changes=np.diff(data.mid)[steps],
        distances=ladders[0],
        sizes=ladders[1],
        spread=float(data.spread.mean()),
        one_tick_share=float((data.spread_ticks == 1).mean()),
    )
