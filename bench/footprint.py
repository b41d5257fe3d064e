"""How much memory a process and all its children hold at most, and what time of processors they take; looked
at from a thread."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

EVERY_S = 0.1
MB = 1e6


class Footprint:
    """Peaks while it is entered, MB of 10^6 bytes; None where there is no /proc.

    Resident memory counts a page once for each process that has it, such as those of shared libraries;
    the proportional size counts it once for all.
    """

    def __init__(self) -> None:
        self.resident_mb: float | None = None
        self.proportional_mb: float | None = None
        self._cpu_ticks: dict[int, int] = {}  # by process, as last seen
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="footprint", daemon=True)

    def __enter__(self) -> Footprint:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def cpu_seconds(self) -> float | None:
        """Of all processes together, those that ended too; None where there is no /proc."""
        return sum(self._cpu_ticks.values()) / os.sysconf("SC_CLK_TCK") if self._cpu_ticks else None

    def _watch(self) -> None:
        if not Path("/proc/self/smaps_rollup").exists():
            return
        while True:
            sizes = [_sizes(pid) for pid in family(os.getpid())]
            for pid in family(os.getpid()):
                self._cpu_ticks[pid] = max(self._cpu_ticks.get(pid, 0), _ticks(pid))
            self.resident_mb = max(self.resident_mb or 0.0, sum(size[0] for size in sizes))
            self.proportional_mb = max(self.proportional_mb or 0.0, sum(size[1] for size in sizes))
            if self._stop.wait(EVERY_S):
                return


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended between the listing and the look
        return 0
    return int(fields[11]) + int(fields[12])


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended between the listing and the look
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def _sizes(pid: int) -> tuple[float, float]:
    """Resident and proportional size, MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended between the listing and the look
        return 0.0, 0.0
    found = dict(line.split()[:2] for line in lines[1:])
    return int(found.get("Rss:", 0)) * 1024 / MB, int(found.get("Pss:", 0)) * 1024 / MB
