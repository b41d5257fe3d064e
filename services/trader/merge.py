"""In which order the inputs of one symbol are folded. This is the live way: as they arrive.

A `Merge` is filled by the shell's tasks and emptied by its one folding loop. The other implementation is
`lockstep.InOrder`; which one is used is chosen when the trader is put together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from services.trader.facts import Fact
from shared.messages import Control, Flow, Heartbeat, Market, Message, Prediction


class AccountChange(NamedTuple):
    """A change of the account, as the user stream gave it: the `a` of an ACCOUNT_UPDATE and its time."""

    change: Mapping[str, Any]
    exchange_ns: int


class Step(NamedTuple):
    """One thing to fold: an entry of a stream with its id, something from the venue, or the end."""

    kind: str  # market | predictions | control | fact | account | shutdown
    entry_id: str = ""  # empty for what is no entry of a stream
    what: Message | Fact | AccountChange | None = None


class Merge(Protocol):
    """Takes inputs from many tasks, gives them out one by one."""

    needs_every_entry: bool  # whether each market entry is to be folded as soon as it is there

    @property
    def backlog(self) -> int:
        """Market entries waiting."""

    def push_streams(
        self, market: Sequence[tuple[str, Market]], predictions: Sequence[tuple[str, Prediction | Flow]]
    ) -> None:
        """Entries of one read of the symbol's streams."""

    def push_control(self, entry_id: str, message: Control) -> None:
        """One control entry."""

    def push_shutdown(self) -> None:
        """We are told to stop."""

    def push_event(self, frame: Mapping[str, Any], whats: Sequence[Fact | AccountChange]) -> None:
        """What one frame of the user stream (or reconciliation, then `frame` is empty) tells."""

    def push_answer(self, name: str, headers: Mapping[str, str], facts: Sequence[Fact]) -> None:
        """What the answer to the request `name` tells."""

    def sending(self, name: str) -> dict[str, str]:
        """The request `name` is about to be sent: the headers it needs beside the usual ones."""

    def pop(self) -> Step | None:
        """The next to fold; None where something must arrive first."""

    def cursor(self) -> str | None:
        """A text to send on the user stream now that nothing can be popped, where there is one."""


class Arrival:
    """As they arrive; of what came at once, the latest market state and the latest prediction count."""

    needs_every_entry = False

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()

    @property
    def backlog(self) -> int:
        """Steps waiting; the folding loop empties them at once."""
        return len(self._steps)

    def push_streams(
        self, market: Sequence[tuple[str, Market]], predictions: Sequence[tuple[str, Prediction | Flow]]
    ) -> None:
        """All market entries but stale heartbeats (a later entry carries the time), the last prediction, and
        each flow."""
        last = len(market) - 1
        for place, (entry_id, message) in enumerate(market):
            if place == last or not isinstance(message, Heartbeat):
                self._steps.append(Step("market", entry_id, message))
        last = max(
            (place for place, row in enumerate(predictions) if isinstance(row[1], Prediction)), default=-1
        )
        for place, (entry_id, foretold) in enumerate(predictions):
            if place == last or isinstance(foretold, Flow):
                self._steps.append(Step("predictions", entry_id, foretold))

    def push_control(self, entry_id: str, message: Control) -> None:
        """Folded in turn."""
        self._steps.append(Step("control", entry_id, message))

    def push_shutdown(self) -> None:
        """Folded in turn."""
        self._steps.append(Step("shutdown"))

    def push_event(self, frame: Mapping[str, Any], whats: Sequence[Fact | AccountChange]) -> None:
        """Folded in turn."""
        for what in whats:
            self._steps.append(Step("account" if isinstance(what, AccountChange) else "fact", "", what))

    def push_answer(self, name: str, headers: Mapping[str, str], facts: Sequence[Fact]) -> None:
        """Folded in turn."""
        self.push_event({}, facts)

    def sending(self, name: str) -> dict[str, str]:
        """Nothing beside the usual."""
        return {}

    def pop(self) -> Step | None:
        """The oldest."""
        return self._steps.popleft() if self._steps else None

    def cursor(self) -> str | None:
        """None: nobody waits for us."""
        return None
