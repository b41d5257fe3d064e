"""Splits of overlapping observations by time: never a label of the training rows inside the test rows.

All gaps are in nanoseconds on `recv_ns`. A row at t knows the market up to t (features reach back by the
longest window) and its label the market up to t + reach (horizon plus latency).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from research.labels import Flags, Ints

Split = tuple[Flags, Flags]  # (training rows, test rows), both of shape (n,)


def blocks(recv_ns: Ints, count: int) -> list[tuple[int, int]]:
    """`count` equal spans of time [start, end) that cover all rows."""
    edges = np.linspace(recv_ns[0], recv_ns[-1] + 1, count + 1).astype(np.int64)
    return [(int(edges[at]), int(edges[at + 1])) for at in range(count)]


def edges(recv_ns: Ints, block_ns: int) -> Ints:
    """Where blocks of `block_ns` begin among ascending times, as `np.add.reduceat` takes them; empty ones are
    left out.

    >>> edges(np.array([0, 1, 2, 30, 31]), 10).tolist()
    [0, 3]
    """
    block = (recv_ns - recv_ns[0]) // block_ns
    return np.flatnonzero(np.diff(block, prepend=-1) > 0).astype(np.int64)


def walk_forward(recv_ns: Ints, folds: int, reach_ns: int) -> Iterator[Split]:
    """`folds` test blocks in order of time, each with everything before it, less `reach_ns`, for training.

    The first of `folds + 1` blocks is training only.
    """
    for start_ns, end_ns in blocks(recv_ns, folds + 1)[1:]:
        yield recv_ns + reach_ns < start_ns, (recv_ns >= start_ns) & (recv_ns < end_ns)


def purged_blocks(recv_ns: Ints, folds: int, reach_ns: int, embargo_ns: int) -> Iterator[Split]:
    """Each of `folds` blocks once as the test; training rows before it end `reach_ns` earlier, and rows after
    it begin when neither its labels (`reach_ns`) nor their own features (`embargo_ns`) overlap it."""
    for start_ns, end_ns in blocks(recv_ns, folds):
        before = recv_ns + reach_ns < start_ns
        after = recv_ns >= end_ns + reach_ns + embargo_ns
        yield before | after, (recv_ns >= start_ns) & (recv_ns < end_ns)
