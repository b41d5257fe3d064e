"""However two sockets interleave, what passes is every frame once and in order."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from services.collector.handover import Handover

STREAMS = ("btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@aggTrade", "btcusdt@markPrice@1s")


def frame(stream: str, number: int) -> bytes:
    """The `number`-th frame of a stream."""
    bodies = {
        "depth@100ms": {"U": 10 * number - 9, "u": 10 * number, "pu": 10 * number - 10, "b": [], "a": []},
        "bookTicker": {"u": 7 * number, "b": "1", "a": "2"},
        "aggTrade": {"a": number, "p": "1"},
        "markPrice@1s": {"E": 1000 * number, "p": "1"},
    }
    return json.dumps({"stream": stream, "data": bodies[stream.partition("@")[2]]}).encode()


def number_of(message: bytes) -> tuple[str, int]:
    parsed = json.loads(message)
    stream, data = parsed["stream"], parsed["data"]
    if "@depth" in stream:
        return stream, data["u"] // 10
    if "@bookTicker" in stream:
        return stream, data["u"] // 7
    return stream, data["a"] if "@aggTrade" in stream else data["E"] // 1000


@given(
    ahead=st.integers(1, 6),  # frames that the old socket brought before the overlap
    begins=st.integers(0, 8),  # frames after which the new one begins
    lead=st.integers(-6, 6),  # how far the new one is ahead of the old one
    order=st.lists(st.booleans(), min_size=60, max_size=60),
    length=st.integers(8, 20),
)
def test_nothing_is_missing_and_nothing_comes_twice(
    ahead: int, begins: int, lead: int, order: list[bool], length: int
) -> None:
    handover = Handover(STREAMS)
    old = [(stream, number) for number in range(ahead, length + 1) for stream in STREAMS]
    first = max(1, ahead + begins)  # the new one misses nothing after it was opened
    new = [(stream, number) for number in range(first, length + 1) for stream in STREAMS]
    passed: list[tuple[str, int]] = []
    skew = max(0, -lead) * len(STREAMS)
    for is_new in [False] * skew + order:
        source = new if is_new else old
        if (
            is_new
            and not handover.is_done
            and source
            and source[0][1] > _reached(old, length) + 1 + max(0, lead)
        ):
            continue  # it cannot bring what has not happened
        if source and not (handover.is_done and not is_new):
            passed += [number_of(one) for one in handover.take(is_new, frame(*source.pop(0)))]
    while old and not handover.is_done:
        passed += [number_of(one) for one in handover.take(False, frame(*old.pop(0)))]
    passed += [number_of(one) for one in handover.finish()]
    for stream, number in new:
        passed += [number_of(one) for one in handover.take(True, frame(stream, number))]
    for stream in STREAMS:
        numbers = [number for name, number in passed if name == stream]
        assert numbers == list(range(ahead, length + 1))
    if new or first <= length:
        assert handover.is_caught_up


def _reached(old: list[tuple[str, int]], length: int) -> int:
    """The last frame that the old socket has brought of all streams."""
    return old[0][1] - 1 if old else length


def test_stale_streams_come_from_the_new_socket_at_once() -> None:
    handover = Handover(STREAMS, {STREAMS[0]})
    message = frame(STREAMS[0], 9)
    assert handover.take(True, message) == [message]
    assert not handover.is_done  # the others have not changed over


def test_what_is_no_frame_passes() -> None:
    handover = Handover(STREAMS)
    for message in (b'{"result":null,"id":1}', b"no json", b'{"stream":"btcusdt@depth@100ms","data":{}}'):
        assert handover.take(True, message) == [message]


def test_frames_that_wait_pass_when_the_old_socket_is_gone() -> None:
    handover = Handover(STREAMS)
    handover.take(False, frame(STREAMS[2], 3))
    assert handover.take(True, frame(STREAMS[2], 6)) == []  # 4 and 5 are still to come from the old one
    assert handover.finish() == [frame(STREAMS[2], 6)]  # they never came: the jump of the ids says so
