"""Where the venue's market comes from: a port, and its form for a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from services.venue.events import Event, Instrument, Own

Play = Callable[[Event | Own], None]


class Source(Protocol):
    """The events of a market, in order of time; asked for, never waited for."""

    @property
    def start_ns(self) -> int:
        """When its market begins."""

    @property
    def end_ns(self) -> int | None:
        """The time of its last event; None where the market goes on."""

    @property
    def next_ns(self) -> int | None:
        """The time of the next event that is there already; None where none is."""

    @property
    def horizon_ns(self) -> int:
        """What happened up to here is settled: nothing can take effect earlier."""

    def take(self, until_ns: int) -> Event | Own | None:
        """The next event at or before `until_ns`, None where there is none."""

    def align(self, at_ns: int) -> int:
        """The first moment at or after `at_ns` at which a request can take effect."""

    def pause(self, until_ns: int, play: Play) -> int | None:
        """The machine slept: let the market stand still up to `until_ns`. What is under way goes to `play`.
        Returns since when it stands still; None where this market does not know the time of day."""


class Recording:
    """The events of `recording.timeline`."""

    def __init__(self, instruments: Mapping[str, Instrument], events: Iterator[Event]) -> None:
        rows = instruments.values()
        self.start_ns = min(row.first_ns for row in rows)
        self.end_ns: int | None = max(row.last_ns for row in rows)
        self.horizon_ns = 0
        self._events = events
        self._next: Event | None = next(events, None)

    @property
    def next_ns(self) -> int | None:
        """See Source."""
        return None if self._next is None else self._next.recv_ns

    def take(self, until_ns: int) -> Event | None:
        """See Source."""
        event = self._next
        if event is None or event.recv_ns > until_ns:
            return None
        self._next = next(self._events, None)
        return event

    def align(self, at_ns: int) -> int:
        """Any moment will do."""
        return at_ns

    def pause(self, until_ns: int, play: Play) -> int | None:
        """It goes on where it was."""
        return None
