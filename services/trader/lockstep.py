"""Replay only: folding in the recorded order, and telling the venue how far we are (docs/replay.md).

Before an entry at market time `t` is folded, everything that the venue delivers up to `t` must be here: the
user stream's watermark is at `t` or beyond, and every request with `cause + 2 L <= t` is answered.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

from services.trader.facts import Fact
from services.trader.merge import AccountChange, Step
from shared.errors import BadInput
from shared.messages import Control, Flow, Lob, Market, Prediction
from shared.streams import parse_id
from shared.units import MS

ANSWER, EVENT = range(2)  # at one time of delivery, answers come before events


class InOrder:
    """The canonical order of one symbol. `latency_ms` is the venue's modelled one-way latency."""

    needs_every_entry = True  # the venue waits for our cursor

    def __init__(self, symbol: str, latency_ms: int) -> None:
        self.symbol = symbol
        self.latency_ns = latency_ms * MS
        self.market_ns = 0  # market time of the last thing folded
        self.cursor_ns = 0  # everything up to here is folded, predictions included
        self.watermark_ns = 0  # every user event up to here is in `_delivered`
        self._market: deque[tuple[str, Market]] = deque()
        self._predictions: deque[tuple[str, Prediction | Flow]] = deque()
        self._wanted: str | None = None  # the Lob whose prediction is next
        self._at_once: deque[Step] = deque()  # reconciliation, control: not part of the recorded order
        self._delivered: list[tuple[int, int, int, int, Step]] = []  # (deliver_ns, kind, number, place, step)
        self._awaited: dict[str, tuple[int, int]] = {}  # request -> (market ns its answer is due, number)
        self._requests = 0
        self._told = ""  # the last cursor sent

    @property
    def backlog(self) -> int:
        """Market entries waiting."""
        return len(self._market)

    def push_streams(
        self, market: Sequence[tuple[str, Market]], predictions: Sequence[tuple[str, Prediction | Flow]]
    ) -> None:
        """Every entry counts."""
        self._market.extend(market)
        self._predictions.extend(predictions)

    def push_control(self, entry_id: str, message: Control) -> None:
        """People have no place in the recorded order: folded at once."""
        self._at_once.append(Step("control", entry_id, message))

    def push_shutdown(self) -> None:
        """Folded at once."""
        self._at_once.append(Step("shutdown"))

    def push_event(self, frame: Mapping[str, Any], whats: Sequence[Fact | AccountChange]) -> None:
        """A user event at its time of delivery, or a watermark."""
        steps = [Step("account" if isinstance(what, AccountChange) else "fact", "", what) for what in whats]
        replay = frame.get("replay")
        if isinstance(replay, dict):
            self.watermark_ns = max(self.watermark_ns, replay["watermark"][1])
        elif replay is None:
            self._at_once.extend(steps)
        else:
            number, deliver_ns = replay
            for place, step in enumerate(steps):
                heappush(self._delivered, (deliver_ns, EVENT, number, place, step))

    def push_answer(self, name: str, headers: Mapping[str, str], facts: Sequence[Fact]) -> None:
        """An answer at its time of delivery; one that the venue never gave (no header), when it was due."""
        due_ns, number = self._awaited.pop(name)
        stamp = headers.get("X-Replay")
        deliver_ns = int(stamp.split(",")[1]) if stamp else due_ns
        for place, fact in enumerate(facts):
            heappush(self._delivered, (deliver_ns, ANSWER, number, place, Step("fact", "", fact)))

    def sending(self, name: str) -> dict[str, str]:
        """The cause of a request is what was folded last, and its answer is due two latencies later."""
        self._requests += 1
        self._awaited[name] = (self.market_ns + 2 * self.latency_ns, self._requests)
        return {"X-Replay-Cause": str(self.market_ns), "X-Replay-Request": name}

    def pop(self) -> Step | None:
        """The next in the recorded order. Raises BadInput where a Lob has no prediction."""
        if self._at_once:
            return self._at_once.popleft()
        if self._wanted is not None:
            return self._prediction()
        if not self._market:
            return None
        at_ns = self._market[0][1].recv_ns
        if self.watermark_ns < at_ns or any(due_ns <= at_ns for due_ns, _ in self._awaited.values()):
            return None
        if self._delivered and self._delivered[0][0] <= at_ns:
            deliver_ns, *_, step = heappop(self._delivered)
            self.market_ns = max(self.market_ns, deliver_ns)
            return step
        entry_id, message = self._market.popleft()
        self.market_ns = message.recv_ns
        if isinstance(message, Lob):
            self._wanted = entry_id
        else:
            self.cursor_ns = message.recv_ns
        return Step("market", entry_id, message)

    def _prediction(self) -> Step | None:
        if not self._predictions:
            return None
        entry_id, message = self._predictions.popleft()
        if isinstance(message, Flow):  # it has its effect with the prediction behind it
            return Step("predictions", entry_id, message)
        if entry_id != self._wanted:
            order = "skips" if parse_id(entry_id) > parse_id(self._wanted or "") else "is behind"
            raise BadInput(f"predictions of {self.symbol}: {entry_id} {order} the book at {self._wanted}")
        self._wanted = None
        self.cursor_ns = self.market_ns
        return Step("predictions", entry_id, message)

    def cursor(self) -> str | None:
        """How far we are and which requests the venue must have received before it goes on."""
        if not self.cursor_ns:
            return None
        text = json.dumps(
            {"method": "REPLAY_CURSOR", "params": [self.symbol, self.cursor_ns, list(self._awaited)]}
        )
        if text == self._told:
            return None
        self._told = text
        return text
