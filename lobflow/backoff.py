"""How long to wait before a process that ended is started again."""

from __future__ import annotations

from dataclasses import dataclass

WAITS_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
HEALTHY_SECONDS = 60.0  # a process that lived so long begins anew


@dataclass
class Backoff:
    """The waits of one process. `failures` counts those in a row."""

    failures: int = 0

    def after(self, lived_seconds: float) -> float:
        """Seconds to wait after an end, given how long the process lived."""
        if lived_seconds >= HEALTHY_SECONDS:
            self.failures = 0
        wait = WAITS_SECONDS[min(self.failures, len(WAITS_SECONDS) - 1)]
        self.failures += 1
        return wait
