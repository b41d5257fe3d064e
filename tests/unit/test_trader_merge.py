"""Arrival takes what counts; lockstep takes everything, in the venue's order."""

from __future__ import annotations

import json

import pytest

from services.trader.facts import OrderFact
from services.trader.lockstep import InOrder
from services.trader.merge import Arrival, Step
from shared.errors import BadInput
from shared.messages import Flow, Halt, Heartbeat, Lob, Prediction
from shared.units import MS


def beat(ms: int) -> tuple[str, Heartbeat]:
    return f"{ms}-0", Heartbeat(0, 1, 0, ms * MS)


def lob(ms: int) -> tuple[str, Lob]:
    return f"{ms}-0", Lob(0, 1, 0, ms * MS, 1, 1, 1, b"", b"")


def prediction(ms: int) -> tuple[str, Prediction]:
    return f"{ms}-0", Prediction(ms * MS, "m", "s", 0, 1, 2, 1, (), (), (), "")


def flow(ms: int) -> tuple[str, Flow]:
    return f"{ms}-0", Flow(ms * MS, 0, 1, 1, 100, 5_000, 5_000, (), "none")


def fact(name: str) -> OrderFact:
    return OrderFact(name, "accepted", 0)


def shown(step: Step | None) -> str:
    """A step in short."""
    if step is None:
        return "wait"
    return step.what.client_id if isinstance(step.what, OrderFact) else f"{step.kind} {step.entry_id}".strip()


def drained(merge: Arrival | InOrder) -> list[str]:
    out = []
    while (step := merge.pop()) is not None:
        out.append(shown(step))
    return out


def test_arrival_keeps_the_last_prediction_and_the_last_heartbeat() -> None:
    merge = Arrival()
    merge.push_streams([beat(1), lob(2), beat(3), beat(4)], [prediction(1), prediction(2)])
    merge.push_control("9-0", Halt(0, "a", "b"))
    merge.push_answer("x", {}, [fact("answer")])
    merge.push_event({"e": "x"}, [fact("event")])
    merge.push_shutdown()
    assert merge.sending("x") == {}
    assert drained(merge) == [
        "market 2-0",
        "market 4-0",
        "predictions 2-0",
        "control 9-0",
        "answer",
        "event",
        "shutdown",
    ]
    assert merge.cursor() is None


def test_arrival_keeps_every_flow_in_its_place() -> None:
    merge = Arrival()
    merge.push_streams([], [prediction(1), flow(2), prediction(3), flow(4)])
    merge.push_streams([], [flow(5)])
    assert drained(merge) == ["predictions 2-0", "predictions 3-0", "predictions 4-0", "predictions 5-0"]


def test_a_flow_is_folded_before_the_prediction_behind_it() -> None:
    merge = InOrder("BTCUSDT", 100)
    watermark(merge, 1000)
    merge.push_streams([beat(100), lob(150), beat(200)], [flow(100), prediction(150)])
    assert drained(merge) == [
        "market 100-0",
        "market 150-0",
        "predictions 100-0",
        "predictions 150-0",
        "market 200-0",
    ]


def watermark(merge: InOrder, ms: int) -> None:
    merge.push_event({"replay": {"watermark": [0, ms * MS]}}, [])


def test_nothing_is_folded_before_the_watermark() -> None:
    merge = InOrder("BTCUSDT", 100)
    merge.push_streams([beat(100), beat(200)], [])
    assert shown(merge.pop()) == "wait"
    watermark(merge, 199)
    assert drained(merge) == ["market 100-0"]
    watermark(merge, 200)
    assert drained(merge) == ["market 200-0"]


def test_a_book_is_followed_by_its_prediction_before_anything_else() -> None:
    merge = InOrder("BTCUSDT", 100)
    watermark(merge, 1000)
    merge.push_event({"replay": [1, 150 * MS]}, [fact("event")])
    merge.push_streams([lob(100), beat(200)], [])
    assert drained(merge) == ["market 100-0"]
    assert merge.cursor() is None  # an order may still come of it
    merge.push_streams([], [prediction(100)])
    assert drained(merge) == ["predictions 100-0", "event", "market 200-0"]
    assert merge.cursor() is not None


def test_a_missing_prediction_is_an_error_that_names_it() -> None:
    merge = InOrder("BTCUSDT", 100)
    watermark(merge, 1000)
    merge.push_streams([lob(100)], [prediction(200)])
    merge.pop()
    with pytest.raises(BadInput, match="200-0 skips the book at 100-0"):
        merge.pop()


def test_answers_are_waited_for_and_come_before_events_of_their_time() -> None:
    merge = InOrder("BTCUSDT", 100)
    watermark(merge, 1000)
    merge.push_streams([beat(100)], [])
    assert drained(merge) == ["market 100-0"]
    first, second = merge.sending("one"), merge.sending("cancel:two")
    assert first == {"X-Replay-Cause": str(100 * MS), "X-Replay-Request": "one"}
    assert second["X-Replay-Request"] == "cancel:two"
    told = json.loads(merge.cursor() or "")
    assert told == {"method": "REPLAY_CURSOR", "params": ["BTCUSDT", 100 * MS, ["one", "cancel:two"]]}
    assert merge.cursor() is None  # nothing new to tell
    merge.push_streams([beat(200), beat(299), beat(300), beat(400)], [])
    merge.push_event({"replay": [7, 300 * MS]}, [fact("later")])
    merge.push_event({"replay": [6, 300 * MS]}, [fact("event")])
    assert drained(merge) == ["market 200-0", "market 299-0"]  # answers are due at 300
    merge.push_answer("cancel:two", {"X-Replay": f"0,{300 * MS}"}, [fact("two")])
    assert drained(merge) == []
    merge.push_answer("one", {"X-Replay": f"0,{300 * MS}"}, [fact("answer")])
    assert drained(merge) == ["answer", "two", "event", "later", "market 300-0", "market 400-0"]


def test_a_request_caused_by_an_event_has_the_events_time() -> None:
    merge = InOrder("BTCUSDT", 100)
    watermark(merge, 1000)
    merge.push_streams([beat(100), beat(200)], [])
    merge.push_event({"replay": [1, 150 * MS]}, [fact("event")])
    assert shown(merge.pop()) == "market 100-0"
    assert shown(merge.pop()) == "event"
    assert merge.sending("x")["X-Replay-Cause"] == str(150 * MS)
    assert json.loads(merge.cursor() or "")["params"][1] == 100 * MS


def test_reconciliation_control_and_the_end_have_no_place_in_the_order() -> None:
    merge = InOrder("BTCUSDT", 100)
    merge.push_event({}, [fact("reconciled")])
    merge.push_control("5-0", Halt(0, "a", "b"))
    merge.push_shutdown()
    assert drained(merge) == ["reconciled", "control 5-0", "shutdown"]
    assert merge.cursor() is None
