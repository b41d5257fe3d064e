"""What a soak found, and what of it is not as it must be. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from lobflow.memory import Slope

BACK_SECONDS = 5.0


@dataclass
class Findings:
    """What a run came to."""

    seconds: float = 0.0
    books: int = 0
    slopes: dict[str, Slope] = field(default_factory=dict)
    restarts: int = 0  # that no drill asked for
    breaks: list[str] = field(default_factory=list)  # of the feed, before the first drill
    back_seconds: dict[str, float] = field(
        default_factory=dict
    )  # service -> how long it was away in its drill
    round_trips: int = 0
    fills: int = 0
    net_pnl: str = ""
    venue_net_pnl: str = ""
    problems: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Add what the figures themselves say to the problems."""
        rows = [
            f"{name} grows by {one.mb_per_hour} MB an hour"
            for name, one in self.slopes.items()
            if one.is_flat is False
        ]
        rows += [f"{self.restarts} restarts that no drill asked for"] if self.restarts else []
        rows += [f"the feed broke: {text}" for text in self.breaks]
        rows += [
            f"{name} was back after {away} s"
            for name, away in self.back_seconds.items()
            if away > BACK_SECONDS
        ]
        if Decimal(self.net_pnl) != Decimal(self.venue_net_pnl):
            rows.append(f"net PnL {self.net_pnl}, the venue's {self.venue_net_pnl}")
        self.problems += rows
