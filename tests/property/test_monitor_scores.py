"""Hits counted one prediction at a time against hits counted from the whole path."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.monitor.scores import Scores
from shared.messages import Prediction
from shared.units import SECOND

HORIZONS_S = (1, 3)

paths = st.lists(
    st.tuples(
        st.integers(0, 30).map(lambda tenths: tenths * SECOND // 10),  # since the one before; 0 happens
        st.integers(100, 103),  # mid, so that it often stays
        st.sampled_from([-2.0, -0.5, 0.0, 0.5, 2.0]),
        st.integers(0, 9),  # 0: no prediction could be made
        st.integers(0, 9),  # 0: the feed broke right after it
    ),
    max_size=60,
)


@given(paths)
def test_tallies_equal_a_naive_count(path: list[tuple[int, int, float, int, int]]) -> None:
    scores = Scores()
    rows: list[tuple[int, int, float, bool]] = []
    gaps: list[int] = []
    now_ns = 10 * SECOND
    for step_ns, mid, move, made, whole in path:
        now_ns += step_ns
        values = ((move, -move), (1.0, 1.0)) if made else ((), ())
        reason = "" if made else "not whole"
        scores.handle(
            Prediction(now_ns, "m", "s", 0, mid, mid, 1, HORIZONS_S if made else (), *values, reason)
        )
        rows.append((now_ns, mid, move, bool(made)))
        if not whole:
            gaps.append(now_ns)
            scores.note_gap(now_ns)
    for sign, horizon_s in zip((1, -1), HORIZONS_S, strict=True):
        wanted: Counter[str] = Counter()
        for at_ns, mid, move, is_made in rows:
            due_ns = at_ns + horizon_s * SECOND
            if not is_made:
                continue
            if now_ns <= due_ns:
                wanted["waiting"] += 1
            elif any(at_ns <= gap_ns <= due_ns for gap_ns in gaps):
                wanted["void"] += 1
            else:
                outcome = [later for when, later, *_ in rows if when <= due_ns][-1] - mid
                name = "unchanged" if outcome == 0 else "hits" if outcome * move * sign > 0 else "misses"
                name = "no_direction" if move == 0 else name
                wanted[name] += 1
                if abs(move) >= 1 and name != "no_direction":
                    wanted[f"signal_{name}"] += 1
        tally = scores.tallies.get(horizon_s)
        if tally is None:
            assert not wanted
            continue
        assert len(tally.waiting) == wanted.pop("waiting", 0)
        names = ("hits", "misses", "unchanged", "no_direction", "void")
        names += ("signal_hits", "signal_misses", "signal_unchanged")
        assert {name: getattr(tally, name) for name in names} == {name: wanted[name] for name in names}
