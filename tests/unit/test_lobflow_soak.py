"""What a soak says of memory, of ids and of its own figures."""

from __future__ import annotations

import os

import pytest

from lobflow.memory import Memory, Slope, slope
from lobflow.soak_audit import differences
from lobflow.soak_findings import Findings

HOUR = [float(at) for at in range(0, 3600, 5)]


def test_a_steady_growth_is_found_with_its_size() -> None:
    found = slope(HOUR, [1e8 + 12e6 * at / 3600 for at in HOUR])
    assert found is not None
    assert found.mb_per_hour == pytest.approx(12.0, abs=0.01)
    assert found.is_flat is False


def test_memory_that_goes_up_and_down_is_flat() -> None:
    found = slope(HOUR, [1e8 + 5e6 * ((at // 60) % 2) for at in HOUR])
    assert found is not None
    assert found.is_flat is True
    assert found.last_mb == pytest.approx(105.0)


def test_one_step_is_within_its_error_and_minutes_say_nothing() -> None:
    step = slope(HOUR, [1e8 + (3e6 if at > 1500 else 0) for at in HOUR])
    assert step is not None
    assert step.error > 1.0  # samples after a step do not count as so many witnesses
    brief = slope(HOUR[:60], [1e8 + 1e6 * at for at in HOUR[:60]])
    assert brief is not None
    assert brief.is_flat is None
    assert slope([0.0, 1.0], [1.0, 2.0]) is None


def test_the_process_seen_longest_speaks_for_its_service() -> None:
    memory = Memory()
    for at in range(10):
        memory.take("mine", os.getpid(), float(at))
    memory.take("mine", 2**22 + 1, 11.0)  # no such process
    assert list(memory.slopes(2.0)) == ["mine"]
    assert memory.slopes(2.0)["mine"].seconds == 7.0


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ([(1, 0), (2, 0), (2, 1)], []),
        ([(2, 0), (2, 1)], []),  # begun later
        ([(1, 0), (2, 0)], []),  # one may still follow
        ([(1, 0), (2, 1)], ["1 missing (first 2-0)"]),
        ([(1, 0), (2, 0), (2, 0), (2, 1)], ["1 twice"]),
        ([(1, 0), (1, 5), (2, 0), (2, 1)], ["1 too many (first 1-5)"]),
        ([], ["none"]),
    ],
)
def test_what_has_no_cause_or_no_effect_is_named(effects: list[tuple[int, int]], said: list[str]) -> None:
    found = differences("b of a", [(1, 0), (2, 0), (2, 1)], effects)
    assert found == [f"b of a: {text}" for text in said]


def test_a_run_is_judged_by_its_figures() -> None:
    good = Findings(net_pnl="-1.5", venue_net_pnl="-1.50", back_seconds={"model": 4.9})
    good.slopes = {"model": Slope(0.5, 0.1, 3000.0, 60.0)}
    good.judge()
    assert good.problems == []
    bad = Findings(net_pnl="-1.5", venue_net_pnl="-1.6", restarts=1, breaks=["gap (lost)"])
    bad.slopes, bad.back_seconds = {"model": Slope(9.0, 0.1, 3000.0, 60.0)}, {"venue": 5.1}
    bad.judge()
    assert len(bad.problems) == 5
