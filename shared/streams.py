"""Which streams there are, who writes them and what they hold; and the ids of their entries.

Keys are `<run>:<stream>:{SYMBOL}`: the run id holds source and clock, so that ids of a replayed past never
meet ids of today, and the braces keep one symbol's streams in one slot of a Redis Cluster.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from shared import messages as m
from shared.errors import BadSetting

RUN_ID = re.compile(r"^[A-Za-z0-9._-]{1,40}$")
SYMBOL = re.compile(r"^[^\s{}:/]{1,40}$")


class Spec(NamedTuple):
    """One row of the stream table."""

    producer: str
    kinds: tuple[type[m.Message], ...]
    is_per_symbol: bool
    is_ledger: bool  # never trimmed before it is archived
    text: str


class Stream(Enum):
    """The stream table."""

    MARKET = Spec(
        "collector",
        (m.Lob, m.AggTrade, m.MarkPrice, m.FeedStatus, m.Heartbeat),
        True,
        False,
        "book, tape, mark price and the state of the feed, in arrival order",
    )
    FEATURES = Spec(
        "features",
        (m.FeatureVector, m.Flow),
        True,
        False,
        "one vector per Lob, under the Lob's id; once a minute the trade flow, under another entry's",
    )
    PREDICTIONS = Spec(
        "model",
        (m.Prediction, m.Flow),
        True,
        False,
        "one per vector, under the same id; the flow, with its trusts",
    )
    SHADOWS = Spec(
        "model",
        (m.Shadows,),
        True,
        False,
        "the versions that do not serve and the drift, once a second, under the same id; may lag",
    )
    DECISIONS = Spec("trader", (m.Decision,), True, True, "what was asked of the venue or refused, and why")
    EXECUTIONS = Spec(
        "trader", (m.OrderUpdate, m.Fill, m.Reconciled), True, True, "what the venue said of our orders"
    )
    ACCOUNT = Spec("trader", (m.Account,), False, True, "balances and positions")
    CONTROL = Spec(
        "monitor",
        (m.Halt, m.ReduceOnly, m.Flatten, m.Resume, m.Promote, m.Gate),
        False,
        True,
        "what a person ordered, and whether a model has shown an edge, with who and why",
    )

    @property
    def label(self) -> str:
        """The name in keys, settings and file names: `market`, `features`, ..."""
        return self.name.lower()


def key(run: str, stream: Stream, symbol: str = "") -> str:
    """The Redis key of a stream. Per-symbol streams need a symbol, the others take none."""
    if stream.value.is_per_symbol != bool(symbol):
        raise ValueError(f"{stream.label} is {'per symbol' if stream.value.is_per_symbol else 'one for all'}")
    return f"{run}:{stream.label}:{{{symbol}}}" if symbol else f"{run}:{stream.label}"


def health_key(run: str, service: str, instance: str) -> str:
    """The Redis key of one instance's health."""
    return f"{run}:health:{service}:{instance}"


def check_run_id(run: str) -> str:
    """The run id itself, or BadSetting."""
    if not RUN_ID.match(run):
        raise BadSetting(f"run id {run!r}: 1 to 40 letters, digits, dots, dashes and underscores")
    return run


def check_symbol(symbol: str) -> str:
    """The symbol itself, or BadSetting. Chinese characters are allowed, as the venue allows them."""
    if not SYMBOL.match(symbol):
        raise BadSetting(f"symbol {symbol!r}: 1 to 40 characters without spaces, braces, colons and slashes")
    return symbol


def parse_id(text: bytes | str) -> tuple[int, int]:
    """`<ms>-<n>` as a pair that compares as Redis compares ids.

    >>> parse_id(b"1723161255030-7") < parse_id("1723161255030-10")
    True
    """
    left, _, right = (text.decode() if isinstance(text, bytes) else text).partition("-")
    return int(left), int(right or 0)


def format_id(ms: int, n: int) -> str:
    """The inverse of `parse_id`."""
    return f"{ms}-{n}"


def parked_key(run: str, service: str) -> str:
    """The Redis key of what a service could not use: frames or entries, with bytes and reason."""
    return f"{run}:parked:{service}"


ZERO_ID = "0-0"


def render_table() -> str:
    """The stream table as Markdown, for `docs/streams.md`."""
    rows = ["| stream | producer | entries | what | kept |", "|---|---|---|---|---|"]
    for stream in Stream:
        name = f"`{stream.label}:{{S}}`" if stream.value.is_per_symbol else f"`{stream.label}`"
        kept = "for ever" if stream.value.is_ledger else "by time"
        kinds = ", ".join(f"`{kind.__name__}`" for kind in stream.value.kinds)
        rows.append(f"| {name} | {stream.value.producer} | {kinds} | {stream.value.text} | {kept} |")
    rows.append("| `health:<service>:<instance>` | each | `Health` | how each service is | the last 600 |")
    return "\n".join(rows) + "\n"
