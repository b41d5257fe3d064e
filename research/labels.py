"""What came after: mid-price changes over a horizon, only where the feed was whole all the way.

Times are `recv_ns`. The mid at a time is that of the last book at or before it. A *break* is an entry after
which continuity is not known: a `FeedStatus` other than `live`, a change of epoch, a jump in `seq`. Breaks
are counted in stream order, because a break and a book may carry the same nanosecond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Track:
    """The mid price of one symbol over a recording, every valid book of it."""

    recv_ns: Ints  # (n,) ascending
    mid: Floats  # (n,) quote currency
    breaks_ns: Ints  # (b,) ascending
    end_ns: int  # receive time of the last entry of any kind: nothing is known beyond

    def until(self, end_ns: int) -> Track:
        """The same track, known only up to `end_ns`."""
        books = int(np.searchsorted(self.recv_ns, end_ns, "right"))
        breaks = int(np.searchsorted(self.breaks_ns, end_ns, "right"))
        end_ns = min(end_ns, self.end_ns)
        return Track(self.recv_ns[:books], self.mid[:books], self.breaks_ns[:breaks], end_ns)


def labels(
    track: Track, recv_ns: Ints, breaks_before: Ints, horizon_ns: int, delay_ns: int = 0
) -> tuple[Floats, Flags]:
    """y(t) = mid(t + delay + horizon) - mid(t + delay) at each time, and where it is known.

    `recv_ns` and `breaks_before` (how many breaks precede the row in the stream) have shape (k,). Returns y
    of shape (k,) in quote currency, 0 where it is not known, and the mask (k,).
    """
    if len(track.recv_ns) == 0:
        return np.zeros(len(recv_ns)), np.zeros(len(recv_ns), dtype=np.bool_)
    start_ns, end_ns = recv_ns + delay_ns, recv_ns + delay_ns + horizon_ns
    first = np.searchsorted(track.recv_ns, start_ns, "right") - 1
    last = np.searchsorted(track.recv_ns, end_ns, "right") - 1
    breaks_by = np.searchsorted(track.breaks_ns, end_ns, "right")
    known = (first >= 0) & (end_ns <= track.end_ns) & (breaks_by == breaks_before)
    moves = track.mid[np.maximum(last, 0)] - track.mid[np.maximum(first, 0)]
    return np.where(known, moves, 0.0), known
