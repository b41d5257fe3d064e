"""Snapshots of the synthetic market taken at any moment agree with its diffs."""

from __future__ import annotations

import random
from collections import defaultdict

from services.collector.core import CollectorCore
from services.venue.synthetic.frames import Frames
from services.venue.synthetic.market import SyntheticMarket
from shared.units import MS, SECOND

SYMBOL = "BTCUSDT"
T0 = 1_700_000_000 * SECOND
SECONDS = 200  # without deletes of what came and went the first difference was after 92 s


def test_book_never_differs_from_a_snapshot_between_two_diffs() -> None:
    market = SyntheticMarket(SYMBOL, 10, T0)
    frames, draw = Frames(SYMBOL, market.scale), random.Random(10)
    counts: dict[str, int] = defaultdict(int)
    core = CollectorCore({SYMBOL: market.scale}, counts)
    now_ns = asked_ns = T0
    while now_ns < T0 + SECONDS * SECOND:
        now_ns += draw.randrange(1 * MS, 40 * MS)
        for block in market.advance(now_ns):
            for line in frames.of(block, now_ns):
                if line.kind == "depth":
                    core.frame(line.recv_ns, "btcusdt@depth@100ms", line.data)
        if now_ns >= asked_ns:
            asked_ns = now_ns + SECOND
            levels = market.levels(1, 1000), market.levels(-1, 1000)
            core.snapshot(now_ns, SYMBOL, frames.snapshot(market.update_id, *levels))
    assert counts["snapshots"] == 1
    assert counts["snapshots_unneeded"] + counts["snapshots_filled"] >= SECONDS - 10
    assert counts["snapshots_differs"] == counts["gaps"] == 0
