"""How a venue begins with a recording. Synthetic markets begin in `resuming.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from services.venue import boards
from services.venue.core import Exchange
from services.venue.keeping import Keeping
from services.venue.pace import paced
from services.venue.recording import scan, timeline
from services.venue.source import Recording, Source
from shared.errors import BadInput, BadSetting
from shared.settings import Settings


class Opened(NamedTuple):
    """A venue before it serves anybody. `keeper` is None where nothing is kept."""

    exchange: Exchange
    source: Source
    pace: Callable[[], int] | None
    keeper: Keeping | None


def open_recording(settings: Settings, left_out: dict[str, int]) -> Opened:
    """The markets of `venue_files`; `left_out` is told at the end how many trades belonged to no aggTrade.
    Raises BadInput or BadSetting in one line."""
    if not settings.lockstep and settings.venue_speed == 0:
        raise BadSetting(
            "LOBFLOW_VENUE_SPEED: without lockstep the market follows the clock: set 1 for real time"
        )
    instruments = scan(settings.venue_files)
    for symbol in settings.symbols:
        if symbol not in instruments:
            found = ", ".join(instruments)
            raise BadInput(f"LOBFLOW_SYMBOLS names {symbol}, but the recording holds {found} only")
    source = Recording(instruments, timeline(settings.venue_files, instruments, left_out))
    rows = {symbol: boards.recorded(row) for symbol, row in instruments.items()}
    exchange = Exchange(rows, settings.venue_balance, source.end_ns)
    speed = settings.venue_speed
    return Opened(
        exchange, source, paced(time.monotonic, source.start_ns, speed) if speed > 0 else None, None
    )
