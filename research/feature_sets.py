"""What a model may be fitted on, by the names that `lobflow train --features` takes.

`flow+extra` is `flow` and what has a direction in `extra`: flows, VWAP and returns over up to 30 s. The rest
of `extra` says how far a price moves, not where, and would not turn round with the market as models of `flow`
do. Half minutes are few in minutes of data, so it asks for a day.
"""

from __future__ import annotations

from services.features import schema
from shared.errors import BadInput
from shared.units import SECOND

FLOW, SEED, LONG = "flow", "seed", "flow+extra"
NAMES = (FLOW, SEED, LONG)
DIRECTED = ("ofi", "trades", "microprice", "vwap", "return")  # first words of features with a direction
LEAST_NS = {LONG: 86_400 * SECOND}  # of data


def members(feature_set: str) -> tuple[str, ...]:
    """The features of a set. Raises BadInput where there is no such set.

    >>> len(members("flow")), len(members("flow+extra"))
    (18, 31)
    """
    if feature_set not in NAMES:
        raise BadInput(f"feature set {feature_set!r} is none of {', '.join(NAMES)}")
    if feature_set != LONG:
        return schema.names(feature_set)
    extra = (name for name in schema.names("extra") if name.split("_")[0] in DIRECTED)
    return (*schema.names(FLOW), *extra)


def sigmas(feature_set: str) -> tuple[str, ...]:
    """What its target is divided by: nothing in raw units."""
    return () if feature_set == SEED else schema.SIGMAS


def check_span(feature_set: str, symbol: str, from_ns: int, until_ns: int) -> None:
    """Raises BadInput where the data are too short for the set."""
    least_ns = LEAST_NS.get(feature_set, 0)
    if until_ns - from_ns < least_ns:
        least, hours = (span_ns / (3600 * SECOND) for span_ns in (least_ns, until_ns - from_ns))
        raise BadInput(f"{symbol}: {hours:.1f} hours of data; feature set {feature_set} needs {least:g}")
