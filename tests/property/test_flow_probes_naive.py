"""The compiled queue against a naive account of the same rules: one probe at a time, over the whole story."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from services.features.flow import probe as p
from services.features.flow import queue
from services.features.flow.probe import Setup, between, new_probes
from shared.units import MS, SECOND

START = 1_000 * SECOND
SETUP = Setup(latency_ns=70 * MS, lifetime_ns=3 * SECOND, horizon_ns=2 * SECOND)
TICKS = (0, 1, 3)


class Event(NamedTuple):
    """A book (bids and asks by price) or a trade, told at `now_ns`, of `exchange_ns`."""

    now_ns: int
    exchange_ns: int
    bids: dict[int, int]
    asks: dict[int, int]
    price: int = 0
    signed: int = 0


class Fate(NamedTuple):
    """What became of a probe."""

    state: int
    filled_at: int
    afterward: int


def story(seed: int, count: int = 400) -> list[Event]:
    """A book of up to six tiers that wanders, and trades told up to 100 ms late."""
    draws = np.random.default_rng(seed)
    events, now_ns, best = [], START, 1_000
    for _ in range(count):
        now_ns += int(draws.integers(1, 90)) * MS
        exchange_ns = now_ns - int(draws.integers(1, 100)) * MS
        if draws.uniform() < 0.6:
            best += int(draws.choice([-1, 0, 0, 0, 1]))
            tiers = [np.flatnonzero(draws.uniform(size=8) < 0.7)[:6] for _ in range(2)]
            sides = [
                {best - int(i): int(draws.integers(1, 12)) for i in tiers[0]} or {best: 1},
                {best + 1 + int(i): int(draws.integers(1, 12)) for i in tiers[1]} or {best + 1: 1},
            ]
            events.append(Event(now_ns, exchange_ns, *sides))
        elif events:
            signed = int(draws.integers(1, 15)) * int(draws.choice([-1, 1]))
            events.append(Event(now_ns, exchange_ns, {}, {}, best + int(draws.integers(-2, 4)), signed))
    return events


def fate(events: list[Event], placed_ns: int, side: int, ticks: int) -> Fate:
    """Follow one probe by the rules, as they are written down."""
    arrival_ns, book = placed_ns + SETUP.latency_ns, None
    books = [event for event in events if event.bids]
    before = [event for event in books if event.now_ns <= placed_ns]
    own = before[-1].bids if side > 0 else before[-1].asks
    price = max(own) - ticks if side > 0 else min(own) + ticks
    book = [event for event in books if event.now_ns <= arrival_ns][-1]

    def reached(event: Event) -> bool:
        return min(event.asks) <= price if side > 0 else max(event.bids) >= price

    if reached(book):
        return Fate(p.REJECTED, 0, 0)
    level = (book.bids if side > 0 else book.asks).get(price, 0)
    ahead, newest = level, book.exchange_ns
    arrived_at = newest
    credits: list[list[int]] = []  # exchange time of a book, and what it took off in front
    for event in events:
        if event.now_ns <= arrival_ns:
            continue
        if event.now_ns > arrival_ns + SETUP.lifetime_ns:
            return Fate(p.EXPIRED, 0, 0)
        is_filled = False
        if event.bids:
            newest = event.exchange_ns
            is_filled = reached(event)
            size = (event.bids if side > 0 else event.asks).get(price, 0)
            # Risk-averse: only what cannot be in front any more.
            credits.append([newest, ahead - min(ahead, size)])
            ahead = min(ahead, size)
        elif event.signed * side < 0 and event.exchange_ns > arrived_at:
            lots = abs(event.signed)
            is_filled = event.price < price if side > 0 else event.price > price
            if event.price == price:
                if event.exchange_ns <= newest:
                    since = len(credits)  # the first of the newest books that knew it
                    while since and credits[since - 1][0] >= event.exchange_ns:
                        since -= 1
                    for credit in credits[since:]:
                        used = min(credit[1], lots)
                        credit[1] -= used
                        lots -= used
                ahead -= lots
                is_filled = ahead < 0
        if is_filled:
            after = [one for one in books if one.now_ns <= event.now_ns + SETUP.horizon_ns][-1]
            return Fate(p.MARKED, event.now_ns, max(after.bids) + min(after.asks))
    return Fate(p.RESTING, 0, 0)


@pytest.mark.parametrize("seed", range(40))
def test_every_probe_ends_as_the_naive_account_says(seed: int) -> None:
    events = story(seed)
    probes, setup = new_probes(1 << 12, TICKS), SETUP.packed()
    for event in events:
        if event.bids:
            row = np.zeros(80, np.int64)
            for start, tiers, sign in ((0, event.bids, -1), (40, event.asks, 1)):
                flat = np.array(sorted(tiers.items(), key=lambda tier: sign * tier[0]), np.int64).ravel()
                row[start : start + len(flat)] = flat
            queue.on_lob(probes, setup, event.now_ns, event.exchange_ns, row)
        else:
            queue.on_trade(probes, setup, event.now_ns, event.exchange_ns, event.price, event.signed)
    done_ns = events[-1].now_ns - SETUP.whole_ns
    records = between(probes, 0, done_ns)
    assert len(records) > 40
    for record in records:
        side = int(record[p.SIDE])
        told = fate(events, int(record[p.PLACED]), side, TICKS[record[p.DEPTH]])
        seen = Fate(int(record[p.STATE]), int(record[p.FILLED_AT]), int(record[p.AFTERWARD]) * -side)
        assert seen == told, f"placed at {record[p.PLACED]}, side {side}, depth {record[p.DEPTH]}"
