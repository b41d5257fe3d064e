"""The synthetic market of one symbol: time and our orders in, events out. Pure: a function of its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.venue.synthetic import arrivals, flow, matching, ours
from services.venue.synthetic.levels import look
from services.venue.synthetic.parameters import MODELS, Model
from services.venue.synthetic.state import (
    ASK,
    BID,
    LAST_DIFF_ID,
    N_EVENTS,
    N_LEVELS,
    N_ROWS,
    OWN_EXPIRED,
    OWN_FILL,
    TRADE_ID,
    UPDATE_ID,
    Ints,
    new_book,
    new_flow,
    new_output,
)
from shared.book import Level
from shared.units import SECOND


class Block(NamedTuple):
    """What happened, in order. `events` (n, 8), `levels` (m, 3), `rows` (k, 80); see `state.py`."""

    events: Ints
    levels: Ints
    rows: Ints


class Placed(NamedTuple):
    """What an order of ours came to at once: its trades, (price_ticks, lots), and lots it did not take."""

    fills: list[Level]
    left: int


class MarketState(msgspec.Struct):
    """Everything a market is at one moment, besides its model: its arrays, by name, as bytes."""

    now_ns: int
    middle_ticks: int
    update_id: int
    trade_id: int
    arrays: dict[str, bytes]
    resting: dict[int, int]


class SyntheticMarket:
    """One symbol. Which events come is a function of `seed`, and of our orders and their times.

    Our orders take part: they wait in the queue like all others, and what they take is gone. They are known
    by `owner`, a number above 0 that is not used twice. What becomes of them comes with the next block, in
    its place among the events: OWN_FILL, and OWN_EXPIRED for one that met another of ours.
    """

    def __init__(
        self,
        symbol: str,
        seed: int,
        start_ns: int,
        model: Model | None = None,
        opening_ticks: int | None = None,
    ) -> None:
        self.model = MODELS[symbol] if model is None else model
        self.symbol = symbol
        self.scale = self.model.scale
        self.now_ns = start_ns
        self._book, self._out = new_book(), new_output()
        self._flow = new_flow(symbol, seed, start_ns)
        self._resting: dict[int, int] = {}  # owner -> its order's place in the book
        self._open(start_ns, self.model.opening_ticks if opening_ticks is None else opening_ticks)

    @property
    def best(self) -> tuple[int, int]:
        """Best bid and ask in ticks."""
        return int(self._book.marks[BID]), int(self._book.marks[ASK])

    def reaches(self, price_ticks: int) -> bool:
        """Whether an order may rest at a price: not farther from the market than the grid."""
        return abs(price_ticks - self.best[0]) <= ours.FARTHEST

    @property
    def update_id(self) -> int:
        """The number of the last change of the book: what a snapshot taken now is of."""
        return int(self._book.marks[UPDATE_ID])

    def advance(self, until_ns: int) -> Iterator[Block]:
        """Let the market go on up to and including `until_ns`; yields blocks of what happened, the first with
        what our orders did since the last. How time is cut into calls changes nothing."""
        while True:
            self.now_ns = flow.run(
                self._book, self._flow, self._out, self.model.parameters, self.model.tables, until_ns
            )
            yield self._drained()
            if self.now_ns == until_ns:
                return

    def place(self, owner: int, sign: int, limit_ticks: int, lots: int, rests: bool) -> Placed:
        """An order of ours, now: it takes what it can up to its limit, and the rest waits at the limit if it
        `rests`. The next block tells of it, too."""
        if rests and not self.reaches(limit_ticks):
            raise ValueError(f"an order at {limit_ticks} ticks cannot rest: the market is at {self.best[0]}")
        start = int(self._out.counts[N_EVENTS])
        answer = ours.place(
            self._book, self._flow, self._out, self.model.parameters, self.now_ns, owner, sign, limit_ticks,
            lots, rests,
        )  # fmt: skip
        told = self._out.events[start : self._out.counts[N_EVENTS]]
        mine = told[(told[:, 0] == OWN_FILL) & (told[:, 2] == owner)]
        fills = list(zip(mine[:, 3].tolist(), mine[:, 4].tolist(), strict=True))
        if answer >= 0:
            self._resting[owner] = answer
        return Placed(fills, lots - sum(size for _, size in fills))

    def cancel(self, owner: int) -> int:
        """Cancel an order of ours, now. Returns the lots that were left of it; 0 where it is gone."""
        slot = self._resting.pop(owner, None)
        if slot is None:
            return 0
        return ours.cancel(self._book, self._flow, self._out, self.model.parameters, self.now_ns, owner, slot)

    def levels(self, sign: int, count: int) -> list[Level]:
        """(price_ticks, lots) of the best `count` levels, best first; bids for +1, asks for -1."""
        best, reach = self.best[sign < 0], matching.REACH
        found: list[Level] = []
        for start in range(0, reach, 4096):
            prices = best - sign * np.arange(start, min(start + 4096, reach))
            lots = self._book.total[prices & matching.MASK]
            held = np.flatnonzero(lots)[: count - len(found)]
            found += zip(prices[held].tolist(), lots[held].tolist(), strict=True)
            if len(found) == count:
                break
        return found

    @property
    def is_settled(self) -> bool:
        """Whether nothing that our orders did waits for the next block."""
        return not self._out.counts.any()

    def state(self) -> MarketState:
        """What `resume` needs to go on from here as if nothing had been. Only while it is settled."""
        if not self.is_settled:
            raise ValueError(f"{self.symbol}: what our orders did is not told yet")
        arrays = {name: array.tobytes() for name, array in self._arrays().items()}
        ids = (self.update_id, int(self._book.marks[TRADE_ID]))
        return MarketState(self.now_ns, self.best[0], *ids, arrays, dict(self._resting))

    def resume(self, state: MarketState) -> None:
        """Become the market whose state it is; it must have had the same model."""
        for name, array in self._arrays().items():
            array[...] = np.frombuffer(state.arrays[name], array.dtype).reshape(array.shape)
        self.now_ns, self._resting = state.now_ns, dict(state.resting)

    def follow(self, state: MarketState) -> None:
        """Open where a market of another model ended: its price and its numbers go on, its book does not."""
        self._book.marks[UPDATE_ID] = self._book.marks[LAST_DIFF_ID] = state.update_id + 1
        self._book.marks[TRADE_ID] = state.trade_id

    def stand_still(self, until_ns: int) -> None:
        """Let the clock go on to `until_ns` while nothing happens: the market was closed."""
        self._flow.times[:] += until_ns - self.now_ns
        self.now_ns = until_ns

    def _arrays(self) -> dict[str, NDArray[Any]]:
        parts = (self._book, self._flow)
        return {name: array for part in parts for name, array in zip(part._fields, part, strict=True)}

    def _drained(self) -> Block:
        out, counts = self._out, self._out.counts
        block = Block(
            out.events[: counts[N_EVENTS]].copy(),
            out.levels[: counts[N_LEVELS]].copy(),
            out.rows[: counts[N_ROWS]].copy(),
        )
        counts[:] = 0
        if self._resting:
            for row in block.events[np.isin(block.events[:, 0], (OWN_FILL, OWN_EXPIRED))]:
                is_over = row[0] == OWN_EXPIRED or row[6] == 0
                if is_over:
                    self._resting.pop(int(row[2]), None)
        return block

    def _open(self, start_ns: int, bid: int) -> None:
        """The book at the start: two bests one tick apart, and the levels behind them."""
        book, state, p, tables = self._book, self._flow, self.model.parameters, self.model.tables
        book.marks[BID], book.marks[ASK] = bid, bid + 1
        for side, price in ((1, bid), (-1, bid + 1)):
            matching.add(book, side, price, int(p.best_target), 0)
            for distance in range(1, int(p.reach) + 1):
                look(book, p, tables, state.seeds, side, distance, 0.0)
        state.values[[arrivals.TARGET_BID, arrivals.TARGET_ASK]] = p.best_target
        state.values[[arrivals.REFERENCE, arrivals.MARKED]] = bid + 0.5
        state.values[arrivals.OPENING] = self.model.opening_ticks + 0.5  # what the price comes home to
        state.times[arrivals.NEXT_DIFF] = start_ns + int(p.depth_interval * SECOND)
        state.times[arrivals.NEXT_SECOND] = start_ns - start_ns % SECOND + SECOND
        arrivals.plan(book, state, p)
