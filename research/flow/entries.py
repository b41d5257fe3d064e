"""Market entries as arrays for the probes: what the service folds one by one, folded in a compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from services.features.continuity import Continuity
from services.features.flow import queue
from services.features.flow.law import Ints
from services.features.flow.probe import Probes, Setup, capacity_for, new_probes
from services.features.tiers import row_bytes
from shared.messages import AggTrade, Lob, Market
from shared.units import SECOND


class Entries(NamedTuple):
    """events: (n, 5) as of `queue.run`; rows: (m, 80), the books; row_ns: (m,) when each was received."""

    events: Ints
    rows: Ints
    row_ns: Ints

    @property
    def from_ns(self) -> int:
        """Of the first entry."""
        return int(self.events[0, 1])

    @property
    def until_ns(self) -> int:
        """Of the last entry."""
        return int(self.events[-1, 1])


def entries_of(messages: Sequence[Market]) -> Entries | None:
    """Of one symbol, in stream order; None where there is no book."""
    continuity = Continuity()
    events: list[tuple[int, int, int, int, int]] = []
    rows: list[bytes] = []
    times: list[int] = []
    for message in messages:
        is_first = continuity.follow(message)
        now_ns = message.recv_ns
        if isinstance(message, Lob):
            kind = queue.FIRST_LOB if is_first else queue.LOB
            events.append((kind, now_ns, message.exchange_ns, len(rows), 0))
            rows.append(row_bytes(message))
            times.append(now_ns)
        elif continuity.chain_ns is None:
            events.append((queue.GAP, now_ns, 0, 0, 0))
        elif isinstance(message, AggTrade):
            signed_lots = message.side * message.size_lots
            events.append((queue.TRADE, now_ns, message.exchange_ns, message.price_ticks, signed_lots))
        else:
            events.append((queue.OTHER, now_ns, 0, 0, 0))
    if not rows:
        return None
    return Entries(
        np.array(events, np.int64),
        np.frombuffer(bytearray().join(rows), np.int64).reshape(len(rows), 80),
        np.array(times, np.int64),
    )


def probe(entries: Entries, ticks: tuple[int, ...], setup: Setup) -> Probes:
    """Probes at `ticks` of both sides, each second, over all entries."""
    seconds = (entries.until_ns - entries.from_ns) / SECOND
    probes = new_probes(capacity_for(seconds, len(ticks)), ticks)
    queue.run(probes, setup.packed(), entries.events, entries.rows)
    return probes
