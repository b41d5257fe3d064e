"""How far a market's mid price can be foretold from its book: correlations, hit rates, and a linear model."""

from __future__ import annotations

import numpy as np

from research.foretelling import Foretold
from research.market_stats import Array, correlation


def predictability(told: Foretold) -> dict[str, float]:
    """By horizon: correlation of the 5-tier and best-level imbalance with the move, and of the best of model
    and imbalances at full coverage the hit rate among moves that are not zero; and the model's R2."""
    out: dict[str, float] = {}
    for horizon, move in told.moves.items():
        foretold = told.model[horizon]
        hits = {name: _hit_rate(signal, move) for name, signal in told.signals(horizon).items()}
        out[f"imbalance5_correlation_{horizon}s"] = correlation(told.imbalance5, move)
        out[f"imbalance1_correlation_{horizon}s"] = correlation(told.imbalance1, move)
        out[f"hit_rate_{horizon}s"] = max(hits.values())
        out[f"model_hit_rate_{horizon}s"] = hits["model"]
        out[f"r2_{horizon}s"] = 1.0 - float(((move - foretold) ** 2).mean() / (move**2).mean())
    return out


def _hit_rate(foretold: Array, move: Array) -> float:
    asked = (move != 0.0) & (foretold != 0.0)
    return float((np.sign(foretold[asked]) == np.sign(move[asked])).mean())
