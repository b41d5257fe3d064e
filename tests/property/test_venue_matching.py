"""The compiled matching engine against a plain one: lists of orders in order of arrival, sorted by price."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue.synthetic import matching
from services.venue.synthetic.state import (
    ASK,
    BID,
    DEPTH,
    N_EVENTS,
    OWN,
    OWN_EXPIRED,
    OWN_FILL,
    OWNER,
    TRADE,
    new_book,
    new_output,
)
from shared.book import Book

MIDDLE = 1000


@dataclass
class Plain:
    """Orders as [side, price, lots, owner], in order of arrival."""

    orders: list[list[int]] = field(default_factory=list)
    told: list[tuple[int, ...]] = field(default_factory=list)

    def queue(self, side: int) -> list[list[int]]:
        return sorted((row for row in self.orders if row[0] == side), key=lambda row: -side * row[1])

    def best(self, side: int) -> int:
        return self.queue(side)[0][1]

    def take(self, side: int, limit: int, lots: int, owner: int) -> int:
        for row in self.queue(-side):
            if lots == 0 or (limit - row[1]) * side < 0:
                break
            if owner and row[3]:
                self.told.append((OWN_EXPIRED, row[3], row[2]))
                row[2] = 0
                continue
            part = min(lots, row[2])
            lots -= part
            row[2] -= part
            self.told.append((TRADE, row[1], part, side))
            if owner:
                self.told.append((OWN_FILL, owner, row[1], part, 0, lots))
            if row[3]:
                self.told.append((OWN_FILL, row[3], row[1], part, 1, row[2]))
        self.orders = [row for row in self.orders if row[2]]
        return lots

    def trim(self, price: int, lots: int) -> int:
        done = 0
        for row in reversed(self.orders):
            if row[1] == price and row[3] == 0:
                part = min(lots - done, row[2])
                row[2] -= part
                done += part
        self.orders = [row for row in self.orders if row[2]]
        return done

    def levels(self, side: int) -> dict[int, int]:
        totals: dict[int, int] = {}
        for row in self.queue(side):
            totals[row[1]] = totals.get(row[1], 0) + row[2]
        return totals


action = st.tuples(
    st.sampled_from(("add", "add", "take", "trim", "publish")),
    st.sampled_from((1, -1)),
    st.integers(1, 12),
    st.integers(1, 40),
    st.integers(0, 3),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(action, max_size=60))
def test_it_matches_as_the_plain_one_and_loses_nothing(actions: list[tuple[str, int, int, int, int]]) -> None:
    book, out, plain, public = new_book(), new_output(), Plain(), Book()
    book.marks[BID], book.marks[ASK] = MIDDLE, MIDDLE + 1
    for side, price in ((1, MIDDLE), (-1, MIDDLE + 1), (1, MIDDLE - 30), (-1, MIDDLE + 31)):
        matching.add(book, side, price, 50, 0)  # the farthest are never reached: no side is ever empty
        plain.orders.append([side, price, 50, 0])
    matching.publish(book, out, 0)
    added, gone, cancelled = 200, 0, 0
    for number, (what, side, distance, lots, is_ours) in enumerate(actions, 1):
        owner = number if is_ours == 1 else 0
        if what == "add":
            price = plain.best(-side) - side * distance
            matching.add(book, side, price, lots, owner)
            plain.orders.append([side, price, lots, owner])
            added += lots
        elif what == "take":
            limit = MIDDLE + side * (distance + 10)
            left = matching.take(book, out, number, side, limit, lots, owner)
            assert left == plain.take(side, limit, lots, owner)
            gone += lots - left
        elif what == "trim":
            price = plain.best(side)
            if plain.levels(side)[price] > lots:
                done = matching.trim(book, price, lots)
                assert done == plain.trim(price, lots)
                cancelled += done
        else:
            matching.publish(book, out, number)
        assert (book.marks[BID], book.marks[ASK]) == (plain.best(1), plain.best(-1))
    matching.publish(book, out, len(actions) + 1)
    events = out.events[: out.counts[N_EVENTS]]
    told = [shown(row.tolist()) for row in events if row[0] != DEPTH]
    assert told == plain.told
    for row in events[events[:, 0] == DEPTH].tolist():
        levels = [(price, size) for _, price, size in out.levels[row[5] : row[7]].tolist()]
        public.apply(levels[: row[6] - row[5]], levels[row[6] - row[5] :])
    assert public.bid_sizes == plain.levels(1)
    assert public.ask_sizes == plain.levels(-1)
    expired = sum(row[2] for row in told if row[0] == OWN_EXPIRED)
    assert int(book.total.sum()) == added - gone - cancelled - expired
    assert gone == sum(row[2] for row in told if row[0] == TRADE)
    assert (
        book.marks[OWN] == sum(row[3] != 0 for row in plain.orders) == np.count_nonzero(book.orders[:, OWNER])
    )


def shown(row: list[int]) -> tuple[int, ...]:
    """An event without its time and ids."""
    if row[0] == TRADE:
        return (TRADE, row[3], row[4], row[5])
    if row[0] == OWN_FILL:
        return (OWN_FILL, *row[2:7])
    return (OWN_EXPIRED, row[2], row[3])
