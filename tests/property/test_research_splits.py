"""No label of a training row looks into the test rows, whatever the times and gaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from research.splits import purged_blocks, walk_forward

S = 1_000_000_000
times = st.lists(st.integers(0, 2000 * S), min_size=2, max_size=200, unique=True).map(
    lambda row: np.array(sorted(row), dtype=np.int64)
)
seconds = st.integers(0, 60)


@given(recv_ns=times, folds=st.integers(1, 8), reach_s=seconds)
@settings(max_examples=60, deadline=None)
def test_walk_forward(recv_ns: np.ndarray, folds: int, reach_s: int) -> None:
    tested = np.zeros(len(recv_ns), dtype=int)
    for training, test in walk_forward(recv_ns, folds, reach_s * S):
        tested += test
        if training.any() and test.any():
            assert recv_ns[training].max() + reach_s * S < recv_ns[test].min()
    assert tested.max() <= 1
    assert tested[-1] == 1


@given(recv_ns=times, folds=st.integers(1, 8), reach_s=seconds, embargo_s=seconds)
@settings(max_examples=60, deadline=None)
def test_purged_blocks(recv_ns: np.ndarray, folds: int, reach_s: int, embargo_s: int) -> None:
    tested = np.zeros(len(recv_ns), dtype=int)
    for training, test in purged_blocks(recv_ns, folds, reach_s * S, embargo_s * S):
        tested += test
        if not test.any():
            continue
        first, last = recv_ns[test].min(), recv_ns[test].max()
        for at in recv_ns[training]:
            is_before = at + reach_s * S < first
            # its features reach back to at - embargo, the last test label forward to last + reach
            is_after = at - embargo_s * S >= last + reach_s * S
            assert is_before or is_after
    assert (tested == 1).all()
