"""One symbol's market entries in, once a minute the `Flow` of the last ten out; pure.

It is published under the id of the first entry of a minute that is no `Lob`, because the ids of `Lob`s are
taken by their vectors. What it says follows from the entries of the last ten minutes alone, from a gap on
from those since the gap: so two copies say the same bytes, and a copy that starts is warm after reading ten
minutes again.
"""

from __future__ import annotations

import math
from array import array
from collections import deque

import numpy as np

from services.features.continuity import QUIET_NS, Continuity
from services.features.flow import queue
from services.features.flow.fit import side_of, split
from services.features.flow.law import Ints
from services.features.flow.leaving import spread_ticks
from services.features.flow.orders import Orders, Tape, orders_of
from services.features.flow.probe import TICKS, Setup, between, capacity_for, new_probes
from shared.messages import AggTrade, Flow, Lob, Market, SideFlow
from shared.rounding import rounded
from shared.units import MS, SECOND

WINDOW_NS = 600 * SECOND
MINUTE_NS = 60 * SECOND
LEAST_NS = 60 * SECOND  # of data; less says nothing
WARM_NS = WINDOW_NS + 2 * QUIET_NS
LOOKBACK_MS = WARM_NS // MS + 1000
FIELDS = 6  # of a trade kept: recv_ns, exchange ms, first id, price, lots, side
SIDES = (1, -1)


class FlowFollower:
    """Follows the entries of one symbol in order. `continuity` is that of the features, which follows
    first."""

    def __init__(self, continuity: Continuity, setup: Setup | None = None) -> None:
        self._continuity = continuity
        self._setup = Setup() if setup is None else setup
        self._packed = self._setup.packed()
        self._probes = new_probes(capacity_for((WINDOW_NS + self._setup.whole_ns) / SECOND, len(TICKS)))
        self._trades = array("q")  # FIELDS of each, in the order they were told
        self._books: deque[tuple[int, bytes]] = deque(maxlen=WINDOW_NS // SECOND + 1)  # of each second
        self._second = -1  # of the last of them
        self._scale = (0, 0)  # tick and lot of the chain
        self._minute = 0  # of the last entry that was no Lob; 0 before the first
        self._first_ns: int | None = None  # of the first entry seen
        self._is_warm = False

    def on_lob(self, lob: Lob, row: Ints, is_first: bool) -> None:
        """A book, as a row of 80; `is_first` of its chain. Raises nothing: the features have checked it."""
        self._see(lob)
        if is_first:
            self._begin()
            self._scale = (lob.tick_e9, lob.lot_e9)
        second = lob.recv_ns // SECOND
        if second != self._second:
            self._second = second
            self._books.append((lob.recv_ns, row.tobytes()))
        queue.on_lob(self._probes, self._packed, lob.recv_ns, lob.exchange_ns, row)

    def on_other(self, entry: Market) -> Flow | None:
        """An entry that is no Lob; the Flow that is published under its id, where one is due."""
        self._see(entry)
        now_ns = entry.recv_ns
        if self._continuity.chain_ns is None:
            self._begin()
        elif isinstance(entry, AggTrade):
            signed_lots = entry.side * entry.size_lots
            queue.on_trade(
                self._probes, self._packed, now_ns, entry.exchange_ns, entry.price_ticks, signed_lots
            )
            kept = (
                now_ns,
                entry.exchange_ns // MS,
                entry.first_id,
                entry.price_ticks,
                entry.size_lots,
                entry.side,
            )
            self._trades.extend(kept)
        minute, self._minute = self._minute, now_ns // MINUTE_NS
        if minute in (0, self._minute) or not self._is_warm:
            return None
        return self._flow(now_ns)

    def _see(self, entry: Market) -> None:
        if self._first_ns is None:
            self._first_ns = entry.recv_ns
            self._is_warm = entry.seq == 0
        elif not self._is_warm:
            self._is_warm = entry.recv_ns - self._first_ns >= WARM_NS

    def _begin(self) -> None:
        """Nothing before this counts."""
        queue.give_up(self._probes)
        del self._trades[:]
        self._books.clear()
        self._second = -1
        # After a break every process stands here alike; at the very start the features are not warm either.
        self._is_warm |= self._continuity.is_warm

    def _flow(self, now_ns: int) -> Flow:
        chain_ns = self._continuity.chain_ns
        from_ns = now_ns if chain_ns is None else max(now_ns - WINDOW_NS, chain_ns)
        if now_ns - from_ns < LEAST_NS:
            return self._said(now_ns, from_ns, "less than a minute since the last gap")
        queue.pass_time(self._probes, self._packed, now_ns)
        records = between(self._probes, from_ns, now_ns - self._setup.whole_ns)
        orders = self._orders(from_ns)
        kept = b"".join(row for at_ns, row in self._books if at_ns >= from_ns)
        books = np.frombuffer(kept, np.int64).reshape(-1, 80)
        sides = tuple(
            side_of(orders[side], split(records, side), books, side, TICKS, self._setup) for side in SIDES
        )
        return self._said(now_ns, from_ns, "", sides, rounded(spread_ticks(books)))

    def _orders(self, from_ns: int) -> dict[int, Orders]:
        """The takers that meet resting orders of each side. Trades from before `from_ns` are forgotten."""
        rows = np.frombuffer(self._trades, np.int64).reshape(-1, FIELDS)
        rows = rows[rows[:, 0] >= from_ns]
        self._trades = array("q", rows.tobytes())
        # By time and id: an aggTrade is told when it closes, not when it began.
        _, times, _, prices, sizes, sides = rows[np.lexsort((rows[:, 2], rows[:, 1]))].T.copy()
        tape = Tape(times, prices, sizes, sides)
        return {side: orders_of(tape, -side) for side in SIDES}

    def _said(
        self,
        now_ns: int,
        from_ns: int,
        reason: str,
        sides: tuple[SideFlow, ...] = (),
        spread: float = math.nan,
    ) -> Flow:
        return Flow(
            recv_ns=now_ns,
            from_ns=from_ns,
            tick_e9=self._scale[0],
            lot_e9=self._scale[1],
            latency_ms=self._setup.latency_ns // MS,
            lifetime_ms=self._setup.lifetime_ns // MS,
            horizon_ms=self._setup.horizon_ns // MS,
            sides=sides,
            reason=reason,
            spread_ticks=spread,
        )
