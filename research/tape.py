"""Whether a recording can tell anything of a market: one in which takers only bought is a damaged tape, and
one whose price never moves has no direction to foretell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from research.labels import Floats
from services.features import schema
from shared.errors import BadInput

if TYPE_CHECKING:  # importing it loads the compiled features, and workers are to stay small
    from research.dataset import Dataset

WINDOW = "trades_30s"  # volume bought less volume sold over both: plus or minus one where all were of a side
FEWEST = 30  # rows with trades, and trades where they were counted: fewer may be of one side by chance


def check_tape(data: Dataset) -> None:
    """Raise BadInput where the trades of `data` are all of one side. No trades at all are another matter."""
    (place,) = schema.indices([WINDOW])
    if data.trades is None or data.trades >= FEWEST:
        check_shares(data.symbol, data.values[:, place])


def check_shares(symbol: str, shares: Floats) -> None:
    """Raise BadInput where `shares`, (n,), of the volume bought less the volume sold say that all was of one
    side."""
    shares = shares[shares != 0.0]
    if len(shares) >= FEWEST and np.all(shares == shares[0]) and abs(shares[0]) == 1.0:
        did = "bought" if shares[0] > 0.0 else "sold"
        raise BadInput(f"{symbol}: takers only {did}: a one-sided tape")


def check_price(data: Dataset) -> None:
    """Raise BadInput where the mid price of `data` never moves."""
    check_moves(data.symbol, data.track.mid)


def check_moves(symbol: str, mid: Floats) -> None:
    """Raise BadInput where `mid`, (n,), mid prices or their moves, are all the same."""
    if len(mid) and np.ptp(mid) == 0.0:
        raise BadInput(f"{symbol}: the mid price never moves in the data: there is no direction to foretell")
