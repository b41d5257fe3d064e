"""Ids that follow from the streams alone, never from a stored counter.

A crash may lose the last second of the ledger: an id made from time and run cannot be made twice by it,
because time went on.
"""

from __future__ import annotations

import hashlib

import msgspec

from shared.streams import format_id, parse_id


class Identity(msgspec.Struct, frozen=True):
    """Who we are to the venue: one run and one symbol."""

    run_id: str
    symbol: str

    @property
    def prefix(self) -> str:
        """How the client id of every order of ours begins."""
        return f"lf-{hashlib.sha256(f'{self.run_id}/{self.symbol}'.encode()).hexdigest()[:8]}-"

    def client_id(self, decision_id: str, place: int) -> str:
        """The client id of a decision's request: `lf-<8 hex>-<ms>-<n>-<place>`, 36 characters at most.

        >>> Identity("live", "BTCUSDT").client_id("1723161255030-0", 1)
        'lf-6177ff4c-1723161255030-0-1'
        """
        return f"{self.prefix}{decision_id}-{place}"

    def decision_id(self, client_id: str) -> str:
        """The decision that a client id of ours names; empty for others."""
        if not client_id.startswith(self.prefix):
            return ""
        return client_id.removeprefix(self.prefix).rpartition("-")[0]


def next_id(last: str, market_id: str) -> str:
    """The id after `last` for an entry written at market entry `market_id`: its milliseconds, counted up.

    >>> next_id("0-0", "1723161255030-7"), next_id("1723161255030-0", "1723161255030-9")
    ('1723161255030-0', '1723161255030-1')
    """
    last_ms, n = parse_id(last)
    ms = parse_id(market_id)[0]
    return format_id(ms, 0) if ms > last_ms else format_id(last_ms, n + 1)
