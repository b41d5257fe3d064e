"""The names of all features in their order, the sets a model may choose from, and how long each looks back.

No numba here: model, trader and monitor read this page. One vector carries every set, so that any model can
be served from one stream: `seed`, then `flow`, then `scale`, then `extra`, then `slow`.

`seed` (quote and base currency; 81 values)
    `spread`; per side and tier the distance of its price from the mid and its size. A tier that a thin book
    does not have has distance 0 and size 0.

`flow` (scale-free, from -1 to 1; 18 values). Each changes its sign, exactly, when the
two sides of the market are exchanged.
    `imbalance_<n>`: (B - A) / (B + A), B and A the sizes of the best n bids and asks.
    `imbalance_exp`: the same over all tiers, each weighted by exp(-distance / mean distance of all tiers).
    `microprice_5`: (U - D) / (U + D), U the sum of (ask_i - mid) B_i and D that of (mid - bid_i) A_i over the
    best five pairs. U - D is their microprice less the mid, times their sizes; U + D takes the place of the
    spread and keeps the value bounded. Of the best pair alone it would be `imbalance_1` again.
    `ofi_<levels>_<window>`: order flow imbalance of Cont, Kukanov and Stoikov (2014). For level i, prime the
    previous update, e = 1{b >= b'} B - 1{b <= b'} B' - 1{a <= a'} A + 1{a >= a'} A'; the value is the sum of
    e over the sum of |e|, over levels and window. An absent level is one of size 0 beyond every price.
    `trades_<window>`: volume bought less volume sold by takers over all volume traded.
    A ratio whose denominator is 0 is 0.

`scale` (quote currency)
    `sigma_30s`: root mean square of the changes of the mid from one full second of `recv_ns` to the next,
    over the last 30 of them, at least one tick; 0 while there are fewer than five.

`extra` (23 values): what needs a day of data and more, or is for tree models and multipliers. A model that
uses it is whole only as long after a gap as its longest window, up to 30 s; no default model does.
    `ofi_<levels>_<window>`, `trades_<window>`: as in `flow`, over 10 s and 30 s.
    `microprice_spread_5`: the microprice of the best five pairs (see `microprice_5`) less the mid, over the
    spread, from -10 to 10.
    `spread_bps`: the spread over the mid, in basis points.
    Over 1 s, 5 s and 30 s each, where sigma is `sigma_30s` and a value is 0 while there is none:
    `vwap_<window>`: mean price of what was traded less the mid, over sigma times the root of the window in
    seconds, from -10 to 10; 0 where nothing was traded.
    `return_<window>`: change of the mid over the window, over sigma times that root, from -10 to 10.
    `volatility_<window>`: root of the sum of the squared changes of the mid from book to book, over the mid
    and the root of the window in seconds: basis points per root second, at most 1000.
    `trade_count_<window>`: aggregated trades, at most a million.
    `mean_size_<window>`: their mean size in base currency, at most a billion; 0 where there is none.

`slow` (quote currency)
    `sigma_600s`: as `sigma_30s`, over the last 600 changes. It is there as soon as that one is, of the same
    few changes, and then goes on sharpening for ten minutes.

The values of `vwap`, `return` and `microprice_spread_5` change their sign, exactly, when the sides are
exchanged, like those of `flow`.

Windows are on `recv_ns`: an event at s is inside at t when t - w < s <= t.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from shared.errors import BadInput
from shared.units import SECOND

TIERS = 20
WINDOWS = {"500ms": SECOND // 2, "1s": SECOND, "2s": 2 * SECOND, "5s": 5 * SECOND}  # of `flow`
LONG_WINDOWS = {"10s": 10 * SECOND, "30s": 30 * SECOND}  # of the flows in `extra`
MEASURED = ("1s", "5s", "30s")  # windows of everything else in `extra`
MEASURES = ("vwap", "return", "volatility", "trade_count", "mean_size")
ALL_WINDOWS = WINDOWS | LONG_WINDOWS
WINDOWS_NS: tuple[int, ...] = tuple(ALL_WINDOWS.values())  # ascending: the kernel relies on it

_SETS: dict[str, tuple[str, ...]] = {
    "seed": (
        "spread",
        *(
            f"{side}_{what}_{tier}"
            for side in ("bid", "ask")
            for what in ("distance", "size")
            for tier in range(1, TIERS + 1)
        ),
    ),
    "flow": (
        *(f"imbalance_{depth}" for depth in (1, 5, 10, 20)),
        "imbalance_exp",
        "microprice_5",
        *(f"ofi_{levels}_{window}" for levels in (1, 5) for window in WINDOWS),
        *(f"trades_{window}" for window in WINDOWS),
    ),
    "scale": ("sigma_30s",),
    "extra": (
        *(f"ofi_{levels}_{window}" for levels in (1, 5) for window in LONG_WINDOWS),
        *(f"trades_{window}" for window in LONG_WINDOWS),
        "microprice_spread_5",
        "spread_bps",
        *(f"{measure}_{window}" for measure in MEASURES for window in MEASURED),
    ),
    "slow": ("sigma_600s",),
}
SIGMAS = ("sigma_30s", "sigma_600s")
SETS: tuple[str, ...] = tuple(_SETS)
NAMES: tuple[str, ...] = tuple(name for members in _SETS.values() for name in members)
WIDTH = len(NAMES)

# Five changes lie between six full seconds, and six of them are past as soon as 6 s are: from then on
# both sigmas are fair estimates, though they go on sharpening until all their changes are there.
SIGMA_NS = 6 * SECOND

DEFINITIONS_VERSION = 1  # plus one whenever a value changes under an unchanged name
SCHEMA_HASH = hashlib.sha256(f"{DEFINITIONS_VERSION}:{','.join(NAMES)}".encode()).hexdigest()[:12]

_POSITIONS = {name: position for position, name in enumerate(NAMES)}


def names(set_name: str) -> tuple[str, ...]:
    """The features of one set, in their order. Raises BadInput where there is no such set."""
    try:
        return _SETS[set_name]
    except KeyError:
        raise BadInput(f"no feature set {set_name!r}; there are {', '.join(SETS)}") from None


def indices(chosen: Iterable[str]) -> tuple[int, ...]:
    """Where each named feature stands in the vector. Raises BadInput for a name that is none.

    >>> indices(["spread", "imbalance_1"])
    (0, 81)
    """
    return tuple(_position(name) for name in chosen)


def window_ns(name: str) -> int:
    """How long after a gap the feature is whole: a vector whose `clean_ns` is shorter does not have it.

    0 where the feature needs nothing but the book. Raises BadInput for a name that is none.

    >>> window_ns("imbalance_5"), window_ns("ofi_5_500ms"), window_ns("sigma_30s")
    (0, 500000000, 6000000000)
    """
    _position(name)
    if name in SIGMAS:
        return SIGMA_NS
    what, _, window = name.rpartition("_")
    own_ns = ALL_WINDOWS.get(window, 0)
    return max(own_ns, SIGMA_NS) if what in ("vwap", "return") else own_ns


def _position(name: str) -> int:
    position = _POSITIONS.get(name)
    if position is None:
        raise BadInput(f"no feature {name!r} in schema {SCHEMA_HASH}")
    return position
