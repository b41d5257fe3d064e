"""What is believed before any data: which signals point where the price goes, and how strongly.

The prior is the sum of five bounded signals with equal weights of plus or minus one. The best-level
imbalance is three of them: the queues at the touch are what the next move depends on, and a model must not
lose to them. The fourth is where the touch was going in the last second. The fifth is the taker flow of the
last five seconds, and counts against itself: an imbalance that merely follows a burst of trades is worth less
than one that stands without it, and bursts revert. The choice was made on real recordings; `docs/science.md`
says on which and how little they can tell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from research.labels import Floats
from shared.errors import BadInput

SIGNALS = {"imbalance_1": 3.0, "ofi_1_1s": 1.0, "trades_5s": -1.0}

# Expected correlation of prior and target, and the independent observations that this is worth.
CORRELATION = 0.1
BELIEF = 100.0
LEAST = 0.25  # of the expected correlation: data alone cannot turn the prior round


def directions(names: Sequence[str]) -> Floats:
    """The prior's weight of each feature, (k,). Raises BadInput where none of its signals is among them."""
    weights = np.array([SIGNALS.get(name, 0.0) for name in names])
    if not weights.any():
        raise BadInput(f"the prior needs one of {', '.join(SIGNALS)}, and none of them varies in the data")
    return weights


def slope(signal: Floats, target: Floats, weights: Floats, independent: float) -> float:
    """How much target goes with a unit of signal: the regression through zero, shrunk to what is expected.

    All of shape (n,); `weights` are those of the rows, `independent` is how many observations do not overlap.
    Never zero, never negative, as long as the signal is not zero throughout.

    >>> flat = np.ones(4)
    >>> slope(flat, np.zeros(4), flat, 10.0)
    0.0
    """
    size = float(np.sqrt(np.average(np.square(signal), weights=weights)))
    spread = float(np.sqrt(np.average(np.square(target), weights=weights)))
    if size == 0.0 or spread == 0.0:
        return 0.0
    seen = float(np.average(signal * target, weights=weights)) / (size * spread)
    believed = (CORRELATION * BELIEF + seen * independent) / (BELIEF + independent)
    return max(believed, LEAST * CORRELATION) * spread / size
