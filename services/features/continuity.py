"""Where the past of one symbol begins: a `Lob` with nothing usable before it is the first of a chain.

Everything the kernel remembers starts at that `Lob`, so `clean_ns` says of every window at once whether it is
whole. A chain ends with any `FeedStatus`, a jump of `seq`, a new `epoch`, a new tick or lot size, or a
silence of the book of more than `QUIET_NS`.

The last cause makes the state a function of recent input alone. A `Lob` within `QUIET_NS` of the start of the
input may go on a chain that began earlier; from `MEMORY_NS` after it the difference is in no window, and not
in `clean_ns`, which ends at 60 s.
"""

from __future__ import annotations

from shared.messages import AggTrade, FeedStatus, Heartbeat, Lob, Market, MarkPrice
from shared.units import SECOND

MARKET_KINDS = (Lob, AggTrade, MarkPrice, FeedStatus, Heartbeat)

CLEAN_LIMIT_NS = 60 * SECOND
QUIET_NS = 10 * SECOND
MEMORY_NS = 602 * SECOND  # 600 changes of a second in `sigma_600s`, and up to a second on either side
WARM_NS = MEMORY_NS + QUIET_NS
LOOKBACK_MS = WARM_NS // 1_000_000 + 1000  # heartbeats leave no hole of a second


class Continuity:
    """Follows the market entries of one symbol, all kinds, in order."""

    def __init__(self) -> None:
        self.chain_ns: int | None = None  # recv_ns of the chain's first Lob; None while there is no chain
        self.is_warm = False  # set once nothing before the first entry seen can matter, then for ever
        self._first_ns: int | None = None  # recv_ns of the first entry seen
        self._seq = 0  # of the last entry seen, as are the next three
        self._epoch = 0
        self._recv_ns = 0
        self._lob_ns = 0  # recv_ns of the last Lob, while there is a chain
        self._scale: tuple[int, int] | None = None  # tick_e9, lot_e9 of the last Lob or trade

    def follow(self, entry: Market) -> bool:
        """Take the next entry. True where it is the first Lob of a chain: forget all before it.

        Raises ValueError where `recv_ns` goes back.
        """
        recv_ns = entry.recv_ns
        if self._first_ns is None:
            self._first_ns = recv_ns
            self.is_warm = entry.seq == 0
        elif recv_ns < self._recv_ns:
            raise ValueError(f"seq {entry.seq}: recv_ns {recv_ns} is before {self._recv_ns}")
        elif entry.seq != self._seq + 1 or entry.epoch != self._epoch:
            self._break()
        if isinstance(entry, FeedStatus):
            self._break()
        self._seq, self._epoch, self._recv_ns = entry.seq, entry.epoch, recv_ns
        if not self.is_warm and recv_ns - self._first_ns >= WARM_NS:
            self.is_warm = True
        if isinstance(entry, (Lob, AggTrade)):
            scale = (entry.tick_e9, entry.lot_e9)
            if self._scale is not None and scale != self._scale:
                self._break()
            self._scale = scale
        return isinstance(entry, Lob) and self._follow_lob(recv_ns, self._first_ns)

    def _follow_lob(self, recv_ns: int, first_ns: int) -> bool:
        since_ns = recv_ns - (first_ns if self.chain_ns is None else self._lob_ns)
        if since_ns > QUIET_NS:
            self._break()
        self._lob_ns = recv_ns
        if self.chain_ns is not None:
            return False
        self.chain_ns = recv_ns
        return True

    def clean_ns(self) -> int:
        """Time from the chain's first Lob to the last entry, at most 60 s; 0 while there is no chain."""
        return 0 if self.chain_ns is None else min(self._recv_ns - self.chain_ns, CLEAN_LIMIT_NS)

    def _break(self) -> None:
        """End the chain. Any process that sees this entry stands here alike, so we are warm."""
        self.chain_ns = None
        self.is_warm = True
