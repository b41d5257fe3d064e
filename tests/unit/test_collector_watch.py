"""Silences that are failures, and those that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.collector.watch import LEARNED, Watch
from services.venue.recording import scan, timeline
from shared.units import MS, SECOND

DEPTH, TICKER, TRADE, MARK = (
    f"btcusdt@{kind}" for kind in ("depth@100ms", "bookTicker", "aggTrade", "markPrice@1s")
)


class Feed:
    """Streams that send on a beat; `now_ns` is monotonic time."""

    def __init__(self, *streams: str, silent_s: float = 3.0) -> None:
        self.watch = Watch(streams, int(silent_s * SECOND))
        self.now_ns = SECOND
        self.watch.opened(streams, self.now_ns)

    def run(self, seconds: float, **each_ms: int) -> list[str]:
        """Let time pass; the streams named by kind send every so many milliseconds. Returns who is silent."""
        names = {"depth": DEPTH, "ticker": TICKER, "trade": TRADE, "mark": MARK}
        end_ns, silent = self.now_ns + int(seconds * SECOND), []
        while self.now_ns < end_ns:
            self.now_ns += 10 * MS
            for kind, each in each_ms.items():
                if self.now_ns // MS % each == 0:
                    self.watch.seen(names[kind], self.now_ns)
            if self.now_ns // MS % 250 == 0:
                silent += [one.stream for one in self.watch.check(self.now_ns)]
        return silent


def test_frozen_stream_is_found_by_its_own_rate() -> None:
    feed = Feed(DEPTH)
    assert feed.run(30, depth=100) == []
    assert feed.run(2.5) == []
    assert feed.run(1) == [DEPTH]


def test_slow_stream_has_more_time() -> None:
    feed = Feed(TRADE)
    assert feed.run(200, trade=2000) == []
    assert feed.run(100) == []
    assert feed.run(25) == [TRADE]


def test_tape_that_is_silent_while_the_book_moves_is_found_in_half_the_time() -> None:
    alone, beside = Feed(TRADE), Feed(DEPTH, TRADE)
    assert alone.run(60, trade=500) == []
    assert beside.run(60, trade=500, depth=100) == []
    assert alone.run(20) == []
    assert beside.run(20, depth=100) == [TRADE]


def test_quiet_market_is_no_failure() -> None:
    feed = Feed(DEPTH, TRADE)
    assert feed.run(60, trade=500, depth=100) == []
    assert feed.run(20, depth=2000) == []  # both slow down together


def test_stream_without_a_rate_is_not_judged() -> None:
    feed = Feed(TRADE)
    feed.run((LEARNED - 1) * 1.0, trade=1000)
    assert feed.run(300) == []


def test_mark_price_has_five_beats() -> None:
    feed = Feed(MARK)
    assert feed.run(40, mark=1000) == []
    assert feed.run(4.5) == []
    assert feed.run(1) == [MARK]


def test_silence_that_goes_on_is_told_again_ever_less_often() -> None:
    feed = Feed(DEPTH)
    feed.run(30, depth=100)
    assert len(feed.run(15)) == 2  # at 3 s and at 13 s
    assert len(feed.run(100)) == 2  # 30 s later, 60 s later, then each minute
    assert feed.run(10, depth=100) == []
    assert len(feed.run(4)) == 1  # it came back in between: a silence of its own


def test_lost_socket_is_not_silent_and_has_time_when_it_is_back() -> None:
    feed = Feed(DEPTH)
    feed.run(30, depth=100)
    feed.watch.closed([DEPTH], feed.now_ns)
    assert feed.run(60) == []
    feed.watch.opened([DEPTH], feed.now_ns)
    assert feed.run(2.5) == []
    assert feed.run(1) == [DEPTH]


def test_old_minutes_are_forgotten() -> None:
    feed = Feed(TRADE)
    feed.run(60, trade=100)
    assert feed.run(60, trade=10_000)  # far below its rate
    feed.run(400, trade=10_000)
    assert feed.run(60, trade=10_000) == []  # which is another by now


@pytest.mark.recorded
@pytest.mark.parametrize(
    "names",
    [
        ("usdm-raw/btcusdt_20240808.gz",),
        ("spot-raw/ethusdt_20240808.gz",),
    ],
)
def test_recorded_markets_raise_no_alarm(recordings: Path, names: tuple[str, ...]) -> None:
    files = tuple(recordings / name for name in names)
    instruments = scan(files)
    symbol = next(iter(instruments)).lower()
    streams = [f"{symbol}@{kind}" for kind in ("depth", "bookTicker", "aggTrade")]
    watch, due_ns, silent = Watch(streams, 3 * SECOND), 0, []
    watch.opened(streams, next(iter(instruments.values())).first_ns)
    for event in timeline(files, instruments):
        watch.seen(f"{symbol}@{event.kind}", event.recv_ns)
        if event.recv_ns >= due_ns:
            due_ns = event.recv_ns + 250 * MS
            silent += watch.check(event.recv_ns)
    assert silent == []
