"""Limit orders in the queue of a recording: each rests at the best price of its own side, and the kernel of
the probes says what becomes of it.

Market entries come in, in stream order, and are let go as time passes: no more is held than one order can
meet, however long the recording is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from research.dataset import Dataset, entries_in
from research.flow.entries import entries_of
from research.market import market_entries
from services.features.continuity import MARKET_KINDS
from services.features.flow import probe as p
from services.features.flow import queue
from services.features.flow.probe import Setup, new_probes
from shared.errors import BadInput
from shared.messages import Lob, Market, Message

NONE = (-1,)  # depths of a ring in which the kernel places nothing by itself
GIVEN_UP = (queue.GAP, queue.FIRST_LOB)  # events at which it lets go of everything under way


class Rested(NamedTuple):
    """What became of one order. `state` is a probe's: FILLED, EXPIRED (withdrawn unfilled), REJECTED (it
    would have taken), VOID (a gap: not known). `until_ns` is when it was filled, withdrawn or rejected."""

    state: int
    until_ns: int
    bid_ticks: int  # of the book that it was placed by; 0 where a gap had taken it
    ask_ticks: int
    price_ticks: int
    tick_e9: int


class Queue:
    """One symbol's books and trades, in which orders rest. Ask in the order of time."""

    def __init__(self, market: Iterable[Message]) -> None:
        self._market: Iterator[Message] = iter(market)
        self.held: list[Market] = []  # from the last book at or before the last order's time on

    def rest(self, side: int, now_ns: int, setup: Setup) -> Rested:
        """Place an order to buy (+1) or sell (-1) by the last book at or before `now_ns`. Raises BadInput
        where the entries begin after that or end before its fate is known."""
        arrival_ns = now_ns + setup.latency_ns
        until_ns = arrival_ns + setup.lifetime_ns
        self._hold(now_ns, until_ns)
        first = self.held[0]
        entries = entries_of(self.held)
        if entries is None or not isinstance(first, Lob) or first.recv_ns > now_ns:
            raise BadInput("the market entries begin after the rows: give those that the rows were made of")
        events, rows = entries.events, entries.rows
        placed = int(np.searchsorted(events[:, 1], now_ns, "right"))
        broken = np.flatnonzero(np.isin(events[:, 0], GIVEN_UP) & (np.arange(len(events)) > 0))
        end = int(broken[0]) if len(broken) else len(events)
        if end < placed:
            return Rested(p.VOID, until_ns, 0, 0, 0, first.tick_e9)
        probes, packed = new_probes(16, NONE), setup.packed()
        queue.run(probes, packed, events[:placed], rows)
        bid_ticks, ask_ticks = int(probes.row[0]), int(probes.row[queue.ASKS])
        price_ticks = bid_ticks if side > 0 else ask_ticks
        order = probes.records[0]
        order[p.PLACED], order[p.SIDE], order[p.KEY] = now_ns, side, -side * price_ticks
        probes.marks[p.HEAD] = 1
        queue.run(probes, packed, events[placed:end], rows)
        state = int(order[p.STATE])
        if state == p.MARKED:
            state = p.FILLED
        elif state in (p.PENDING, p.RESTING):
            state = p.VOID  # only a gap ends the events before the order
        if state == p.FILLED:
            until_ns = int(order[p.FILLED_AT])
        elif state == p.REJECTED:
            until_ns = arrival_ns
        return Rested(state, until_ns, bid_ticks, ask_ticks, price_ticks, first.tick_e9)

    def _hold(self, now_ns: int, until_ns: int) -> None:
        """Hold what lies between the last book at or before `now_ns` and the first entry after `until_ns`."""
        held = self.held
        books = (at for at, one in enumerate(held) if isinstance(one, Lob) and one.recv_ns <= now_ns)
        del held[: max(books, default=0)]
        while not held or held[-1].recv_ns <= until_ns:
            one = next(self._market, None)
            if one is None:
                raise BadInput(
                    "the market entries end before the rows do: give those that the rows were made of"
                )
            if not isinstance(one, MARKET_KINDS):
                raise BadInput(f"{type(one).__name__} among market entries")
            if isinstance(one, Lob) and one.recv_ns <= now_ns:
                held.clear()
            held.append(one)


def market_of(data: Dataset) -> Iterator[Message]:
    """The market entries that `data` were loaded from, read again one by one. Raises BadInput where they are
    not of files, or those are gone."""
    if not data.paths:
        raise BadInput(
            "fill queue-aware needs every book and trade, and these rows are not of a recording: take them "
            "from research.dataset.load(FILE), or give the market entries they were made of as `market`"
        )
    for path in data.paths:
        if not path.exists():
            raise BadInput(f"{path}: no such file or folder; fill queue-aware reads the recording again")
    return _read(data)


def _read(data: Dataset) -> Iterator[Message]:
    if data.paths[0].is_dir():
        for folder in data.paths:
            for _, message in entries_in(folder, data.symbol):
                yield message
        return
    for symbol, _, message in market_entries(data.paths):
        if symbol == data.symbol:
            yield message
