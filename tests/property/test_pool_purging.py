"""Splits of pooled symbols: no training row of one shares time with a test label of another."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from model_data import START_NS, drawn

from research.fit import PENALTY_FOLDS, choose_features
from research.pool import Stack, stacked
from research.splits import Split, purged_blocks, walk_forward
from research.table import LATENCY_NS
from research.train import FOLDS
from shared.units import SECOND


def check(stack: Stack, split: Split, embargo_ns: int) -> None:
    """Row by row, in whole recordings: what a row of one symbol knows and is told lies apart from the other's
    labels."""
    training, test = split
    reach_ns = stack.horizon_s * SECOND + LATENCY_NS
    assert not (training & test).any()
    for mine in range(len(stack.parts)):
        own = stack.parts[mine].rows.recv_ns
        trained = own[stack.of(mine, training)]
        for other in range(len(stack.parts)):
            tested = stack.parts[other].rows.recv_ns[stack.of(other, test)]
            if not (len(trained) and len(tested)):
                continue
            before, after = trained[trained < tested.min()], trained[trained > tested.max()]
            assert len(before) + len(after) == len(trained)
            assert (before + reach_ns < tested.min()).all()
            assert (after - embargo_ns >= tested.max() + reach_ns).all()


@settings(max_examples=30, deadline=None)
@given(
    starts_s=st.lists(st.integers(0, 400), min_size=2, max_size=3),
    rows=st.lists(st.integers(60, 400), min_size=3, max_size=3),
    shift_ns=st.integers(0, SECOND - 1),
    horizon_s=st.sampled_from((5, 10, 15)),
)
def test_every_fold_is_purged_against_all_symbols(
    starts_s: list[int], rows: list[int], shift_ns: int, horizon_s: int
) -> None:
    data = [
        drawn(rows[at], seed=at, symbol=f"S{at}USDT", start_ns=START_NS + start_s * SECOND + at * shift_ns)
        for at, start_s in enumerate(starts_s)
    ]
    features = choose_features("flow", *data)
    stack = stacked(data, horizon_s, features)
    assert (np.diff(stack.recv_ns) >= 0).all()
    for number, part in enumerate(stack.parts):
        everything = np.ones(len(stack.y), dtype=np.bool_)
        assert stack.of(number, everything).sum() == len(part.rows.recv_ns)
        assert stack.recv_ns[stack.owners == number].tolist() == part.rows.recv_ns.tolist()
        assert stack.y[stack.owners == number].tolist() == part.after.moves.tolist()
    reach_ns = horizon_s * SECOND + LATENCY_NS
    walked = list(walk_forward(stack.recv_ns, FOLDS, reach_ns))
    tested = np.sum([test for _, test in walked], axis=0)
    assert tested.max() == 1
    for split in walked:
        check(stack, split, 0)
        assert not (stack.recv_ns[split[0]] > stack.recv_ns[split[1]].min(initial=2**62)).any()
    for split in purged_blocks(stack.recv_ns, PENALTY_FOLDS, reach_ns, features.longest_window_ns):
        check(stack, split, features.longest_window_ns)
