"""Whether a stream is silent although it should not be (pure): by its own rate, and by what moves beside it.

The rate of each stream is learned from its last five minutes. A silence is a failure when the stream should
have sent at least `EXPECTED` frames in it: by its own rate, or, in half that number, by the frames of its
neighbor (depth moves while the tape is silent). So a quiet market is no failure and a frozen stream is found
within seconds. A stream without a rate of its own (fewer than 20 frames) is never judged; at the start
`boot.py` does that. All times are monotonic nanoseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from services.collector.routes import kind_of
from shared.units import SECOND

BUCKET_NS = 10 * SECOND
BUCKETS = 30
LEARNED = 20  # frames before a rate counts for anything
# Frames that should have come: trades come in bursts, the mark price on a beat.
EXPECTED = {"depth": 30.0, "bookTicker": 60.0, "aggTrade": 60.0, "markPrice": 5.0}
NEIGHBOR = {"depth": "bookTicker", "bookTicker": "depth", "aggTrade": "depth"}
AGAIN_NS = (10 * SECOND, 30 * SECOND, 60 * SECOND)  # a reconnect that did not help is tried again after this


class Silence(NamedTuple):
    """One stream that is silent, and why that is a failure."""

    stream: str
    reason: str


class _Pulse:
    """Arrivals of one stream."""

    __slots__ = (
        "alarms",
        "at_neighbor",
        "begun_ns",
        "bucket_ns",
        "counts",
        "current",
        "expected",
        "last_ns",
        "neighbor",
        "out_ns",
        "since_ns",
        "total",
        "was_told_ns",
    )

    def __init__(self, expected: float) -> None:
        self.expected = expected
        self.neighbor: _Pulse | None = None
        self.total = 0
        self.at_neighbor = 0  # the neighbor's total when the last frame came
        self.last_ns = 0  # of the last frame
        self.since_ns: int | None = None  # silence counts from here; None while the socket is down
        self.begun_ns = 0  # of the oldest bucket
        self.bucket_ns = 0  # of the current one
        self.current = 0
        self.counts: deque[int] = deque(maxlen=BUCKETS)
        self.alarms = 0
        self.was_told_ns = 0
        self.out_ns: int | None = None  # since then it is known to be silent, or its socket is down

    def beat(self, now_ns: int) -> None:
        if self.out_ns is not None:
            self.skip(now_ns)
        if self.total == 0:
            self.begun_ns = self.bucket_ns = now_ns
        elif now_ns - self.bucket_ns >= BUCKET_NS:
            self._turn(now_ns)
        self.total += 1
        self.current += 1
        self.last_ns = self.since_ns = now_ns
        self.alarms = 0
        if self.neighbor is not None:
            self.at_neighbor = self.neighbor.total

    def skip(self, now_ns: int) -> None:
        """Leave out of the rate what was an outage and no pause of the market."""
        if self.out_ns is not None and self.total:
            passed_ns = now_ns - self.out_ns
            self.begun_ns += passed_ns
            self.bucket_ns += passed_ns
            self.last_ns += passed_ns
        self.out_ns = None

    def _turn(self, now_ns: int) -> None:
        passed = (now_ns - self.bucket_ns) // BUCKET_NS
        self.counts.append(self.current)
        self.counts.extend([0] * min(passed - 1, BUCKETS))
        self.current = 0
        self.bucket_ns += passed * BUCKET_NS
        self.begun_ns = max(self.begun_ns, self.bucket_ns - BUCKETS * BUCKET_NS)

    def rate(self) -> tuple[int, float]:
        """(frames in the window, frames a second); the silence since the last frame does not dilute it."""
        frames = sum(self.counts) + self.current
        seconds = (self.last_ns - self.begun_ns) / SECOND
        return frames, frames / seconds if frames >= LEARNED and seconds > 0 else 0.0


class Watch:
    """Watches `streams`. No silence shorter than `silent_ns` is a failure."""

    def __init__(self, streams: Iterable[str], silent_ns: int) -> None:
        self._silent_ns = silent_ns
        self._pulses = {stream: _Pulse(EXPECTED[kind_of(stream)]) for stream in streams}
        by_kind = {
            (stream.partition("@")[0], kind_of(stream)): pulse for stream, pulse in self._pulses.items()
        }
        for (symbol, kind), pulse in by_kind.items():
            pulse.neighbor = by_kind.get((symbol, NEIGHBOR.get(kind, "")))

    def seen(self, stream: str, now_ns: int) -> None:
        """A frame of `stream` came."""
        pulse = self._pulses.get(stream)
        if pulse is not None:
            pulse.beat(now_ns)

    def opened(self, streams: Iterable[str], now_ns: int) -> None:
        """Their socket is open: they have time from now on."""
        for stream in streams:
            pulse = self._pulses[stream]
            if pulse.since_ns is None:
                pulse.skip(now_ns)
            pulse.since_ns = now_ns
            if pulse.neighbor is not None:
                pulse.at_neighbor = pulse.neighbor.total

    def closed(self, streams: Iterable[str], now_ns: int) -> None:
        """Their socket is lost, which is said already."""
        for stream in streams:
            pulse = self._pulses[stream]
            pulse.since_ns = None
            if pulse.out_ns is None:
                pulse.out_ns = now_ns

    def check(self, now_ns: int) -> list[Silence]:
        """The streams that are silent now. A silence that goes on is told again, ever less often."""
        return [
            Silence(stream, reason)
            for stream, pulse in self._pulses.items()
            if (reason := self._judge(stream, pulse, now_ns))
        ]

    def _judge(self, stream: str, pulse: _Pulse, now_ns: int) -> str:
        if pulse.since_ns is None or now_ns - pulse.since_ns < self._silent_ns:
            return ""
        if pulse.alarms and now_ns - pulse.was_told_ns < AGAIN_NS[min(pulse.alarms, len(AGAIN_NS)) - 1]:
            return ""
        _, rate = pulse.rate()
        silent_s = (now_ns - pulse.since_ns) / SECOND
        missing = rate * silent_s
        why = f"no frame for {silent_s:.1f} s, {missing:.0f} expected by its rate"
        if missing < pulse.expected:
            beside = pulse.neighbor
            if beside is None or rate == 0.0 or beside.rate()[1] == 0.0:
                return ""
            missing = (beside.total - pulse.at_neighbor) * rate / beside.rate()[1]
            if missing < pulse.expected / 2:
                return ""
            why = f"no frame for {silent_s:.1f} s while its neighbor sent {beside.total - pulse.at_neighbor}"
        pulse.alarms += 1
        if pulse.out_ns is None:
            pulse.out_ns = now_ns
        pulse.was_told_ns = now_ns
        return f"{stream}: {why}"
